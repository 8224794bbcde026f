"""What Ipopt's return codes mean."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """What a solve came to. "optimal" from Ipopt means locally optimal."""

    OPTIMAL = "optimal"
    ACCEPTABLE = "acceptable"
    INFEASIBLE = "infeasible"
    FAILED = "failed"


IPOPT_STATUS: dict[int, tuple[Status, str]] = {
    0: (Status.OPTIMAL, "Solve_Succeeded"),
    1: (Status.ACCEPTABLE, "Solved_To_Acceptable_Level"),
    2: (Status.INFEASIBLE, "Infeasible_Problem_Detected"),
    3: (Status.FAILED, "Search_Direction_Becomes_Too_Small"),
    4: (Status.FAILED, "Diverging_Iterates"),
    5: (Status.FAILED, "User_Requested_Stop"),
    6: (Status.OPTIMAL, "Feasible_Point_Found"),
    -1: (Status.FAILED, "Maximum_Iterations_Exceeded"),
    -2: (Status.FAILED, "Restoration_Failed"),
    -3: (Status.FAILED, "Error_In_Step_Computation"),
    -4: (Status.FAILED, "Maximum_CpuTime_Exceeded"),
    -5: (Status.FAILED, "Maximum_WallTime_Exceeded"),
    -10: (Status.INFEASIBLE, "Not_Enough_Degrees_Of_Freedom"),
    -11: (Status.FAILED, "Invalid_Problem_Definition"),
    -12: (Status.FAILED, "Invalid_Option"),
    -13: (Status.FAILED, "Invalid_Number_Detected"),
    -100: (Status.FAILED, "Unrecoverable_Exception"),
    -101: (Status.FAILED, "NonIpopt_Exception_Thrown"),
    -102: (Status.FAILED, "Insufficient_Memory"),
    -199: (Status.FAILED, "Internal_Error"),
}


def status_of(code: int) -> tuple[Status, str]:
    """Status and Ipopt's own name of a return code."""
    return IPOPT_STATUS.get(code, (Status.FAILED, f"return code {code}"))
