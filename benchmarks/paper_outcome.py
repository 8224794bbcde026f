"""What our runs and the paper's plan come to for one network."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.paper_printed import Printed

Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What is known of one network: the paper's plan and ours.

    Attributes
    ----------
    rows : one per seed, as `hybridopt.runs.Seeds` has them
    folder : holds ``seedN``;  printed_folder : result of the paper's plan
    planned_mw, limited_mw : what the paper's plan serves at the peak with its units at their
        planned power, without a limit on reactive power and at power factor 0.9
    """

    printed: Printed
    rows: list[Row]
    folder: Path
    printed_folder: Path
    planned_mw: float
    limited_mw: float

    @cached_property
    def ranked(self) -> list[Row]:
        """The rows, best first: by unserved power at the peak, then by cost."""
        return sorted(self.rows, key=lambda r: (round(r["unserved_peak_mw"], 3), r["plan_cost"]))

    @property
    def middle(self) -> Row:
        """The row that is shown: of the middle one, or of two the worse one."""
        return self.ranked[len(self.rows) // 2]

    @property
    def seed(self) -> int:
        """Seed of the plan that is shown."""
        return int(self.middle["seed"])

    @property
    def shown(self) -> Path:
        """Result folder of the plan that is shown."""
        return self.folder / f"seed{self.seed}"

    def plan(self, seed: int) -> Row:
        """plan.json of a seed."""
        return read_json(self.folder / f"seed{seed}" / "plan.json")

    @cached_property
    def ours(self) -> Row:
        """summary.json of the plan that is shown."""
        return read_json(self.shown / "summary.json")

    @cached_property
    def theirs(self) -> Row:
        """summary.json of the paper's plan."""
        return read_json(self.printed_folder / "summary.json")

    def lost(self, stage: str, *, ours: bool = True) -> float:
        """Load unserved at the peak, %."""
        summary = self.ours if ours else self.theirs
        return float(summary["stages"][stage]["unserved_percent"])

    def median(self, key: str) -> float:
        """Median over the seeds."""
        return float(statistics.median(row[key] for row in self.rows))

    @property
    def dearest(self) -> float:
        """Cost of the dearest plan of all seeds."""
        return float(max(row["plan_cost"] for row in self.rows))

    @property
    def whole_day(self) -> int:
        """Seeds whose plan leaves nothing unserved in any hour."""
        return sum(bool(row["fully_served"]) for row in self.rows)

    @property
    def serving_more(self) -> int:
        """Seeds whose plan serves more at the peak than the paper's."""
        theirs = self._unserved_mw
        return sum(row["unserved_peak_mw"] < theirs - 1e-3 for row in self.rows)

    @property
    def cheaper(self) -> int:
        """Seeds whose plan serves at least as much as the paper's and costs less."""
        theirs, cost = self._unserved_mw, self.printed.cost
        return sum(
            row["unserved_peak_mw"] <= theirs + 1e-3 and row["plan_cost"] < cost
            for row in self.rows
        )

    @property
    def _unserved_mw(self) -> float:
        """Unserved at the peak with the paper's plan."""
        return float(self.theirs["stages"]["after_plan"]["unserved_mw"])

    @property
    def goal_met(self) -> bool:
        """Whether the median seed serves as much as the paper's plan, within the budget."""
        served = self.median("served_percent_at_peak") >= 100 - self.printed.lost_after_plan - 1e-6
        return served and all(row["plan_cost"] <= self.printed.budget + 1e-6 for row in self.rows)


def read_json(path: Path) -> Row:
    """Content of a JSON file."""
    found: Row = json.loads(path.read_text(encoding="utf-8"))
    return found
