"""Radial feeders in pandapower and lightsim2grid, with the lines open that a tree leaves open."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandapower as pp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NEWTON = 50  # iterations at most, where convergence is judged


class Runpp:
    """A net of lines alone, in the order of the feeder's branches.

    Attributes
    ----------
    init : what the first of several power flows begins with, "auto" as pandapower's users do
    """

    def __init__(self, net: Any, init: str = "auto", **options: Any) -> None:
        self.net, self.init, self.options = net, init, options
        self.p, self.q = (net.load[c].to_numpy(float) for c in ("p_mw", "q_mvar"))

    def switch(self, opens: Any) -> None:
        """Open these lines, by position, and close all others."""
        on = np.ones(len(self.net.line), dtype=bool)
        on[opens] = False
        self.net.line["in_service"] = on

    def load(self, factor: float) -> None:
        """Scale all loads."""
        self.net.load["p_mw"], self.net.load["q_mvar"] = factor * self.p, factor * self.q

    def run(self, init: str | None = None) -> bool:
        """Whether the power flow of the present state converges."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pp.runpp(self.net, init=init or self.init, **self.options)
        except pp.LoadflowNotConverged:
            return False
        return True

    def solve(self, opens: Any) -> tuple[float, Floats] | None:
        """Losses in kW and voltages in pu; None where it does not converge."""
        self.switch(opens)
        if not self.run():
            return None
        return self.loss_kw, self.net.res_bus.vm_pu.to_numpy(float).copy()

    @property
    def loss_kw(self) -> float:
        """Losses of all lines."""
        return float(self.net.res_line.pl_mw.sum()) * 1e3

    def limit(self, opens: Any, most: float = 1.0, step: float = 0.05) -> float:
        """Largest load factor up to `most` that a continuation from light load reaches.

        Each power flow begins with the last one's voltages, which holds it on the upper branch;
        the step is halved down to 1e-7 where one fails.
        """
        self.switch(opens)
        reached = 0.0
        self.load(reached)
        if not self.run("flat"):
            raise AssertionError("no power flow without load")
        while reached < most and step > 1e-7:
            target = min(reached + step, most)
            self.load(target)
            if self.run("results"):
                reached = target
            else:
                step /= 2
                self.load(reached)
                self.run("flat" if reached == 0.0 else "results")
        self.load(1.0)
        return reached


class LightSim:
    """The same net in lightsim2grid: one grid whose lines are switched."""

    def __init__(self, net: Any) -> None:
        from lightsim2grid.network import init_from_pandapower

        net = copy.deepcopy(net)
        net.line["in_service"] = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.grid = init_from_pandapower(net)
        self.p, self.q = (net.load[c].to_numpy(float) for c in ("p_mw", "q_mvar"))
        self.n_line = len(net.line)
        at = {int(b): k for k, b in enumerate(net.bus.index)}
        self.ends = [[at[int(b)] for b in net.line[end]] for end in ("from_bus", "to_bus")]
        z = (net.line.r_ohm_per_km + 1j * net.line.x_ohm_per_km) * net.line.length_km
        z_base = net.bus.vn_kv.loc[net.line.from_bus].to_numpy() ** 2
        self.g = (1 / z.to_numpy()).real * z_base  # MW at 1 pu
        self.now = np.ones(self.n_line, dtype=bool)
        self.flat = np.ones(self.grid.total_bus(), dtype=complex)

    def switch(self, opens: Any) -> None:
        """Open these lines and close all others."""
        closed = np.ones(self.n_line, dtype=bool)
        closed[opens] = False
        for k in np.flatnonzero(closed & ~self.now):
            self.grid.reactivate_powerline(int(k))
        for k in np.flatnonzero(~closed & self.now):
            self.grid.deactivate_powerline(int(k))
        self.now = closed

    def scale(self, factors: Floats) -> None:
        """Scale the loads, each by its factor."""
        changed = np.ones(len(self.p), dtype=bool)
        self.grid.update_loads_p(changed, (self.p * factors).astype(np.float32))
        self.grid.update_loads_q(changed, (self.q * factors).astype(np.float32))

    def solve(self, opens: Any, iterations: int = 10) -> tuple[float, Floats] | None:
        """Losses in kW and voltages in pu; None where it does not converge."""
        self.switch(opens)
        found = self.grid.ac_pf(self.flat.copy(), iterations, 1e-8)
        return None if found.size == 0 else (self.loss_kw, np.abs(found))

    def many(self, opens: Any, factors: Floats) -> Floats:
        """Losses in kW of all trees at all hours, (n, n_t), as one batch of `ScenarioSweep`.

        Parameters
        ----------
        opens : (n, k), open lines of each tree;  factors : (n_t,), of all loads
        """
        from lightsim2grid.scenarioSweep import ScenarioSweepCPP

        self.switch([])
        sweep = ScenarioSweepCPP(self.grid)
        cut = np.zeros((len(opens), self.n_line), dtype=bool)
        np.put_along_axis(cut, opens, True, axis=1)
        every = np.tile(factors, len(opens))[:, None]
        sweep.modify_load_p(every * self.p)
        sweep.modify_load_q(every * self.q)
        sweep.set_contingency_lines(np.repeat(cut, len(factors), axis=0))
        sweep.compute(self.flat.copy(), 10, 1e-8)
        v = sweep.get_voltages().reshape(len(opens), len(factors), -1)
        series2 = np.abs(v[:, :, self.ends[0]] - v[:, :, self.ends[1]]) ** 2
        lost = (series2 @ np.where(cut, 0.0, self.g)[:, :, None])[:, :, 0] * 1e3
        return np.where((v == 0).all(axis=2), np.nan, lost)

    @property
    def loss_kw(self) -> float:
        """Losses of all lines."""
        ends = (self.grid.get_line_res1(), self.grid.get_line_res2())
        return float(sum(end[0].sum() for end in ends)) * 1e3
