"""What a dispatch aims at, and how it is solved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hybridopt.hours import UNSERVED, Goals

# Measured on IEEE 30: mu_init = 1 takes a third of the iterations off the coupled horizon.
DEFAULT_OPTIONS: dict[str, Any] = {
    "tol": 1e-8,
    "max_iter": 500,
    "mu_init": 1.0,
    "print_level": 0,
    "sb": "yes",
}


@dataclass(frozen=True)
class Settings:
    """What a dispatch aims at, and how it is solved.

    Attributes
    ----------
    objectives : weights by name, in order
    unserved_tolerance_mw : MW; less counts as nothing unserved
    merge_equal_hours : solve equal load levels once
    priority : weight of unserved energy by bus position (1 for the others)
    ipopt : options by name
    """

    objectives: tuple[dict[str, float], ...] = ({"unserved_mwh": 1.0}, {"operating_cost": 1.0})
    unserved_tolerance_mw: float = 1e-3
    merge_equal_hours: bool = True
    priority: dict[int, float] = field(default_factory=dict)
    ipopt: dict[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """Ipopt's options, ours as defaults."""
        return DEFAULT_OPTIONS | self.ipopt

    def stages(self, *, break_ties: bool = True) -> list[Goals]:
        """The objectives as goals of the nonlinear programs; serving comes first if not named.

        Parameters
        ----------
        break_ties : operating cost comes last if not named

        ``unserved_peak_mw`` is unserved energy of the peak hour: the same goal hour by hour.
        """
        stages: list[Goals] = []
        for weights in self.objectives:
            goals: Goals = {}
            for name, weight in weights.items():
                goal = "unserved_mwh" if name == "unserved_peak_mw" else name
                goals[goal] = goals.get(goal, 0.0) + weight
            if len(goals) == 1:
                goals = dict.fromkeys(goals, 1.0)
            if goals not in stages:
                stages.append(goals)
        named = {goal for goals in stages for goal in goals}
        if "unserved_mwh" not in named:
            stages.insert(0, UNSERVED)
        if break_ties and "operating_cost" not in named:
            stages.append({"operating_cost": 1.0})
        return stages
