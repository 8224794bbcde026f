"""Files of networks: pandapower's ``.json`` and ``.xlsx``, MATPOWER's ``.m``."""

from __future__ import annotations

import json
import logging
import warnings
from typing import TYPE_CHECKING, Any

import pandapower as pp
import pandas as pd
from packaging.version import InvalidVersion, Version
from pandapower.convert_format import __format_version__

from hybridopt.errors import Finding, InputError
from hybridopt.network_matpower import net_from_matpower

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = (".json", ".xlsx", ".m")
NOT_A_NETWORK = "is not a pandapower network; pandapower.to_json writes one"


def read_network_file(path: Path, name: str) -> Any:
    """Read a network from a file of a known suffix.

    Parameters
    ----------
    name : what findings call the file

    Raises
    ------
    InputError
        The file is missing, cannot be read, or holds no sound network.
    """
    if not path.exists():
        raise InputError([Finding(name, f"network file not found: {path}")])
    logging.getLogger("pandapower").setLevel(logging.ERROR)
    readers = {".json": _json_net, ".xlsx": _excel_net, ".m": _matpower_net}
    return readers[path.suffix.lower()](path, name)


def _matpower_net(path: Path, name: str) -> Any:
    return net_from_matpower(_read_bytes(path, name).decode("utf-8-sig", errors="replace"), name)


def _excel_net(path: Path, name: str) -> Any:
    content = _read_bytes(path, name)
    if not content.startswith(b"PK"):  # an .xlsx file is a zip archive
        message = "is not an Excel workbook (.xlsx); pandapower.to_excel writes one"
        raise InputError([Finding(name, message)])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pd.ExcelFile(path) as book:
                sheets = set(book.sheet_names)
            net = pp.from_excel(str(path), convert=True)
    except Exception as error:
        message = f"pandapower cannot read it: {_said(error)}; pandapower.to_excel writes networks"
        raise InputError([Finding(name, message)]) from error
    if not {"bus", "parameters"} <= sheets:
        message = "is a workbook, but not a pandapower network; pandapower.to_excel writes one"
        raise InputError([Finding(name, message)])
    net.pwl_cost["points"] = [_points(value) for value in net.pwl_cost.points]
    return net


def _points(written: Any) -> Any:
    """Points of a cost as a list; a workbook has them as text."""
    try:
        return json.loads(written) if isinstance(written, str) else written
    except json.JSONDecodeError:
        return written  # a finding later on


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"network file cannot be read: {error.strerror}"
        raise InputError([Finding(name, message)]) from error


def _said(error: Exception) -> str:
    text = str(error).removeprefix("Failed to load as json or file: ").strip()
    return text.partition("\n")[0] or type(error).__name__


def _json_net(path: Path, name: str) -> Any:
    text, data = _read_json(path, name)
    if not str(data.get("_class")).startswith("pandapowerNet"):
        raise InputError([Finding(name, NOT_A_NETWORK)])
    if _is_newer(data):
        raise InputError([Finding(name, _too_new(data))])
    try:
        net = pp.from_json_string(text, convert=True)
    except Exception as error:
        raise InputError([Finding(name, f"pandapower cannot read it: {_said(error)}")]) from error
    if not isinstance(net, pp.pandapowerNet):
        raise InputError([Finding(name, NOT_A_NETWORK)])
    return net


def _read_json(path: Path, name: str) -> tuple[str, dict[str, Any]]:
    """A JSON file as text and as the dictionary in it."""
    try:
        text = _read_bytes(path, name).decode("utf-8-sig")
        data = json.loads(text)
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
