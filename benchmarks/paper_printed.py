"""What the paper prints in its Tables 6 to 9 and its text (CC BY 4.0).

Diaz Vargas, Mosquera, Rivas, Electronics 2024, 13, 616. Its tables count buses from 0, as
pandapower does; here they are counted from 1, as in its text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

GENERATOR_COST = 0.2  # per MW, Table 2
TABLE_7 = Path(__file__).parents[1] / "tests" / "data" / "ieee9_table7" / "expected.csv"


@dataclass(frozen=True)
class Unit:
    """A generator of Table 6a or 8a: MW and pu."""

    name: str
    bus: int
    p_mw: float
    vm_pu: float
    max_p_mw: float
    min_p_mw: float = 0.0


@dataclass(frozen=True)
class Line:
    """A line of Table 6b or 8b."""

    name: str
    from_bus: int
    to_bus: int
    length_km: float
    r_ohm_per_km: float
    x_ohm_per_km: float
    max_i_ka: float


@dataclass(frozen=True)
class Printed:
    """What the paper prints for one network.

    Attributes
    ----------
    case : ours;  budget, line_cost_index : Table 2;  cost, minutes : Table 9
    lost_after_event, lost_after_plan : % of the load at the peak, sections 5.1.1 and 5.2
    """

    case: str
    network: str
    budget: float
    line_cost_index: float
    units: tuple[Unit, ...]
    lines: tuple[Line, ...]
    cost: float
    minutes: float
    lost_after_event: float
    lost_after_plan: float

    @property
    def new_line(self) -> Line:
        """The one line that the plan builds."""
        return self.lines[0]


IEEE9 = Printed(
    case="ieee9_paper",
    network="IEEE 9",
    budget=20.0,
    line_cost_index=10.0,
    units=(Unit("G_FATHER_1_0", 4, 81.0, 0.88, 121.5),),
    lines=(Line("L_FATHER_1_0", 6, 5, 1.05874, 0.1571, 0.40, 0.251022),),
    cost=18.458,
    minutes=3.0,
    lost_after_event=68.0,
    lost_after_plan=0.0,
)
IEEE30 = Printed(
    case="ieee30_paper",
    network="IEEE 30",
    budget=30.0,
    line_cost_index=10.0,
    units=(
        Unit("G_FATHER_1_2", 23, 40.5, 0.848, 60.65),
        Unit("G_FATHER_2_1", 5, 13.5, 0.848, 20.25),
    ),
    lines=(Line("L_FATHER_2_0", 21, 22, 0.504207, 0.1571, 0.40, 0.400),),
    cost=14.492,
    minutes=10.0,
    lost_after_event=84.0,
    lost_after_plan=6.0,
)
PRINTED = (IEEE9, IEEE30)


def table_7() -> pd.DataFrame:
    """Table 7: hours as rows; g1_mw, g2_mw in MW."""
    return pd.read_csv(TABLE_7, index_col="hour")
