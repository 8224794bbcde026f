"""Losses that units save by the closed formula of Sun, Liu, Sun and Hu 2014 (reference B).

A bus is fed by the branch that brings it most active power in the load flow without units. Equation
5 gives the losses on it from the power at its end, (P_2^2 + Q_2^2) / U_2^2 R, so that a unit of K
saves R (2 P_2 K - K^2) / U_2^2; a unit that gives reactive power Q_K saves R (2 Q_2 Q_K - Q_K^2)
/ U_2^2 more. What one unit changes for the others is left out, which is why an AC power flow says
something else. Equation 9 as printed drops R, and the square of U_2; with R = 1 pu it is
(2 P_2 gamma^2 K - gamma^2 K^2) / U_2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.network_siting import SitingProblem

    Complexes = NDArray[np.complex128]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Feeding:
    """The branch that feeds each site in one state, without units.

    Attributes
    ----------
    branch : position among the network's branches, (n_site,); -1 where none brings power
    terminal : P_2 + jQ_2, (n_site,), pu, positive into the bus
    vm : U_2, (n_site,), pu
    z : R + jX, (n_site,), pu
    """

    branch: Ints
    terminal: Complexes
    vm: Floats
    z: Complexes


def feeding(problem: SitingProblem, v: Complexes, load_factor: float) -> Feeding:
    """Find what feeds each site.

    Parameters
    ----------
    v : (n_bus,), pu, without units
    load_factor : on the loads, for P_2 when it is the load of the bus
    """
    network, grid = problem.network, problem.network.grid
    f, t = (network.at[ends[network.branch]] for ends in (grid.branch_from, grid.branch_to))
    s_from, s_to = (-s[0] for s in network.branch_flows(v[None]))
    z = network.series_impedance()
    branch = np.full(problem.n_site, -1)
    terminal = np.zeros(problem.n_site, dtype=complex)
    for k, bus in enumerate(problem.site):
        into = np.where(t == bus, s_to, np.where(f == bus, s_from, -np.inf))
        best = int(np.argmax(into.real)) if len(into) else -1
        if best >= 0 and into[best].real > 0:
            branch[k], terminal[k] = best, into[best]
    if problem.terms.terminal_power == "load":
        terminal = problem.load_mva / grid.base_mva * load_factor
    fed = branch >= 0
    impedance = np.where(fed, z[branch], 0) if len(z) else np.zeros(problem.n_site, dtype=complex)
    vm = np.asarray(abs(v[problem.site]), dtype=np.float64)
    return Feeding(branch, terminal, vm, impedance)


def formula_saving(problem: SitingProblem, fed: Feeding, power: Complexes) -> Floats:
    """Saved losses by equation 5, (n_plan,), MW.

    Parameters
    ----------
    power : gamma K and what reactive power goes with it, (n_plan, n_site), pu, 0 without a unit
    """
    p, q = power.real, power.imag
    saved = 2 * fed.terminal.real * p - p**2 + 2 * fed.terminal.imag * q - q**2
    per_site = fed.z.real / fed.vm**2 * saved
    return np.asarray(per_site.sum(axis=1) * problem.network.grid.base_mva)


def printed_saving(problem: SitingProblem, fed: Feeding, power: Floats, gamma: Floats) -> Floats:
    """The terms with lambda_2 of equation 9 as printed, as if R were 1 pu, (n_plan,), MW.

    Parameters
    ----------
    power : K, (n_plan, n_site), pu, 0 without a unit;  gamma : (n_plan,)
    """
    per_site = (2 * fed.terminal.real * power - power**2) * gamma[:, None] ** 2 / fed.vm
    return np.asarray(per_site.sum(axis=1) * problem.network.grid.base_mva)
