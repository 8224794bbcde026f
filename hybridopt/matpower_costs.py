"""Rows of ``mpc.gencost``: polynomials and piecewise linear costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hybridopt.matpower import MatpowerFile

SEGMENTS, POLYNOMIAL = 1, 2


def check_costs(file: MatpowerFile, broken: set[int], n_gen: int | None) -> None:
    """Rows of costs: as many as generators (twice as many with reactive power), and sound."""
    cost = file.tables["gencost"]
    n = len(cost.rows)
    if n_gen is not None and n not in (n_gen, 2 * n_gen):
        message = f"mpc.gencost has {n} rows, but mpc.gen has {n_gen}: give one for each generator"
        file.note(cost.line, message)
    for k, (row, at) in enumerate(zip(cost.rows, cost.row_line, strict=True)):
        if at in broken:
            continue
        message = cost_finding(row)
        if not message and n_gen is not None and k >= n_gen and n == 2 * n_gen:
            model, values = cost_values(row)
            if (values[1::2] if model == SEGMENTS else values).any():
                message = "costs of reactive power are not modelled"
        if message:
            file.note(at, f"mpc.gencost: {message}")


def cost_values(row: np.ndarray) -> tuple[int, np.ndarray]:
    """MODEL, and the numbers that count: coefficients, or MW and cost in turn."""
    model, count = int(row[0]), int(row[3])
    return model, row[4 : 4 + count * (2 if model == SEGMENTS else 1)]


def cost_finding(row: np.ndarray) -> str:
    """What is wrong with a row of costs, or nothing."""
    model, count = row[0], row[3]
    if model not in (SEGMENTS, POLYNOMIAL):
        return f"MODEL must be 1 (piecewise linear) or 2 (polynomial), found {model:g}"
    least = 2 if model == SEGMENTS else 1
    if count != round(count) or count < least:
        return f"NCOST must be a whole number of at least {least}, found {count:g}"
    numbers = int(count) * (2 if model == SEGMENTS else 1)
    if numbers > len(row) - 4:
        return f"NCOST {count:g} asks for {numbers} numbers, the row has {len(row) - 4}"
    _, values = cost_values(row)
    message = ""
    if not np.isfinite(values).all():
        message = "a number of the cost is infinite or NaN"
    elif row[4 + numbers :].any():
        message = f"numbers stand behind the {numbers} that NCOST {count:g} asks for"
    elif model == SEGMENTS and (np.diff(values[::2]) <= 0).any():
        message = "the points of a piecewise linear cost must rise in MW"
    return message
