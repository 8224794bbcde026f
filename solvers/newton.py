"""AC power flow of one network for many injections at once: Newton, then its Jacobian kept.

The network is solved in full (Newton-Raphson in polar coordinates, Tinney and Hart 1967). What is
injected beside is solved from there with the one factorised Jacobian (the "dishonest" Newton or
chord method): each step is a product and a back substitution for all cases together.
The mismatch is the true one, so that what converges is the power flow, not an approximation; what
doesn't is solved in full on its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Complexes = NDArray[np.complex128]

KEPT_STEPS = 40  # with the Jacobian kept
STEPS = 30  # of a full Newton
FURTHEST = 10.0  # step in rad or pu after which nothing will come of it


@dataclass(frozen=True, eq=False)
class FlowArrays:
    """A network with sources that hold voltages; every bus is connected to a slack bus.

    Attributes
    ----------
    y : (n_bus, n_bus), pu, sparse
    slack, pv, pq : bus positions
        Voltage and angle held; voltage held; neither.
    v : (n_bus,), pu
        Held voltages, and a start for the others.
    injected : (n_bus,), pu, positive injects
        All but the loads.
    load : (n_bus,), pu, positive consumes
    impedance_share, current_share : (n_bus,), real part for active, imaginary for reactive power
        Shares of the load of constant impedance and of constant current.
    tolerance : pu
        Largest mismatch of a solution.
    """

    y: Any
    slack: Ints
    pv: Ints
    pq: Ints
    v: Complexes
    injected: Complexes
    load: Complexes
    impedance_share: Complexes
    current_share: Complexes
    tolerance: float = 1e-10


@dataclass(frozen=True, eq=False)
class Flows:
    """Solutions.

    Attributes
    ----------
    v : (n_case, n_bus), pu
    converged : (n_case,)
    """

    v: Complexes
    converged: Bools


class PowerFlows:
    """Power flows of a network at one level of its loads.

    Parameters
    ----------
    load_factor : 1
        On all loads.

    Attributes
    ----------
    base : (n_bus,), pu
        Voltages without anything injected beside the network's own.
    converged : whether there is such a solution; nothing can be solved without it
    """

    def __init__(self, arrays: FlowArrays, load_factor: float = 1.0) -> None:
        self.arrays = arrays
        self.load = load_factor * arrays.load
        self.angles = np.concatenate([arrays.pv, arrays.pq])
        self.base, self.converged = self._newton(arrays.injected, arrays.v)
        self._kept = splu(self._jacobian(self.base)) if self.converged and self._unknowns else None

    @property
    def _unknowns(self) -> int:
        return len(self.angles) + len(self.arrays.pq)

    def solve(self, extra: Complexes) -> Flows:
        """Solve with more injected.

        Parameters
        ----------
        extra : (n_case, n_bus), pu, positive injects
        """
        n_case = len(extra)
        v = np.tile(self.base, (n_case, 1))
        done = np.zeros(n_case, dtype=bool)
        if self._kept is None:
            return Flows(v, np.full(n_case, self.converged))
        power = self.arrays.injected + extra
        going = np.arange(n_case)
        for _ in range(KEPT_STEPS):
            mismatch = self._mismatch(v[going], power[going])
            size = abs(mismatch).max(axis=1)
            done[going[size < self.arrays.tolerance]] = True
            keep = (size >= self.arrays.tolerance) & np.isfinite(size)
            going, mismatch = going[keep], mismatch[keep]
            if not len(going):
                break
            step = self._kept.solve(np.ascontiguousarray(mismatch.T)).T
            sane = abs(step).max(axis=1) < FURTHEST
            going, step = going[sane], step[sane]
            v[going] = self._moved(v[going], step)
        for case in np.flatnonzero(~done):
            v[case], done[case] = self._newton(power[case], self.base)
        return Flows(v, done)

    def _newton(self, power: Complexes, start: Complexes) -> tuple[Complexes, bool]:
        """Solve one case in full; the voltages and whether they are a solution."""
        v = start
        for _ in range(STEPS):
            mismatch = self._mismatch(v[None], power[None])[0]
            size = float(abs(mismatch).max(initial=0.0))
            if size < self.arrays.tolerance:
                return v, True
            if not np.isfinite(size):
                break
            try:
                step = splu(self._jacobian(v)).solve(mismatch)
            except RuntimeError:  # singular
                break
            if not abs(step).max() < FURTHEST:
                break
            v = self._moved(v[None], step[None])[0]
        return start, False

    def _mismatch(self, v: Complexes, power: Complexes) -> Floats:
        """Power that leaves each bus less what is injected, (n_case, n_unknown), pu."""
        vm = np.asarray(abs(v), dtype=np.float64)
        off = v * np.conj((self.arrays.y @ v.T).T) - power + self._drawn(vm)
        return np.hstack([off.real[:, self.angles], off.imag[:, self.arrays.pq]])

    def _drawn(self, vm: Floats) -> Complexes:
        """What loads draw at a voltage, (n_case, n_bus), pu."""
        z, i = self.arrays.impedance_share, self.arrays.current_share
        if not (z.any() or i.any()):
            return self.load
        p = self.load.real * (1 - z.real - i.real + i.real * vm + z.real * vm**2)
        q = self.load.imag * (1 - z.imag - i.imag + i.imag * vm + z.imag * vm**2)
        return np.asarray(p + 1j * q)

    def _moved(self, v: Complexes, step: Floats) -> Complexes:
        va, vm = np.angle(v), abs(v)
        va[:, self.angles] -= step[:, : len(self.angles)]
        vm[:, self.arrays.pq] -= step[:, len(self.angles) :]
        return np.asarray(vm * np.exp(1j * va))

    def _jacobian(self, v: Complexes) -> Any:
        """Derivatives of the mismatch by angles and magnitudes, sparse."""
        y, unit = self.arrays.y, v / abs(v)
        flow = sp.diags(np.conj(y @ v))
        by_angle = 1j * sp.diags(v) @ (flow - (y @ sp.diags(v)).conj())
        by_size = sp.diags(v) @ (y @ sp.diags(unit)).conj() + flow @ sp.diags(unit)
        vm, z, i = abs(v), self.arrays.impedance_share, self.arrays.current_share
        slope_p = self.load.real * (i.real + 2 * z.real * vm)
        slope_q = self.load.imag * (i.imag + 2 * z.imag * vm)
        by_size = by_size + sp.diags(slope_p + 1j * slope_q)
        rows, sizes = self.angles, self.arrays.pq
        by_angle, by_size = by_angle.tocsr(), by_size.tocsr()
        return sp.vstack(
            [
                sp.hstack([by_angle[rows][:, rows].real, by_size[rows][:, sizes].real]),
                sp.hstack([by_angle[sizes][:, rows].imag, by_size[sizes][:, sizes].imag]),
            ]
        ).tocsc()
