"""Batteries and inverters after an allocation: dispatched over the hours by a nonlinear program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.allocation_goal import NAMES
from hybridopt.errors import Finding, InputError
from hybridopt.models.injection import build_injection
from hybridopt.network_allocation import ask_pandapower
from hybridopt.solvers.injections import flows
from hybridopt.solvers.ipopt import CompiledModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.allocation import Day
    from hybridopt.allocation_goal import Goal
    from hybridopt.allocation_search import Problem
    from hybridopt.network_allocation import AllocationNetwork, Referee
    from hybridopt.progress import Progress
    from hybridopt.solvers.ipopt import Solution

    Floats = NDArray[np.float64]

OPTIONS: dict[str, Any] = {"print_level": 0, "sb": "yes", "tol": 1e-8, "max_iter": 500}
FEASIBLE = 1e-7  # pu
SLACK = 1e-4  # of what follows from the start, so that the start lies inside


@dataclass(frozen=True)
class Battery:
    """A battery at a point.

    Attributes
    ----------
    bus : index in the net;  power_mw, energy_mwh : largest power both ways, content
    efficiency : share that remains on each way;  start : share of the content at first and, at
        least, at last
    """

    bus: int
    power_mw: float
    energy_mwh: float
    efficiency: float = 0.95
    start: float = 0.5


def check_batteries(network: AllocationNetwork, batteries: Sequence[Battery]) -> None:
    """Raise InputError for batteries that stand at no point."""
    findings = [
        Finding(f"{network.name} battery at bus {b.bus}", "stands at no point of the allocation")
        for b in batteries
        if b.bus not in network.points
    ]
    if findings:
        raise InputError(findings)


def refine(
    network: AllocationNetwork,
    problem: Problem,
    day: Day,
    goal: Goal,
    batteries: Sequence[Battery],
    inverter_mva: float | None,
    progress: Progress,
) -> dict[str, Any]:
    """Dispatch batteries, and inverters' reactive power, towards the same objective.

    Parameters
    ----------
    inverter_mva : apparent power of each inverter over its profile's peak; None leaves q as it is

    Returns
    -------
    ``status``; the four objectives ``before`` and ``after``, both by pandapower's power flow;
    ``batteries`` and ``inverters`` (what stands where); ``dispatch``, one row per hour and device:
    hour, device, bus, p_mw (positive injects), q_mvar, energy_mwh
    """
    base, arrays = network.base_mva, network.arrays
    load = problem.load[day.load_order]
    generation = problem.generation[day.generation_order]
    p, q = _demand(network, load, generation)
    where = {bus: int(arrays.at[k]) for k, bus in enumerate(network.points)}
    stores = [
        (where[b.bus], b.power_mw / base, b.energy_mwh / base, b.efficiency, b.start)
        for b in batteries
    ]
    inverters = [] if inverter_mva is None else _inverters(network, generation, inverter_mva)
    if inverters:  # their reactive power is the model's, not the power factor's
        q = _demand(network, load, generation, generation_tan=0.0)[1]
    model = build_injection(arrays, p, q, stores, inverters, list(goal.kernel_weights(base)))
    with progress.task("Batteries and inverters", 1) as advance:
        compiled = CompiledModel(model)
        found = compiled.solve(_start(compiled, model, network, problem, day), OPTIONS,
                               feasible=FEASIBLE)  # fmt: skip
        advance()
    rows, extra_p, extra_q = _rows(compiled, model, found, network, batteries, inverters)
    mw = generation * base
    tan = arrays.generation_tan
    plain = ask_pandapower(network, load * base, mw)
    own_q = (0.0 if inverters else tan) * mw
    better = ask_pandapower(network, load * base, mw + extra_p, own_q + extra_q)
    return {
        "status": found.status.value,
        "message": found.message,
        "before": _objectives(plain),
        "after": _objectives(better),
        "batteries": [vars(b) for b in batteries],
        "inverter_mva_per_peak_mw": inverter_mva,
        "dispatch": rows,
    }


def _objectives(said: Referee) -> dict[str, float]:
    values = (
        said.line_loading.sum(),
        said.loss_mw.sum(),
        np.maximum(said.grid_mw, 0.0).sum(),
        said.deviation.sum(),
    )
    return dict(zip(NAMES, map(float, values), strict=True))


def _demand(
    network: AllocationNetwork,
    load: Floats,
    generation: Floats,
    generation_tan: float | None = None,
) -> tuple[Floats, Floats]:
    """Demand of the active buses, (3, n_active, n_t) each, pu."""
    arrays = network.arrays
    n_t = load.shape[1]
    p = np.repeat(arrays.fixed[:, :, 0, None], n_t, axis=2)
    q = np.repeat(arrays.fixed[:, :, 1, None], n_t, axis=2)
    for kind in range(3):
        np.add.at(p[kind], arrays.at, arrays.zip_p[:, kind, None] * load)
        np.add.at(q[kind], arrays.at, arrays.zip_q[:, kind, None] * arrays.load_tan * load)
    tan = arrays.generation_tan if generation_tan is None else generation_tan
    np.add.at(p[0], arrays.at, -generation)
    np.add.at(q[0], arrays.at, -tan * generation)
    return p, q


def _inverters(
    network: AllocationNetwork, generation: Floats, ratio: float
) -> list[tuple[int, Floats]]:
    """Active bus and room for reactive power of every point with generation."""
    found = []
    for k, a in enumerate(network.arrays.at):
        peak = float(generation[k].max(initial=0.0))
        if peak > 0:
            room = np.sqrt(np.maximum((ratio * peak) ** 2 - generation[k] ** 2, 0.0))
            found.append((int(a), room))
    return found


def _start(
    compiled: CompiledModel, model: Any, network: AllocationNetwork, problem: Problem, day: Day
) -> Any:
    """The model's bounds, begun from the allocation's power flow."""
    arrays = network.arrays
    all_v, end, out, _ = flows(
        arrays, problem.load, problem.generation, day.load_order, day.generation_order
    )
    bounds = compiled.bounds()
    place = np.searchsorted(network.bus_index, [network.grid.bus_id[b] for b in network.active])
    v = all_v[0] + 1j * all_v[1]
    w = arrays.w[:, 0] + 1j * arrays.w[:, 1]
    z = arrays.z[:, :, 0] + 1j * arrays.z[:, :, 1]
    current = np.linalg.solve(z, v[place] - w[:, None])
    given = arrays.source[:, 0] @ out[0] + arrays.source[:, 1] @ out[1] + arrays.own
    used = np.hypot(end[0], end[1]) * arrays.share[:, None]
    line = used[: arrays.n_line_end].max(axis=0, initial=0.0)
    values = {
        "ir": current.real.T,
        "ii": current.imag.T,
        "vr": v[place].real.T,
        "vi": v[place].imag.T,
        "er": end[0].T,
        "ei": end[1].T,
        "wr": all_v[0].T,
        "wi": all_v[1].T,
        "loading": line + SLACK,
        "drawn": np.maximum(given, 0.0) + SLACK,
        "deviation": abs(np.hypot(all_v[0], all_v[1]) - 1.0).max(axis=0) + SLACK,
    }
    for name, value in values.items():
        columns = compiled.columns(getattr(model, name), *value.shape)
        known = columns >= 0
        bounds.x_start[columns[known]] = value[known]
    return bounds


def _rows(
    compiled: CompiledModel,
    model: Any,
    found: Solution,
    network: AllocationNetwork,
    batteries: Sequence[Battery],
    inverters: Sequence[tuple[int, Floats]],
) -> tuple[list[dict[str, Any]], Floats, Floats]:
    """The dispatch as rows, and what it adds to each point: MW and Mvar, (n_point, n_t)."""
    base, n_t = network.base_mva, len(network.arrays.dt)
    points = list(network.points)
    extra_p, extra_q = np.zeros((len(points), n_t)), np.zeros((len(points), n_t))
    rows = []

    def value(name: str, count: int) -> Floats:
        columns = compiled.columns(getattr(model, name), n_t, count)
        got: Floats = np.where(columns >= 0, found.x[columns], 0.0)
        return got

    taken, given = (value(name, len(batteries)) for name in ("store_in", "store_out"))
    energy, q = value("store_energy", len(batteries)), value("q", len(inverters))
    for k, battery in enumerate(batteries):
        p_mw = (given[:, k] - taken[:, k]) * base
        extra_p[points.index(battery.bus)] += p_mw
        rows += [
            {
                "hour": t + 1,
                "device": f"battery {k + 1}",
                "bus": battery.bus,
                "p_mw": float(p_mw[t]),
                "q_mvar": 0.0,
                "energy_mwh": float(energy[t, k] * base),
            }
            for t in range(n_t)
        ]
    at = {int(a): k for k, a in enumerate(network.arrays.at)}
    for k, (a, _) in enumerate(inverters):
        extra_q[at[a]] += q[:, k] * base
        rows += [
            {
                "hour": t + 1,
                "device": "inverter",
                "bus": points[at[a]],
                "p_mw": 0.0,
                "q_mvar": float(q[t, k] * base),
                "energy_mwh": None,
            }
            for t in range(n_t)
        ]
    return rows, extra_p, extra_q
