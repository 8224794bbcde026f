"""plan.json: what a run writes and ``dispatch --plan`` reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hybridopt.case_resources import CandidateLine
from hybridopt.errors import Finding, InputError

if TYPE_CHECKING:
    from pathlib import Path

PARAMETERS = ("r_ohm_per_km", "x_ohm_per_km", "max_i_ka")


class PlanLine(BaseModel):
    """A branch that is closed; ``kind = "new"`` builds it from its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    from_bus: int
    to_bus: int
    name: str | None = None
    kind: str | None = None
    length_km: float | None = Field(default=None, gt=0)
    r_ohm_per_km: float | None = Field(default=None, ge=0)
    x_ohm_per_km: float | None = Field(default=None, gt=0)
    c_nf_per_km: float = Field(default=0.0, ge=0)
    max_i_ka: float | None = Field(default=None, gt=0)
    cost: float = Field(default=0.0, ge=0)

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
            cost=self.cost,
            **values,
        )


class PlanUnit(BaseModel):
    """A distributed generator: its bus and largest output; the rest is a result."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    bus: int
    max_p_mw: float = Field(ge=0)
    name: str | None = None
    p_mw: float | None = None
    q_mvar: float | None = None
    vm_pu: float | None = None
    cost: float = Field(default=0.0, ge=0)


class PlanFile(BaseModel):
    """A plan as a file, buses by their labels."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    case: str | None = None
    cost: float | None = None
    budget: float | None = None
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
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"plan cannot be read: {error.strerror}"
        raise InputError([Finding(str(path), message)]) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError([Finding(str(path), f"not JSON: {error}")]) from error
    try:
        return PlanFile.model_validate(data)
    except ValidationError as error:
        raise InputError(
            Finding(f"{path} {'.'.join(str(part) for part in e['loc'])}", e["msg"])
            for e in error.errors()
        ) from error
