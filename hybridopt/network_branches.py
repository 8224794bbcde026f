"""Branches of a pandapower net: two-ports, ratings and limits of angles.

Beside pandapower's own columns, those of :data:`OWN_COLUMNS` are honoured in every net.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandapower as pp
from pandapower.auxiliary import _add_ppc_options
from pandapower.pd2ppc import _pd2ppc
from pandapower.pypower.makeYbus import branch_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TINY = 1e-100  # pu
UNRATED_KA = 99999.0
UNRATED_MVA = (99.999, 9900.0, 9999.0)
CHARGING = {"charging_hv_mvar": "hv_bus", "charging_lv_mvar": "lv_bus"}
OWN_COLUMNS = {
    "line": ("rate_mva", "min_angle_degree", "max_angle_degree"),
    "trafo": ("rate_mva", "min_angle_degree", "max_angle_degree", *CHARGING),
}


def number_column(frame: Any, name: str, default: Any) -> Floats:
    """A numeric column; the default where it is missing or NaN."""
    if name not in frame:
        return np.broadcast_to(np.asarray(default, dtype=float), len(frame)).copy()
    values = frame[name].to_numpy(dtype=float, na_value=np.nan)
    return np.asarray(np.where(np.isnan(values), default, values), dtype=np.float64)


def per_unit_tables(net: Any) -> Any:
    """Pandapower's own per-unit tables (the public ``to_ppc`` drops the iron losses)."""
    net["_options"] = {}
    _add_ppc_options(
        net,
        calculate_voltage_angles=True,
        trafo_model="t",
        check_connectivity=False,
        mode="pf",
        switch_rx_ratio=2,
        init_vm_pu="flat",
        init_va_degree="flat",
        enforce_q_lims=False,
        enforce_p_lims=False,
        recycle=None,
    )
    return _pd2ppc(net)[0]


def two_ports(net: Any, ppc: Any) -> dict[str, Any]:
    """Admittances of lines, then transformers, as a Grid's fields."""
    table = ppc["branch"].astype(complex)
    table[np.abs(table) < TINY] = 0.0  # pandapower stops at an underflow
    y_tt, y_ff, y_ft, y_tf = branch_vectors(table, len(table))
    first, base = len(net.line), float(ppc["baseMVA"])
    y_ff[first:] += 1j * number_column(net.trafo, "charging_hv_mvar", 0.0) / base
    y_tt[first:] += 1j * number_column(net.trafo, "charging_lv_mvar", 0.0) / base
    return {"y_ff": y_ff, "y_ft": y_ft, "y_tf": y_tf, "y_tt": y_tt}


def branch_limits(net: Any, base: float, branch_limit: str | None) -> dict[str, Any]:
    """Ratings and limits of angles of lines, then transformers, as a Grid's fields.

    Parameters
    ----------
    branch_limit : "current" or "power" for all branches; None: power where ``rate_mva`` is given
    """
    tables = (net.line, net.trafo)
    usual = [_line_rates(net, base), _trafo_rates(net, base, branch_limit)]
    rate_from, rate_to = (np.concatenate([rates[k] for rates in usual]) for k in (0, 1))
    share, given, low, high = (
        np.concatenate([number_column(table, name, default) for table in tables])
        for name, default in (
            ("max_loading_percent", 100.0),
            ("rate_mva", np.nan),
            ("min_angle_degree", -np.inf),
            ("max_angle_degree", np.inf),
        )
    )
    rated = ~np.isnan(given)
    is_power = rated if branch_limit is None else np.full(len(rated), branch_limit == "power")
    return {
        "rate_from": np.where(rated, given / base, rate_from),
        "rate_to": np.where(rated, given / base, rate_to),
        "rate_share": np.where(rated, 1.0, share / 100),
        "rate_is_power": is_power,
        "angle_min": np.deg2rad(low),
        "angle_max": np.deg2rad(high),
    }


def _line_rates(net: Any, base: float) -> tuple[Any, Any]:
    """Limit at both ends in pu: current, or apparent power at nominal voltage."""
    line = net.line
    share = number_column(line, "max_loading_percent", 100.0) / 100
    circuits = line.df.to_numpy(float) * line.parallel.to_numpy(float)
    ka = number_column(line, "max_i_ka", np.inf) * circuits
    rates = []
    for column in ("from_bus", "to_bus"):
        mva = np.sqrt(3) * ka * net.bus.vn_kv[line[column]].to_numpy(float)
        unrated = (ka >= UNRATED_KA) | _is_placeholder(mva)
        rates.append(np.where(unrated, np.inf, mva * share / base))
    return rates[0], rates[1]


def _trafo_rates(net: Any, base: float, branch_limit: str | None) -> tuple[Any, Any]:
    """Limit at the high- and low-voltage end in pu, as pandapower's loading is defined."""
    trafo = net.trafo
    share = number_column(trafo, "max_loading_percent", 100.0) / 100
    circuits = trafo.df.to_numpy(float) * trafo.parallel.to_numpy(float)
    mva = number_column(trafo, "sn_mva", np.inf) * circuits
    unrated = _is_placeholder(trafo.sn_mva.to_numpy(float))
    rates = []
    for side in ("hv", "lv"):
        rated = trafo[f"vn_{side}_kv"].to_numpy(float)
        nominal = net.bus.vn_kv[trafo[f"{side}_bus"]].to_numpy(float)
        ratio = 1.0 if branch_limit == "power" else nominal / rated
        rates.append(np.where(unrated, np.inf, mva * share / base * ratio))
    return rates[0], rates[1]


def _is_placeholder(mva: Floats) -> NDArray[np.bool_]:
    found = [np.isclose(mva, value, rtol=1e-6) for value in UNRATED_MVA]
    return np.asarray(np.any(found, axis=0) | (mva <= 0), dtype=bool)


def has_charging(net: Any) -> bool:
    """Whether a transformer has charging of its own, which pandapower doesn't know."""
    return any((number_column(net.trafo, name, 0.0) != 0).any() for name in CHARGING)


def charging_as_shunts(net: Any) -> None:
    """Turn the charging of transformers in service into shunts at their ends, for pandapower."""
    for name, end in CHARGING.items():
        mvar = number_column(net.trafo, name, 0.0)
        on = (mvar != 0) & net.trafo.in_service.to_numpy(bool)
        if on.any():
            labels = [f"charging of transformer {i}" for i in net.trafo.index[on]]
            buses = net.trafo[end].to_numpy()[on]
            pp.create_shunts(net, buses, -mvar[on], name=labels, vn_kv=net.bus.vn_kv[buses].values)
        if name in net.trafo:
            net.trafo = net.trafo.drop(columns=name)
