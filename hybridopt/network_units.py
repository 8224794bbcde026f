"""Units of a pandapower net: their limits and costs, and storage.

Everything that is dispatched becomes a unit that injects: external grids, generators, static
generators, controllable loads (consumption is a negative injection) and storage that is not
controllable (both limits are its set value). Controllable storage is the Grid's own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.grid import Storage
from hybridopt.network_branches import number_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

UNIT_TABLES = ("ext_grid", "gen", "sgen", "load", "storage")
CONSUMERS = ("load", "storage")
NO_LIMIT_MW = 1e9  # pandapower's own stand-in for none
COST_COLUMN = re.compile(r"cp(\d+)_eur(?:_per_mw(\d*))?")
LIMITS = ("min_p_mw", "max_p_mw", "min_q_mvar", "max_q_mvar")


def controllable(frame: Any) -> NDArray[np.bool_]:
    """Rows whose ``controllable`` is true; false where it is missing."""
    if "controllable" not in frame:
        return np.zeros(len(frame), dtype=bool)
    return np.array([value is not None and value == True for value in frame.controllable], bool)  # noqa: E712


def unit_rows(net: Any, table: str) -> Any:
    """Rows of a table that are units of the Grid."""
    frame = net[table]
    if table == "load":
        return frame[controllable(frame)]
    if table == "storage":
        return frame[~controllable(frame)]
    return frame


def fixed_loads(net: Any) -> Any:
    """Rows of the load table that are demand: those that are not controllable."""
    return net.load[~controllable(net.load)]


def units(net: Any, base: float) -> dict[str, Any]:
    """Units as a Grid's fields; ``gen_bus`` holds the net's own indices."""
    frames = {table: unit_rows(net, table) for table in UNIT_TABLES}
    sizes = [len(frame) for frame in frames.values()]
    kinds = tuple(np.repeat(UNIT_TABLES, sizes).tolist())
    index = np.concatenate([f.index.to_numpy() for f in frames.values()]).astype(np.int64)
    low_p, high_p, low_q, high_q = (
        np.concatenate(values) / base
        for values in zip(*(_limits(t, f) for t, f in frames.items()), strict=True)
    )
    ramps = [
        np.concatenate([number_column(f, name, np.inf) for f in frames.values()]) / base
        for name in ("ramp_up_mw_per_h", "ramp_down_mw_per_h")
    ]
    source = np.isin(kinds, ("ext_grid", "gen"))
    names = [name for f in frames.values() for name in f.get("name", [""] * len(f))]
    keys = list(zip(kinds, index.tolist(), strict=True))
    return {
        "gen_name": tuple("" if name is None else str(name) for name in names),
        "gen_kind": kinds,
        "gen_index": index,
        "gen_bus": np.concatenate([f.bus.to_numpy() for f in frames.values()]).astype(np.int64),
        "p_min": low_p,
        "p_max": high_p,
        "q_min": low_q,
        "q_max": high_q,
        "gen_cost": polynomials(net, keys),
        "gen_pwl": pieces(net, keys),
        "ramp_up": ramps[0],
        "ramp_down": ramps[1],
        "gen_forming": np.asarray(source & (high_p > 0), dtype=bool),
        "gen_in_service": np.concatenate([f.in_service for f in frames.values()]).astype(bool),
    }


def _limits(table: str, frame: Any) -> list[Floats]:
    """Give p_min, p_max, q_min, q_max of a table of units in MW and Mvar, positive injects."""
    n = len(frame)
    free_p, free_q = [np.full((2, n), np.inf) * [[-1], [1]] for _ in range(2)]
    if table != "ext_grid":
        p_set, q_set = _set_values(frame)
        free_p = np.array([np.minimum(p_set, 0.0), np.maximum(p_set, 0.0)])
    if table == "sgen":
        free_q = np.array([np.minimum(q_set, 0.0), np.maximum(q_set, 0.0)])
    if table in CONSUMERS:
        free_p, free_q = np.array([p_set, p_set]), np.array([q_set, q_set])
    missing = [*free_p, *free_q]
    given = [number_column(frame, name, m) for name, m in zip(LIMITS, missing, strict=True)]
    if table in {"sgen", "storage"}:
        fixed = ~controllable(frame)
        given = [np.where(fixed, m, v) for m, v in zip(missing, given, strict=True)]
    given = [np.where(abs(v) >= NO_LIMIT_MW, np.copysign(np.inf, v), v) for v in given]
    if table in CONSUMERS:
        low_p, high_p, low_q, high_q = given
        return [-high_p, -low_p, -high_q, -low_q]
    return given


def _set_values(frame: Any) -> tuple[Floats, Floats]:
    """Set active and reactive power of a table, MW and Mvar, in its own sign."""
    scaling = frame.scaling.to_numpy(float)
    q = frame.q_mvar.to_numpy(float) if "q_mvar" in frame else np.zeros(len(frame))
    return frame.p_mw.to_numpy(float) * scaling, q * scaling


def polynomials(net: Any, keys: list[tuple[str, int]]) -> Floats:
    """Polynomials in the power injected, (n_unit, n_coef), from ``poly_cost``.

    Any power may have a column, ``cp3_eur_per_mw3`` and so on. The cost of a load is one of its
    consumption.
    """
    powers = {cost_power(name): name for name in net.poly_cost.columns}
    powers.pop(None, None)
    cost = np.zeros((len(keys), max([3, *(int(k or 0) + 1 for k in powers)])))
    where = {key: k for k, key in enumerate(keys)}
    table = net.poly_cost
    for row, et, element in zip(range(len(table)), table.et, table.element, strict=True):
        unit = where.get((et, int(element)))
        if unit is None:
            continue
        for power, name in powers.items():
            value = float(table[name].iloc[row])
            if not np.isnan(value):
                cost[unit, power] = -value if et in CONSUMERS and int(power or 0) % 2 else value
    return cost


def cost_power(column: str) -> int | None:
    """Power of MW that a column of ``poly_cost`` belongs to; None for other columns."""
    match = COST_COLUMN.fullmatch(column)
    if match is None:
        return None
    power = int(match[1])
    written = {0: None, 1: ""}.get(power, str(power))
    return power if match[2] == written else None


def pieces(net: Any, keys: list[tuple[str, int]]) -> tuple[Floats | None, ...]:
    """Points (MW injected, currency per hour) of each unit with a row in ``pwl_cost``.

    pandapower gives slopes; the first piece runs through ``cp0_eur`` (an extra column, 0 when it
    is missing) at 0 MW, as in pandapower's own optimal power flow.
    """
    found: dict[tuple[str, int], Floats] = {}
    start = number_column(net.pwl_cost, "cp0_eur", 0.0)
    for row, cp0 in zip(net.pwl_cost.itertuples(), start, strict=True):
        parts = np.array(row.points, dtype=float)
        mw = np.append(parts[:, 0], parts[-1, 1])
        first = cp0 + parts[0, 0] * parts[0, 2]
        cost = first + np.append(0.0, np.cumsum(np.diff(mw) * parts[:, 2]))
        points = np.column_stack([mw, cost])
        if row.et in CONSUMERS:
            points = points[::-1] * [-1.0, 1.0]
        found[row.et, int(row.element)] = points
    return tuple(found.get(key) for key in keys)


def pieces_of(points: Floats) -> tuple[list[list[float]], float]:
    """Turn points, (n_point, 2), MW and currency per hour, into ``points`` and ``cp0_eur``."""
    mw, cost = points.T
    slope = np.diff(cost) / np.diff(mw)
    slopes = np.column_stack([mw[:-1], mw[1:], slope]).tolist()
    return slopes, float(cost[0] - slope[0] * mw[0])


def storage(net: Any, base: float) -> tuple[Storage, NDArray[np.int64]]:
    """Controllable storage, and the net's index of the bus of each.

    Missing limits of power are the set value's size, missing limits of reactive power its set
    value. ``soc_percent`` is of ``max_e_mwh``; after the last hour at least ``end_soc_percent``
    (an extra column) must be left, by default what was there at first.
    """
    frame = net.storage[controllable(net.storage)]
    p_set, q_set = _set_values(frame)
    full = frame.max_e_mwh.to_numpy(float)
    start = number_column(frame, "soc_percent", 0.0) / 100 * full
    unit = Storage(
        name=tuple("" if name is None else str(name) for name in frame.name),
        index=frame.index.to_numpy(np.int64),
        bus=np.empty(0, dtype=np.int64),
        charge_max=number_column(frame, "max_p_mw", abs(p_set)) / base,
        discharge_max=-number_column(frame, "min_p_mw", -abs(p_set)) / base,
        q_min=number_column(frame, "min_q_mvar", q_set) / base,
        q_max=number_column(frame, "max_q_mvar", q_set) / base,
        energy_min=number_column(frame, "min_e_mwh", 0.0) / base,
        energy_max=full / base,
        energy_start=start / base,
        energy_end=number_column(frame, "end_soc_percent", start / full * 100) / 100 * full / base,
        eta_in=number_column(frame, "charge_efficiency", 1.0),
        eta_out=number_column(frame, "discharge_efficiency", 1.0),
        in_service=frame.in_service.to_numpy(bool),
    )
    return unit, frame.bus.to_numpy(np.int64)
