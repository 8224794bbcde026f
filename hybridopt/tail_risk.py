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
LEAST_SAMPLE = 50  # events, for an interval
LEAST_BEYOND = 5  # of them beyond the least value (mean) or the value at risk (its tail)


@dataclass(frozen=True)
class Risk:
    """Figures of a sample, in its unit.

    Attributes
    ----------
    mean, var, cvar : expected value, value at risk and conditional value at risk
    mean_ci, cvar_ci : lower and upper end of their confidence intervals
        None where too few events tell anything of them: fewer than 50, or fewer than 5 beyond
        the least value (mean) or the value at risk (tail), unless all are equal.
    """

    mean: float
    var: float
    cvar: float
    mean_ci: tuple[float, float] | None
    cvar_ci: tuple[float, float] | None


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
    return _tail(sample, alpha)[0]


def _tail(sample: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Conditional value at risk and its standard error (of the mean beyond a fixed c)."""
    c = value_at_risk(sample, alpha)
    beyond = np.maximum(sample - c[..., None], 0.0) / (1 - alpha)
    return np.asarray(c + beyond.mean(axis=-1)), _error(beyond)


def _error(sample: Floats) -> Floats:
    """Standard error of the mean."""
    return np.asarray(sample.std(axis=-1) / np.sqrt(sample.shape[-1]))


def risk(sample: Floats, seed: int, least: float = -np.inf, most: float = np.inf) -> Risk:
    """Figures of a sample; intervals by the bootstrap-t.

    Parameters
    ----------
    sample : (n,)
    seed : of the resampling
    least, most : between which every value lies

    Notes
    -----
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 12.5. Most events leave
    nothing unserved and a few leave much; percentiles of resampled means are too low there.
    Resamples are drawn one after the other, so that memory does not grow with their number.
    """
    rng = np.random.default_rng([seed, 1])
    n = len(sample)
    mean, cvar = (sample.mean(), _error(sample)), _tail(sample, ALPHA)
    means, tails = np.empty((RESAMPLES, 2)), np.empty((RESAMPLES, 2))
    for k in range(RESAMPLES):
        drawn = sample[rng.integers(0, n, n)]
        means[k] = drawn.mean(), _error(drawn)
        tails[k] = _tail(drawn, ALPHA)
    var = float(value_at_risk(sample))

    def interval(
        found: tuple[Floats, Floats], resampled: Floats, beyond: float
    ) -> tuple[float, float] | None:
        told = bool(np.ptp(sample) == 0) or int(np.sum(sample > beyond)) >= LEAST_BEYOND
        if n < LEAST_SAMPLE or not told:
            return None
        low, high = _interval(found, resampled)
        return max(low, least), min(high, most)

    return Risk(
        mean=float(mean[0]),
        var=var,
        cvar=float(cvar[0]),
        mean_ci=interval(mean, means, float(sample.min())),
        cvar_ci=interval(cvar, tails, var),
    )


def _interval(found: tuple[Floats, Floats], resampled: Floats) -> tuple[float, float]:
    """Ends of the bootstrap-t interval; resamples without spread have no t and are left aside.

    Parameters
    ----------
    found : value and standard error in the sample
    resampled : (n, 2), the same in the resamples
    """
    value, error = float(found[0]), float(found[1])
    known = resampled[:, 1] > 1e-9 * error
    if not known.any() or error == 0.0:
        return value, value
    t = (resampled[known, 0] - value) / resampled[known, 1]
    above, below = np.percentile(t, (100 - 50 * (1 - ALPHA), 50 * (1 - ALPHA)))
    return value - float(above) * error, value - float(below) * error
