"""Networks in: pandapower's built-ins, SimBench's codes and files, checked and made ready.

The user's net is never altered: every function works on a copy.
"""

from __future__ import annotations

import copy
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandapower as pp
import pandapower.networks

from hybridopt.cases import feeder_files
from hybridopt.errors import Finding, InputError
from hybridopt.network_csv import csv_prefix, net_from_csv
from hybridopt.network_files import SUFFIXES, read_network_file
from hybridopt.network_findings import ENDS, MODELLED, network_findings
from hybridopt.network_lv18 import lv18_net

SIMBENCH_CODE = re.compile(r"\d-[A-Za-z_]+-[\w.]*-[\w.]*-\d-(sw|no_sw)")


def read_network(name: str, folder: Path | None = None) -> Any:
    """Read a network.

    Parameters
    ----------
    name : a pandapower built-in ("case9", "create_cigre_network_mv"), a built-in feeder
        ("baranwu33"), reference D's "lv18", a SimBench code ("1-LV-rural1--0-sw"), a file
        (pandapower's ``.json`` or ``.xlsx``, MATPOWER's ``.m``), or what a pair of CSV files
        begins with ("path/NAME" for ``path/NAME_buses.csv`` and ``path/NAME_branches.csv``; either
        of them stands for both)
    folder : where a relative path starts; the working directory by default

    Returns
    -------
    pandapowerNet

    Raises
    ------
    InputError
        Unknown name, missing or unreadable file, a file of a newer pandapower, or everything
        that is wrong with a MATPOWER file or a pair of CSV files.
    """
    try:
        (folder or Path()).joinpath(name).exists()
    except (OSError, ValueError) as error:
        message = f"is no name of a file: {getattr(error, 'strerror', None) or error}"
        raise InputError([Finding(name, message)]) from error
    if Path(name).suffix.lower() in SUFFIXES:
        return read_network_file((folder or Path()) / name, name)
    if SIMBENCH_CODE.fullmatch(name):
        return _simbench_net(name)
    if name == "lv18":
        return lv18_net()
    if name in feeder_files():
        return net_from_csv(feeder_files()[name], name)
    prefix = csv_prefix(name, folder or Path())
    if prefix is not None:
        return net_from_csv((folder or Path()) / prefix, prefix)
    maker = getattr(pandapower.networks, name, None) if name in _makers() else None
    if maker is None:
        raise InputError([_unknown(name)])
    try:
        net = maker()
    except TypeError as error:
        raise InputError([Finding(name, f"not a network without arguments: {error}")]) from error
    if not isinstance(net, pp.pandapowerNet):
        raise InputError([Finding(name, "is a function of pandapower, but not a network")])
    return net


def _unknown(name: str) -> Finding:
    close = get_close_matches(name, [*feeder_files(), "lv18", *_makers()], n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    files = f"a file ({', '.join(SUFFIXES)}), or NAME for NAME_buses.csv and NAME_branches.csv"
    return Finding(name, f"no such network: give a built-in network or feeder{hint}, {files}")


def _makers() -> list[str]:
    """Names of pandapower's functions that make networks; what these import is left out."""
    functions = vars(pandapower.networks).items()
    return sorted(
        name
        for name, value in functions
        if callable(value) and str(value.__module__).startswith("pandapower.networks")
    )


def _simbench_net(code: str) -> Any:
    """Read a network of SimBench, which must be installed for it."""
    try:
        import simbench
    except ImportError as error:
        message = (
            "is a SimBench code, but SimBench is not installed; to mend it: pip install simbench"
        )
        raise InputError([Finding(code, message)]) from error
    codes = simbench.collect_all_simbench_codes()
    if code not in codes:
        close = get_close_matches(code, codes, n=3, cutoff=0.0)
        message = f"SimBench has no such network (did you mean {' or '.join(close)}?)"
        raise InputError([Finding(code, message)])
    return simbench.get_simbench_net(code)


def prepare(net: Any, source: str = "network") -> Any:
    """Copy a net into the form that is modelled, or say what cannot be.

    Branches behind an open switch or at a bus out of service are out of service; closed bus-bus
    switches stay.

    Raises
    ------
    InputError
        Lists every kind of element that is not modelled, and every bad number.
    """
    net = copy.deepcopy(net)
    findings = network_findings(net, source)
    if findings:
        raise InputError(findings)
    for table in MODELLED:
        flag = "closed" if table == "switch" else "in_service"
        net[table][flag] = net[table][flag].astype(bool)
    for kind, table in (("l", "line"), ("t", "trafo")):
        opened = net.switch[(net.switch.et == kind) & ~net.switch.closed.astype(bool)]
        net[table].loc[opened.element.unique(), "in_service"] = False
        for end in ENDS[table]:
            net[table]["in_service"] &= net.bus.in_service[net[table][end]].to_numpy(bool)
    net.switch = net.switch[net.switch.et == "b"].copy()
    return net
