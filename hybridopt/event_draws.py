"""Events drawn at random from the failure probabilities of elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.network_exposure import Exposure

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Draws:
    """Events of a sample.

    Attributes
    ----------
    lost : (n_event, n_element), whether the event takes the element out
    factor : (n_event,), 1; of the event on every intensity
    """

    lost: NDArray[np.bool_]
    factor: Floats


def draw_events(exposure: Exposure, n_events: int, log_std: float, seed: int) -> Draws:
    """Draw events; the first ones are the same whatever their number.

    Parameters
    ----------
    log_std : standard deviation of the logarithm of the factor on an event's intensities

    Notes
    -----
    Elements fail independently of one another, given the event's factor. Each takes a uniform
    number of its own, so that a change of one probability leaves the other elements as they were.
    """
    rng = np.random.default_rng([seed, 0])
    uniform = rng.random((n_events, len(exposure.elements) + 1))
    factor = np.exp(log_std * ndtri(uniform[:, 0])) if log_std > 0 else np.ones(n_events)
    chance = (
        np.array([exposure.probability(float(f)) for f in factor])
        if log_std > 0
        else exposure.probability()
    )
    return Draws(lost=uniform[:, 1:] < chance, factor=factor)
