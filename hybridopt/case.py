"""A study case: everything that is known before the network itself is read."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import PrivateAttr, ValidationError

from hybridopt.case_extends import find_contradictions
from hybridopt.case_fields import BranchRef, parse_branch
from hybridopt.case_findings import describe, is_missing
from hybridopt.case_load import Horizon
from hybridopt.case_place import KeyPath, parse_path
from hybridopt.case_schema import CaseFile
from hybridopt.case_source import Source, read_source, source_of
from hybridopt.case_tables import HOURS
from hybridopt.cases import builtin_cases
from hybridopt.errors import Finding, InputError

__all__ = [
    "BranchRef",
    "Case",
    "Horizon",
    "case_of_network",
    "make_case",
    "parse_branch",
    "read_case",
]


class Case(CaseFile):
    """A validated case file, with where each of its keys stands.

    The attributes are the keys of the file (`CaseFile`); `read_case` makes one.
    """

    _source: Source = PrivateAttr()

    @property
    def name(self) -> str:
        """Name of a built-in case, the folder of a ``case.toml``, or the file's stem."""
        return self._source.name

    @property
    def file(self) -> Path:
        """The case file itself, not one that it extends."""
        return self._source.file

    @property
    def argument(self) -> str:
        """What a command takes for this case: the name of a built-in case, or its file."""
        is_builtin = builtin_cases().get(self.name) == self.file
        return self.name if is_builtin else str(self.file)

    @property
    def network_path(self) -> Path:
        """The network as a path, relative to the file that names it; it may not exist."""
        return self.path_of(("network",), self.network)

    def path_of(self, key: KeyPath, value: str) -> Path:
        """A key's value as a path, relative to the file that names it."""
        place = self._source.places.get(key)
        return Path(value) if place is None else place.file.parent / value

    def path(self, key: KeyPath, written: str) -> Path:
        """Give a path that a key holds, relative to the file that has the key."""
        place = self._source.places.get(key)
        return Path(written) if place is None else place.file.parent / written

    @property
    def objective_weights(self) -> tuple[dict[str, float], ...]:
        """The objectives, each as weights by name; a plain objective has the weight 1."""
        return tuple(goal if isinstance(goal, dict) else {goal: 1.0} for goal in self.objectives)

    def finding(self, key: str | KeyPath, message: str) -> Finding:
        """Make a finding that points to a key's place in its file.

        Parameters
        ----------
        key : such as ``event.lines[1]``, positions from 0; or ``("event", "lines", 1)``
        message : what is wrong
        """
        return self._source.finding(parse_path(key) if isinstance(key, str) else key, message)

    def horizon(
        self, bus_labels: Sequence[int], load_buses: Iterable[int] | None = None
    ) -> Horizon:
        """Make the day's factors for a network.

        Parameters
        ----------
        bus_labels : (n_bus,), bus labels in the network's order
        load_buses : labels of the buses with load; all if not given. Only these need a share of
            the customer classes.

        Raises
        ------
        InputError
            Shares name a bus that isn't there, or a bus with load has none.
        """
        labels = [int(label) for label in bus_labels]
        factor, problems = self.load.factors(labels, labels if load_buses is None else load_buses)
        if problems:
            raise InputError(
                self.finding(("load", "shares", str(bus)), message)
                for bus, message in sorted(problems.items())
            )
        profile = np.array(self.resources.dg.profile, dtype=float)
        hours = np.arange(1, HOURS + 1)
        for array in (factor, profile, hours):
            array.flags.writeable = False
        return Horizon(load_factor=factor, dg_profile=profile, hours=hours)


def read_case(name_or_path: str | Path) -> Case:
    """Read and validate a case, without its network.

    Parameters
    ----------
    name_or_path : name of a built-in case, a TOML file, or a folder with a ``case.toml``

    Raises
    ------
    InputError
        With everything that is wrong with the case, each with its file, line and key.
    """
    return case_of(read_source(name_or_path))


def make_case(data: dict[str, Any], name: str = "case") -> Case:
    """Make a case from a dictionary with the keys of a case file.

    Parameters
    ----------
    data : such as ``{"extends": "ieee9", "budget": 12.0}``; paths start at the working directory
    name : of the case, in results and messages

    Raises
    ------
    InputError
        With everything that is wrong with it.
    """
    return case_of(source_of(data, name))


def case_of_network(network: str) -> Case:
    """Make the case of a bare network: its own labels and costs, no event, no resources.

    Parameters
    ----------
    network : as the key ``network`` of a case file, relative to the working directory
    """
    currency = "USD" if Path(network).suffix.lower() == ".m" else "cost units"  # MATPOWER's
    data = {"network": network, "title": network, "currency": currency}
    return make_case(data, Path(network).stem)


def case_of(source: Source) -> Case:
    """Validate the tables of a source; raises InputError with everything that is wrong."""
    problems = list(find_contradictions(source.data))
    try:
        case = Case.model_validate(source.data)
    except ValidationError as error:
        found = describe(error, Case)
        # A key may be missing only because the file that has it could not be read.
        problems += [one for one in found if source.is_whole or not is_missing(one[1])]
    problems.sort(key=lambda problem: source.order(problem[0]))
    findings = source.findings + [source.finding(*problem) for problem in problems]
    if findings:
        raise InputError(findings)
    case._source = source
    return case
