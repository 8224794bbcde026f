"""plan.json: what a run writes and ``dispatch --plan`` reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from hybridopt.case_fields import (
    BusLabel,
    NonNegative,
    Number,
    PerUnit,
    Positive,
    Table,
    Whole,
    show,
)
from hybridopt.case_findings import describe
from hybridopt.case_place import format_path
from hybridopt.case_resources import CandidateLine
from hybridopt.errors import Finding, InputError

if TYPE_CHECKING:
    from pathlib import Path

PARAMETERS = ("r_ohm_per_km", "x_ohm_per_km", "max_i_ka")


class PlanLine(Table):
    """A branch that is closed; ``kind = "new"`` builds it from its parameters."""

    from_bus: BusLabel
    to_bus: BusLabel
    name: str | None = None
    kind: Literal["repaired", "new", "tie"] | None = None
    length_km: Positive | None = None
    r_ohm_per_km: NonNegative | None = None
    x_ohm_per_km: Positive | None = None
    c_nf_per_km: NonNegative = 0.0
    max_i_ka: Positive | None = None
    parallel: Annotated[Whole, Field(ge=1)] = 1
    cost: NonNegative = 0.0

    @field_validator("to_bus")
    @classmethod
    def _leads_elsewhere(cls, to_bus: int, info: ValidationInfo) -> int:
        if to_bus == info.data.get("from_bus"):
            raise ValueError(f"must differ from from_bus, found {to_bus} twice")
        return to_bus

    def as_candidate(self) -> CandidateLine | None:
        """The line to build, if the plan gives its parameters."""
        if self.length_km is None or any(getattr(self, name) is None for name in PARAMETERS):
            return None
        values = {name: getattr(self, name) for name in PARAMETERS}
        return CandidateLine(
            name=self.name,
            from_bus=self.from_bus,
            to_bus=self.to_bus,
            length_km=self.length_km,
            c_nf_per_km=self.c_nf_per_km,
            parallel=self.parallel,
            cost=self.cost,
            **values,
        )


class PlanUnit(Table):
    """A distributed generator: its bus and largest output; the rest is a result.

    The dispatch starts at ``vm_pu``, where it is given.
    """

    bus: BusLabel
    max_p_mw: NonNegative
    name: str | None = None
    p_mw: Number | None = None
    q_mvar: Number | None = None
    vm_pu: PerUnit | None = None
    planned_p_mw: Number | None = None
    cost: NonNegative = 0.0


class PlanFile(Table):
    """A plan as a file, buses by their labels."""

    case: str | None = None
    cost: Number | None = None
    budget: Number | None = None
    lines: tuple[PlanLine, ...] = ()
    dg: tuple[PlanUnit, ...] = ()


def read_plan(path: Path) -> PlanFile:
    """Read a plan file.

    Raises
    ------
    InputError
        Missing, not JSON, or with keys and values that a plan has not; each with its place.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        message = f"plan cannot be read: {error.strerror}"
        raise InputError([Finding(str(path), message)]) from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError([Finding(str(path), f"not JSON: {error}")]) from error
    if not isinstance(data, dict):
        message = f"must be a plan (an object with lines and dg), found {show(data)}"
        raise InputError([Finding(str(path), message)])
    try:
        return PlanFile.model_validate(data)
    except ValidationError as error:
        raise InputError(
            Finding(f"{path} {format_path(key)}", message)
            for key, message in describe(error, PlanFile)
        ) from error
