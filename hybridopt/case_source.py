"""Case files as they stand on disk: TOML, the files it extends, the CSV tables it names."""

import re
import tomllib
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from hybridopt.case_extends import get, inherit
from hybridopt.case_place import KeyPath, find_places, format_path
from hybridopt.case_restore_tables import read_matrix, read_values
from hybridopt.case_tables import (
    HOURS,
    Table,
    TableError,
    read_by_kind,
    read_day,
    read_limits,
    read_shares,
)
from hybridopt.cases import builtin_cases
from hybridopt.errors import Finding, InputError

_READERS: dict[KeyPath, Callable[[Path], Table]] = {
    ("load", "curve"): read_day,
    ("load", "classes", "*"): read_day,
    ("resources", "dg", "profile"): read_day,
    ("availability", "*"): read_day,
    ("siting", "reliability", "load_profile"): read_day,
    ("siting", "reliability", "generation_profile"): read_day,
    ("costs", "import_price"): partial(read_day, column="price"),
    ("load", "shares"): read_shares,
    ("limits", "ratings"): partial(read_limits, element="branch", limit="rate_mva"),
    ("limits", "generators"): partial(read_limits, element="generator", limit="max_p_mw"),
    ("limits", "ramps"): partial(read_limits, element="generator", limit="ramp_mw_per_h"),
    ("restore", "repair_h"): partial(read_values, key="element", value="repair_h"),
    ("restore", "customers"): partial(read_values, key="bus", value="customers"),
    ("restore", "travel", "matrix"): read_matrix,
    ("sample", "probabilities"): partial(read_by_kind, value="probability"),
    ("sample", "intensities"): partial(read_by_kind, value="intensity"),
}
NETWORK_FILES = (".json", ".xlsx", ".m", ".csv")


@dataclass(frozen=True)
class Place:
    """Where a value stands.

    Attributes
    ----------
    file : the file
    label : its name as a message gives it
    line : line number, from 1
    path : its key in that file, where it has another one there
    """

    file: Path
    label: str
    line: int
    path: KeyPath | None = None


@dataclass
class Source:
    """A case's tables after `extends` and CSV files, with the place of each key.

    Attributes
    ----------
    file : the case file itself, not what it extends
    name : built-in name, the folder of a ``case.toml``, or the file's stem
    label : the file's name as a message gives it
    data : the merged tables, not validated
    places : place of every key, those of inherited values in the file that gives them
    findings : what is wrong with the files themselves
    is_whole : whether everything that the case extends could be read
    """

    file: Path
    name: str
    label: str
    data: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    is_whole: bool = True

    def locate(self, path: KeyPath) -> Place | None:
        """Give the place of a key, or of the table or list in which it would stand."""
        return self.places.get(path[: self._depth(path)])

    def _depth(self, path: KeyPath) -> int:
        """How much of a path has a place; 0: nothing."""
        return next((d for d in range(len(path), 0, -1) if path[:d] in self.places), 0)

    def order(self, path: KeyPath) -> tuple[bool, str, int]:
        """Give a key to sort findings by: this file's first, in the order of their lines."""
        place = self.locate(path)
        if place is None:
            return False, self.label, 0
        return place.label != self.label, place.label, place.line

    def finding(self, path: KeyPath, message: str) -> Finding:
        """Make a finding for a key, whether it is there or missing."""
        place = self.locate(path)
        where = f"{place.label}:{place.line}" if place else self.label
        is_table = isinstance(get(self.data, path), dict)
        if place is not None and place.path is not None:
            path = (*place.path, *path[self._depth(path) :])
        named = len(path)
        if not is_table:
            named = max((i for i, part in enumerate(path) if isinstance(part, str)), default=0)
        table, key = format_path(path[:named]), format_path(path[named:])
        return Finding(" ".join(filter(None, (where, f"[{table}]" if table else "", key))), message)


def read_source(name_or_path: str | Path) -> Source:
    """Read a case file and everything it extends.

    Parameters
    ----------
    name_or_path : name of a built-in case, a TOML file, or a folder with a ``case.toml``

    Raises
    ------
    InputError
        The case file itself is missing, cannot be read or is not TOML. What is wrong with the
        files that it names goes into the source's `findings`.
    """
    found = _find_file(str(name_or_path), Path())
    if isinstance(found, str):
        raise InputError([Finding(str(name_or_path), found)])
    return _read_chain(*found, chain=())


def source_of(data: dict[str, Any], name: str) -> Source:
    """Make the source of a case that is given as a dictionary, with the keys of a case file.

    Parameters
    ----------
    data : not altered; paths in it start at the working directory
    name : of the case, in results and messages
    """
    return complete(Source(Path(name), name, name, deepcopy(data)), chain=())


def _find_file(name: str, folder: Path) -> tuple[Path, str] | str:
    """Give a case's file and its label, or say why there is none."""
    try:
        return _look_for(name, folder)
    except (OSError, ValueError) as error:  # a name that no file can have
        return f"is no name of a file: {getattr(error, 'strerror', None) or error}"


def _look_for(name: str, folder: Path) -> tuple[Path, str] | str:
    known = builtin_cases()
    if name in known:
        return known[name], f"cases/{name}/case.toml"
    path = folder / name
    if path.is_dir() and (path / "case.toml").is_file():
        path /= "case.toml"
    if path.suffix.lower() in NETWORK_FILES and path.is_file():
        return f"is a network, not a case: a case file names it, network = {path.name!r}"
    if path.is_file():
        return path, str(path)
    if path.is_dir():
        return "is a folder without a case.toml"
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "hybridopt init NAME writes one"
    return f"no case file of this name and no built-in case ({', '.join(known)}); {hint}"


def _read_chain(file: Path, label: str, chain: tuple[Path, ...]) -> Source:
    name = file.parent.resolve().name if file.name == "case.toml" else file.stem
    source = Source(file, name, label)
    source.data, lines = read_toml(file, label)
    source.places = {path: Place(file, label, line) for path, line in lines.items()}
    return complete(source, chain)


def complete(source: Source, chain: tuple[Path, ...]) -> Source:
    """Add what the tables name: CSV files, and the case that they extend.

    Parameters
    ----------
    chain : the files that extend one another up to this one
    """
    source.findings.extend(_read_tables(source))
    parent = source.data.get("extends")
    if isinstance(parent, str):
        try:
            _take_over(source, _read_parent(source, parent, (*chain, source.file.resolve())))
        except InputError as error:
            source.findings.extend(error.findings)
            source.is_whole = False
    elif parent is not None:
        source.is_whole = False
    return source


def _take_over(source: Source, parent: Source) -> None:
    taken = inherit(source.data, parent.data)
    for path, place in parent.places.items():
        if any(path[: len(key)] == key for key in taken):
            source.places[path] = place
    source.findings += parent.findings
    source.is_whole = source.is_whole and parent.is_whole


def _read_parent(source: Source, name: str, chain: tuple[Path, ...]) -> Source:
    found = _find_file(name, source.file.parent)
    if isinstance(found, str):
        raise InputError([source.finding(("extends",), f"{name!r}: {found}")])
    if found[0].resolve() in chain:
        files = (*chain, found[0].resolve())
        circle = " -> ".join(f"{path.parent.name}/{path.name}" for path in files)
        message = f"{name!r} makes the case extend itself ({circle})"
        raise InputError([source.finding(("extends",), message)])
    return _read_chain(*found, chain)


def read_toml(file: Path, label: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """Read a TOML file: its tables, and the line of each key.

    Raises
    ------
    InputError
        It cannot be read, or is not TOML.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise InputError([Finding(label, f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise InputError([Finding(label, f"is not UTF-8 text: {error.reason}")]) from None
    try:
        return tomllib.loads(text), find_places(text)
    except RecursionError:
        raise InputError([Finding(label, "not valid TOML: nested too deeply")]) from None
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        match = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
        line = int(match[1]) if match and match[1] else len(text.splitlines()) or 1
        said = message[: match.start()] if match else message
        raise InputError([Finding(f"{label}:{line}", f"not valid TOML: {said}")]) from None


def _read_tables(source: Source) -> Iterator[Finding]:
    """Put the content of CSV files in the place of their names."""
    for pattern, read in _READERS.items():
        for path in list(_matching(source.data, pattern)):
            holder, key = get(source.data, path[:-1]), path[-1]
            if not isinstance(holder[key], str):
                continue
            file = source.file.parent / holder[key]
            label = str(Path(source.label).parent / holder[key])
            try:
                table = read(file)
            except TableError as error:
                for line, message in error.problems:
                    where = f"{label}:{line}" if line else label
                    yield source.finding(path, f"{where}: {message}")
                if error.rest is None:
                    holder[key] = _stand_in(path)
                    continue
                table = error.rest
            holder[key] = table.data
            for part, line in table.lines.items():
                source.places[(*path, *part)] = Place(file, label, line)


def _stand_in(path: KeyPath) -> Any:
    """Something to go on with for a table that is wrong, so that nothing is found because of it."""
    if path[0] in ("limits", "restore", "sample") or "shares" in path:
        return {}
    return [1.0] * HOURS


def _matching(data: Any, pattern: KeyPath) -> Iterator[KeyPath]:
    """Give the paths in `data` that fit a pattern, whose ``*`` stands for any key."""
    if not pattern:
        yield ()
    elif isinstance(data, dict):
        keys = list(data) if pattern[0] == "*" else [pattern[0]]
        for key in keys:
            if key in data:
                yield from ((key, *rest) for rest in _matching(data[key], pattern[1:]))
