"""A pandapower net with customers and failure rates becomes a ReliabilityModel."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridopt.cases import reliability_files
from hybridopt.errors import Finding, InputError
from hybridopt.network import read_network
from hybridopt.network_feeder import SWITCH_KIND, branches_of
from hybridopt.network_files import SUFFIXES
from hybridopt.network_findings import network_findings
from hybridopt.reliability_build import build_model
from hybridopt.reliability_files import (
    CUSTOMERS,
    FAILURES,
    Entry,
    Tables,
    read_tables,
    read_value,
    tables_prefix,
)
from hybridopt.reliability_model import BREAKER, DEVICES, SWITCH

if TYPE_CHECKING:
    from hybridopt.reliability_model import ReliabilityModel

KINDS = ("line", "trafo", "switch")  # rows of these names are for all branches of a kind
RATES = {"failures_per_year", "failures_per_km_year"}
NOT_IN_NET = {"from_bus", "to_bus", "closed", "length_km"}  # the net itself says these


def read_reliability(
    text: str,
    data: str | None = None,
    folder: Path | None = None,
) -> ReliabilityModel:
    """Read a system: a built-in one, a pair of tables, or a network with such a pair or columns.

    Parameters
    ----------
    text : built-in system, prefix of ``_customers.csv`` and ``_failures.csv``, or network
    data : prefix of the tables that belong to a network
    folder : where relative paths start; the working directory by default

    Raises
    ------
    InputError
        Every finding.
    """
    folder = folder or Path()
    own = reliability_files().get(text) or tables_prefix(text, folder)
    if own is not None:
        if data is not None:
            message = f"{text} has tables of its own; --data is for networks"
            raise InputError([Finding("--data", message)])
        tables = read_tables(own)
        return build_model(own.name, tables.customers, tables.failures)
    tables = Tables()
    findings: list[Finding] = []
    if data is not None:
        prefix = reliability_files().get(data) or tables_prefix(data, folder)
        try:
            if prefix is None:
                message = f"there is no {data}_customers.csv and no {data}_failures.csv"
                raise InputError([Finding("--data", message)])
            tables = read_tables(prefix)
        except InputError as error:
            findings += error.findings
    try:
        net = read_network(text, folder)
    except InputError as error:
        close = get_close_matches(text, [*reliability_files()], n=1)
        hint = f"; or a system for reliability (did you mean {close[0]!r}?)" if close else ""
        first, *others = error.findings
        raise InputError([*findings, Finding(first.place, first.message + hint), *others]) from None
    if findings:
        raise InputError(findings)
    name = Path(text).stem if Path(text).suffix.lower() in SUFFIXES else Path(text).name
    return model_from_net(net, tables, name)


def model_from_net(
    net: Any, tables: Tables | None = None, name: str = "network"
) -> ReliabilityModel:
    """Make a model of a net; the net is not altered.

    What the tables say goes before columns of the same names in the net's own tables ``bus``,
    ``line``, ``trafo`` and ``switch``. Sources are external grids and generators with ``slack``,
    loads those of the net times their scaling. An open branch is a tie. Devices are those of the
    net's switches (type CB: breaker, any other: switch) where nothing else says them.

    Parameters
    ----------
    net : pandapower net
    tables : customers and failures by bus index (or name) and by branch, as ``reconfigure`` names
        it, or ``line``, ``trafo``, ``switch`` for all branches of a kind without a row
    name : what findings call it

    Raises
    ------
    InputError
        Every finding, see ``build_model``; unknown buses and branches.
    """
    tables = tables or Tables()
    findings = network_findings(net, name)
    if findings:
        raise InputError(findings)
    buses, bus_findings = _buses(net, tables, name)
    branches, branch_findings = _branches(net, tables, name, [entry.name for entry in buses])
    findings = bus_findings + branch_findings
    if not findings and not any("customers" in entry.cells for entry in buses):
        message = "nothing says who its customers are and what fails: give --data PREFIX (tables "
        message += "PREFIX_customers.csv, PREFIX_failures.csv), or columns of the net's own tables"
        findings.append(Finding(name, message))
    if findings:
        raise InputError(findings)
    return build_model(name, buses, branches)


def _labels(net: Any) -> dict[int, str]:
    """Label of each bus: its name where names are texts, each once, else its index."""
    names = net.bus.get("name")
    texts = [] if names is None else ["" if pd.isna(v) else str(v).strip() for v in names]
    good = (
        texts and len(set(texts)) == len(texts) and not any(t == "" or _is_number(t) for t in texts)
    )
    return {int(i): texts[k] if good else str(i) for k, i in enumerate(net.bus.index)}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def find_bus(net: Any, label: str) -> str | None:
    """Label in the model of a bus that is named by its index or its name."""
    labels = _labels(net)
    found = {str(i): name for i, name in labels.items()} | {name: name for name in labels.values()}
    return found.get(label)


def _columns(
    frame: Any, index: int, columns: tuple[str, ...], place: str
) -> tuple[dict[str, Any], list[Finding]]:
    """What a row of the net's own tables says."""
    values: dict[str, Any] = {}
    findings = []
    for column in columns:
        if column not in frame or column in NOT_IN_NET:
            continue
        given = frame[column].loc[index]
        if pd.isna(given) or given == "":
            continue
        value, message = read_value(column, given)
        if message:
            findings.append(Finding(f"{place} {column}", message))
        else:
            values[column] = value
    return values, findings


def _buses(net: Any, tables: Tables, name: str) -> tuple[list[Entry], list[Finding]]:
    labels = _labels(net)
    live = [int(i) for i in net.bus.index if bool(net.bus.in_service.loc[i])]
    p_mw = (net.load.p_mw * net.load.scaling * net.load.in_service).groupby(net.load.bus).sum()
    sources = set(net.ext_grid.bus[net.ext_grid.in_service.astype(bool)].astype(int))
    if "slack" in net.gen:
        slack = net.gen.slack.fillna(False).astype(bool) & net.gen.in_service.astype(bool)
        sources |= set(net.gen.bus[slack].astype(int))
    rows: dict[str, Entry] = {}
    findings = []
    for entry in tables.customers:
        label = find_bus(net, entry.name)
        if label is None:
            findings.append(Finding(f"{entry.place} bus", f"no bus is called {entry.name!r}"))
        elif label in rows:
            message = f"{entry.name!r} is a bus that has a row already"
            findings.append(Finding(f"{entry.place} bus", message))
        else:
            rows[label] = entry
    entries = []
    for i in live:
        place = f"{name}: bus {i}"
        values, wrong = _columns(net.bus, i, CUSTOMERS, place)
        findings += wrong
        values = {"p_mw": float(p_mw.get(i, 0.0)), "source": float(i in sources)} | values
        row = rows.get(labels[i])
        if row is not None:
            values, place = values | row.cells, row.place
        if values["p_mw"] < 0:
            message = f"loads feed in {-values['p_mw']:g} MW; give them as units (--dg) instead"
            findings.append(Finding(place, message))
        entries.append(Entry(labels[i], values, place))
    return entries, findings


def _branches(
    net: Any, tables: Tables, name: str, buses: list[str]
) -> tuple[list[Entry], list[Finding]]:
    labels, known = _labels(net), set(buses)
    branches = [b for b in branches_of(net) if all(labels[i] in known for i in b["ends"])]
    names = {str(b["name"]) for b in branches}
    rows = {entry.name: entry for entry in tables.failures}
    findings = [
        Finding(f"{e.place} branch", f"no branch is called {e.name!r}; as reconfigure names them")
        for e in tables.failures
        if e.name not in names and e.name not in KINDS
    ]
    findings += [
        Finding(f"{e.place} {column}", "is what the network says; leave it out")
        for e in tables.failures
        for column in NOT_IN_NET
        if column in e.cells and column != "length_km"
    ]
    entries = []
    for b in branches:
        frame, index = net[b["kind"]], int(b["index"])
        place = f"{name}: {b['kind']} {index}"
        values, wrong = _columns(frame, index, FAILURES, place)
        findings += wrong
        values = _devices(net, b) | values
        if b["kind"] == "line":
            values["length_km"] = float(frame.length_km.loc[index])
        for key in (b["kind"], str(b["name"])):
            entry = rows.get(key)
            if entry is None:
                continue
            if RATES & set(entry.cells):  # one kind of rate replaces the other
                values = {k: v for k, v in values.items() if k not in RATES}
            values, place = values | entry.cells, entry.place
        if b["kind"] == "switch" and not RATES & set(values):
            values["failures_per_year"] = 0.0
        values |= {
            "from_bus": labels[b["ends"][0]],
            "to_bus": labels[b["ends"][1]],
            "closed": float(b["closed"]),
        }
        if b["closed"]:
            values.pop("transfer_mw", None)
        entries.append(Entry(str(b["name"]), values, place))
    return entries, findings


def _devices(net: Any, branch: dict[str, Any]) -> dict[str, Any]:
    """Devices that the net's switches are."""

    def of(kind: Any) -> int:
        return BREAKER if str(kind).strip().upper() == "CB" else SWITCH

    if branch["kind"] == "switch":
        return {"from_device": of(net.switch["type"].loc[branch["index"]])}
    own = net.switch[
        (net.switch.et == SWITCH_KIND[branch["kind"]]) & (net.switch.element == branch["index"])
    ]
    found: dict[str, Any] = {}
    for bus, kind in zip(own.bus, own["type"], strict=True):
        end = "from_device" if int(bus) == branch["ends"][0] else "to_device"
        found[end] = max(found.get(end, DEVICES[""]), of(kind))
    return found
