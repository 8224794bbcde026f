"""A MATPOWER case becomes a pandapower net with the same equations.

pandapower's own converter turns second generators and negative loads into static generators and
leaves limits out; here every row stays what it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandapower as pp

from hybridopt.errors import InputError
from hybridopt.matpower import parse_matpower
from hybridopt.matpower_costs import SEGMENTS, cost_values
from hybridopt.matpower_findings import ISOLATED, check_matpower, column
from hybridopt.network_branches import UNRATED_KA, UNRATED_MVA
from hybridopt.network_units import pieces_of

if TYPE_CHECKING:
    from hybridopt.matpower import MatpowerFile

F_HZ = 50.0
NO_LIMIT = 1e9  # pandapower's stand-in for none, a finite number; MATPOWER's is 1e10
REFERENCE = 3
BUS_TYPE = np.array(["", "b", "b", "b", "b"])


def net_from_matpower(text: str, source: str) -> Any:
    """Make a pandapower net of a MATPOWER case file, version 2.

    Buses keep their numbers; generators are numbered from 0 in the order of the file. A branch is
    a ``line`` when it has neither tap nor shift and its ends have the same base voltage, else a
    ``trafo`` whose high-voltage side is the from side. Columns that pandapower does not have carry
    the rest, see ``docs/networks.md``.

    Parameters
    ----------
    source : what findings call the file

    Raises
    ------
    InputError
        Everything that is wrong with the file, each with its line.
    """
    file = parse_matpower(text, source)
    check_matpower(file)
    if file.findings:
        raise InputError(sorted(file.findings, key=lambda f: int(f.place.rpartition(":")[2])))
    net = pp.create_empty_network(sn_mva=file.numbers["baseMVA"], f_hz=F_HZ)
    _add_buses(net, file)
    _add_gens(net, file)
    _add_costs(net, file)
    _add_branches(net, file)
    return net


def _columns(file: MatpowerFile, kind: str, names: str) -> list[np.ndarray]:
    return [column(file.tables[kind], kind, name) for name in names.split()]


def _add_buses(net: Any, file: MatpowerFile) -> None:
    """Buses with their loads and shunts; 1 kV where the file knows no base voltage."""
    number, kind, p, q, g, b, kv = _columns(file, "bus", "BUS_I TYPE PD QD GS BS BASE_KV")
    vm_max, vm_min = _columns(file, "bus", "VMAX VMIN")
    index = number.astype(np.int64)
    names = file.names.get("bus_name", ())
    pp.create_buses(
        net,
        len(index),
        np.where(kv > 0, kv, 1.0),
        index=index,
        name=list(names) if len(names) == len(index) else [str(i) for i in index],
        in_service=kind != ISOLATED,
        min_vm_pu=vm_min,
        max_vm_pu=vm_max,
    )
    load = (p != 0) | (q != 0)
    if load.any():
        pp.create_loads(net, index[load], p[load], q[load])
    shunt = (g != 0) | (b != 0)
    if shunt.any():
        pp.create_shunts(net, index[shunt], -b[shunt], g[shunt])


def _add_gens(net: Any, file: MatpowerFile) -> None:
    bus, p, vm, status = _columns(file, "gen", "GEN_BUS PG VG GEN_STATUS")
    limits = _columns(file, "gen", "PMIN PMAX QMIN QMAX")
    (ramp,) = _columns(file, "gen", "RAMP_30")
    kind, number = _columns(file, "bus", "TYPE BUS_I")
    on, at = status > 0, bus.astype(np.int64)
    at_reference = np.flatnonzero(on & np.isin(bus, number[kind == REFERENCE]))
    slack = np.zeros(len(at), dtype=bool)
    slack[at_reference[np.unique(at[at_reference], return_index=True)[1]]] = True
    names = ("min_p_mw", "max_p_mw", "min_q_mvar", "max_q_mvar")
    pp.create_gens(
        net,
        at,
        p,
        np.where(vm > 0, vm, 1.0),
        slack=slack,
        controllable=True,
        in_service=on,
        **{name: _limit(value) for name, value in zip(names, limits, strict=True)},
    )
    if (ramp > 0).any():  # MW in 30 minutes
        net.gen["ramp_up_mw_per_h"] = np.where(ramp > 0, 2 * ramp, np.nan)
        net.gen["ramp_down_mw_per_h"] = net.gen["ramp_up_mw_per_h"]


def _limit(value: np.ndarray) -> np.ndarray:
    return np.where(abs(value) >= NO_LIMIT, np.sign(value) * NO_LIMIT, value)


def _add_costs(net: Any, file: MatpowerFile) -> None:
    """Polynomials into ``poly_cost``, with a column for each further power; pieces likewise."""
    rows = file.tables["gencost"].rows[: len(net.gen)]
    costs = [(k, *cost_values(row)) for k, row in enumerate(rows)]
    polynomials = [(k, values[::-1]) for k, model, values in costs if model != SEGMENTS]
    if polynomials:
        power = max(3, *(len(values) for _, values in polynomials))
        c = np.zeros((len(polynomials), power))
        for row, (_, values) in zip(c, polynomials, strict=True):
            row[: len(values)] = values
        more = {f"cp{n}_eur_per_mw{n}": c[:, n] for n in range(3, power) if c[:, n].any()}
        pp.create_poly_costs(
            net,
            [k for k, _ in polynomials],
            "gen",
            cp1_eur_per_mw=c[:, 1],
            cp0_eur=c[:, 0],
            cp2_eur_per_mw2=c[:, 2],
            **more,
        )
    for k, model, values in costs:
        if model == SEGMENTS:
            slopes, cp0 = pieces_of(values.reshape(-1, 2))
            pp.create_pwl_cost(net, k, "gen", slopes, check=False, cp0_eur=cp0)


def _add_branches(net: Any, file: MatpowerFile) -> None:
    """Lines and transformers, in the order of the file within either table."""
    ends = [v.astype(np.int64) for v in _columns(file, "branch", "F_BUS T_BUS")]
    tap, shift, status = _columns(file, "branch", "TAP SHIFT BR_STATUS")
    kv = [net.bus.vn_kv.loc[end].to_numpy() for end in ends]
    is_line = np.isin(tap, (0, 1)) & (shift == 0) & (kv[0] == kv[1])
    rows = np.arange(1, len(tap) + 1)
    more = _limits(file) | {"in_service": status == 1, "matpower_row": rows}
    for chosen, add in ((is_line, _add_lines), (~is_line, _add_trafos)):
        if chosen.any():
            kept = {name: values[chosen] for name, values in more.items()}
            add(net, file, chosen, [end[chosen] for end in ends], [v[chosen] for v in kv], kept)


def _limits(file: MatpowerFile) -> dict[str, np.ndarray]:
    """Limits of branches, NaN for none; both angles 0 mean none."""
    (rate,) = _columns(file, "branch", "RATE_A")
    table = file.tables["branch"]
    low = column(table, "branch", "ANGMIN", -360.0)
    high = column(table, "branch", "ANGMAX", 360.0)
    free = (low == 0) & (high == 0)
    return {
        "rate_mva": np.where((rate == 0) | (rate >= NO_LIMIT), np.nan, rate),
        "min_angle_degree": np.where(free | (low <= -360), np.nan, low),
        "max_angle_degree": np.where(free | (high >= 360), np.nan, high),
    }


def _add_lines(
    net: Any,
    file: MatpowerFile,
    chosen: np.ndarray,
    ends: list[np.ndarray],
    kv: list[np.ndarray],
    more: dict[str, Any],
) -> None:
    r, x, b = (v[chosen] for v in _columns(file, "branch", "BR_R BR_X BR_B"))
    z_base = kv[0] ** 2 / net.sn_mva
    pp.create_lines_from_parameters(
        net,
        *ends,
        length_km=1.0,
        r_ohm_per_km=r * z_base,
        x_ohm_per_km=x * z_base,
        c_nf_per_km=b / z_base / (2 * np.pi * F_HZ) * 1e9,
        max_i_ka=np.nan_to_num(more["rate_mva"] / kv[0] / np.sqrt(3), nan=UNRATED_KA),
        **more,
    )


def _add_trafos(
    net: Any,
    file: MatpowerFile,
    chosen: np.ndarray,
    ends: list[np.ndarray],
    kv: list[np.ndarray],
    more: dict[str, Any],
) -> None:
    """Transformers: pandapower's impedance is that of the low-voltage side, as MATPOWER's is."""
    names = "BR_R BR_X BR_B TAP SHIFT"
    r, x, b, tap, shift = (v[chosen] for v in _columns(file, "branch", names))
    ratio, sign = np.where(tap == 0, 1.0, tap), np.where(x < 0, -1.0, 1.0)
    sn_mva = np.nan_to_num(more["rate_mva"], nan=UNRATED_MVA[-1])
    percent = 100 * sn_mva / net.sn_mva
    pp.create_transformers_from_parameters(
        net,
        *ends,
        sn_mva=sn_mva,
        vn_hv_kv=kv[0] * ratio,
        vn_lv_kv=kv[1],
        vkr_percent=r * percent,
        vk_percent=sign * np.hypot(r, x) * percent,
        pfe_kw=0.0,
        i0_percent=0.0,
        shift_degree=shift,
        charging_hv_mvar=b / 2 * net.sn_mva / ratio**2,
        charging_lv_mvar=b / 2 * net.sn_mva,
        **more,
    )
