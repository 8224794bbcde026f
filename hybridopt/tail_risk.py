"""Mean and tail of a sample, with confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ALPHA = 0.95  # of value at risk, tail and intervals
RESAMPLES = 2000


@dataclass(frozen=True)
class Risk:
    """Figures of a sample, in its unit.

    Attributes
    ----------
    mean, var, cvar : expected value, value at risk and conditional value at risk
    mean_ci, cvar_ci : lower and upper end of their confidence intervals
    """

    mean: float
    var: float
    cvar: float
    mean_ci: tuple[float, float]
    cvar_ci: tuple[float, float]


def value_at_risk(sample: Floats, alpha: float = ALPHA) -> Floats:
    """Least value that at least a share ``alpha`` of the sample does not exceed.

    Parameters
    ----------
    sample : (..., n)

    Returns
    -------
    (...,)
    """
    n = sample.shape[-1]
    place = max(int(np.ceil(alpha * n - 1e-9)) - 1, 0)
    return np.asarray(np.partition(sample, place, axis=-1)[..., place])


def conditional_value_at_risk(sample: Floats, alpha: float = ALPHA) -> Floats:
    """Mean of the worst share ``1 - alpha`` of a sample.

    Parameters
    ----------
    sample : (..., n)

    Returns
    -------
    (...,)

    Notes
    -----
    CVaR = min over c of c + E[max(X - c, 0)] / (1 - alpha), reached at c = VaR; Rockafellar and
    Uryasev, Optimization of conditional value-at-risk, Journal of Risk 2(3), 2000, equations 3-5.
    """
    c = value_at_risk(sample, alpha)
    beyond = np.maximum(sample - c[..., None], 0.0).mean(axis=-1)
    return np.asarray(c + beyond / (1 - alpha))


def risk(sample: Floats, seed: int) -> Risk:
    """Figures of a sample; intervals by the percentile bootstrap.

    Parameters
    ----------
    sample : (n,)
    seed : of the resampling

    Notes
    -----
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. Resamples are drawn
    one after the other, so that memory does not grow with their number.
    """
    rng = np.random.default_rng([seed, 1])
    n = len(sample)
    means, tails = np.empty(RESAMPLES), np.empty(RESAMPLES)
    for k in range(RESAMPLES):
        drawn = sample[rng.integers(0, n, n)]
        means[k], tails[k] = drawn.mean(), conditional_value_at_risk(drawn)
    ends = (50 * (1 - ALPHA), 100 - 50 * (1 - ALPHA))

    def interval(values: Floats) -> tuple[float, float]:
        low, high = np.percentile(values, ends)
        return float(low), float(high)

    return Risk(
        mean=float(sample.mean()),
        var=float(value_at_risk(sample)),
        cvar=float(conditional_value_at_risk(sample)),
        mean_ci=interval(means),
        cvar_ci=interval(tails),
    )
