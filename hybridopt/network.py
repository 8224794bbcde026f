"""Networks in: pandapower's built-ins and files, checked and made ready.

The user's net is never altered: every function works on a copy.
"""

from __future__ import annotations

import copy
import json
import logging
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandapower as pp
import pandapower.networks
from packaging.version import InvalidVersion, Version
from pandapower.convert_format import __format_version__

from hybridopt.errors import Finding, InputError
from hybridopt.network_findings import ENDS, MODELLED, network_findings

NOT_A_NETWORK = "is not a pandapower network; pandapower.to_json writes one"


def read_network(name: str, folder: Path | None = None) -> Any:
    """Read a network.

    Parameters
    ----------
    name : a pandapower built-in ("case9", "create_cigre_network_mv"), or a ``.json`` file
    folder : where a relative path starts; the working directory by default

    Returns
    -------
    pandapowerNet

    Raises
    ------
    InputError
        Unknown name, missing or unreadable file, or a file of a newer pandapower.
    """
    if Path(name).suffix.lower() in {".json", ".xlsx", ".m"}:
        return _read_file((folder or Path()) / name, name)
    maker = getattr(pandapower.networks, name, None) if name in _makers() else None
    if maker is None:
        close = get_close_matches(name, _makers(), n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        message = f"no such network: give a pandapower built-in{hint} or a .json file"
        raise InputError([Finding(name, message)])
    try:
        net = maker()
    except TypeError as error:
        raise InputError([Finding(name, f"not a network without arguments: {error}")]) from error
    if not isinstance(net, pp.pandapowerNet):
        raise InputError([Finding(name, "is a function of pandapower, but not a network")])
    return net


def _makers() -> list[str]:
    """Names of pandapower's functions that make networks; what these import is left out."""
    functions = vars(pandapower.networks).items()
    return sorted(
        name
        for name, value in functions
        if callable(value) and str(value.__module__).startswith("pandapower.networks")
    )


def _read_file(path: Path, name: str) -> Any:
    if not path.exists():
        raise InputError([Finding(name, f"network file not found: {path}")])
    if path.suffix.lower() != ".json":
        message = f"{path.suffix} files are not read yet: save the network as pandapower .json"
        raise InputError([Finding(name, message)])
    text, data = _read_json(path, name)
    if not str(data.get("_class")).startswith("pandapowerNet"):
        raise InputError([Finding(name, NOT_A_NETWORK)])
    if _is_newer(data):
        raise InputError([Finding(name, _too_new(data))])
    logging.getLogger("pandapower").setLevel(logging.ERROR)
    try:
        net = pp.from_json_string(text, convert=True)
    except Exception as error:
        said = str(error).removeprefix("Failed to load as json or file: ") or type(error).__name__
        raise InputError([Finding(name, f"pandapower cannot read it: {said}")]) from error
    if not isinstance(net, pp.pandapowerNet):
        raise InputError([Finding(name, NOT_A_NETWORK)])
    return net


def _read_json(path: Path, name: str) -> tuple[str, dict[str, Any]]:
    """A JSON file as text and as the dictionary in it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        data = json.loads(text)
    except OSError as error:
        message = f"network file cannot be read: {error.strerror}"
        raise InputError([Finding(name, message)]) from error
    except UnicodeDecodeError as error:
        message = "is not UTF-8 text: save the network with pandapower.to_json"
        raise InputError([Finding(name, message)]) from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        message = f"is not JSON, or was cut off: {error.msg} ({place})"
        raise InputError([Finding(name, message)]) from error
    except RecursionError as error:
        raise InputError([Finding(name, NOT_A_NETWORK)]) from error
    if not isinstance(data, dict):
        raise InputError([Finding(name, NOT_A_NETWORK)])
    return text, data


def _is_newer(data: dict[str, Any]) -> bool:
    """Whether a file's format is newer than what this pandapower writes."""
    content = data.get("_object")
    try:
        written = Version(str(content["format_version"]))  # type: ignore[index]
    except (TypeError, KeyError, InvalidVersion):  # very old, or damaged: pandapower's business
        return False
    return written > Version(__format_version__)


def _too_new(data: dict[str, Any]) -> str:
    content = data["_object"]
    return (
        f"was written by a newer pandapower ({content.get('version')}, format "
        f"{content.get('format_version')}; this is {pp.__version__}, format {__format_version__}): "
        "upgrade pandapower, or save the network with this version"
    )


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
