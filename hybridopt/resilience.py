"""Indices of resilience and of interruptions, from what is served over time.

The resilience trapezoid and its metrics follow Panteli, Trakas, Mancarella and Hatziargyriou,
"Power Systems Resilience Assessment: Hardening and Smart Operational Enhancement Strategies",
Proc. IEEE 105(7), 2017, and Panteli, Mancarella, Trakas, Kyriakides and Hatziargyriou, "Metrics and
Quantification of Operational and Infrastructure Resilience in Power Systems", IEEE Trans. Power
Syst. 32(6), 2017. The event lasts from t_oe to t_ee; recovery is under way from t_or and complete
at t_T. R is the level of resilience: R_0 before the event, R_pd in the degraded state after it.
Where the level changes between t_ee and t_or, as demand does, R_pd is the lowest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SMALL = 1e-6  # share of customers; a smaller rise is no interruption


@dataclass(frozen=True)
class Trapezoid:
    """Phi, Lambda, E, Pi and area; in the unit of the level (percent, MW) and hours.

    Attributes
    ----------
    phi : level per hour, how fast resilience drops: ``(R_0 - R_pd) / (t_ee - t_oe)``, positive
    lambda_ : level, how low it drops: ``R_0 - R_pd``
    e_h : h, how long it stays degraded: ``t_or - t_ee``
    pi : level per hour, how promptly it recovers: ``(R_T - R_pd) / (t_T - t_or)``; None where one
        repair brings everything back at once, 0 where nothing comes back
    area : level times hours, ``integral of (R_0 - R) dt`` from t_oe to t_T; over the event R falls
        evenly to what it is right after it
    area_of_trapezoid : the same where levels between the four corners follow straight lines:
        ``Lambda ((t_ee - t_oe) / 2 + E + (t_T - t_or) / 2)``
    event_h, onset_h, end_h : h, t_ee - t_oe, and t_or and t_T after the event
    """

    phi: float
    lambda_: float
    e_h: float
    pi: float | None
    area: float
    area_of_trapezoid: float
    event_h: float
    onset_h: float
    end_h: float


def trapezoid(
    from_h: Floats,
    to_h: Floats,
    lost: Floats,
    *,
    event_h: float,
    onset_h: float | None,
    end_h: float,
    left: float = 0.0,
) -> Trapezoid:
    """Metrics of a level that stays the same from step to step.

    Parameters
    ----------
    from_h, to_h : (n_step,), h after the event, ascending
    lost : (n_step,), R_0 - R in each step
    event_h : h, the level falls evenly over the event
    onset_h : h, when the first repair raises the level; None where none does
    end_h : h, when it stays restored
    left : R_0 - R_T, what is still missing at the end
    """
    if not lost.size or lost.max() <= 0:
        return Trapezoid(0.0, 0.0, 0.0, None, 0.0, 0.0, event_h, 0.0, 0.0)
    onset = end_h if onset_h is None else min(onset_h, end_h)
    low = float(lost[from_h < onset].max(initial=float(lost[0])))
    took = end_h - onset
    within = np.clip(np.minimum(to_h, end_h) - from_h, 0.0, None)
    gained = low - left
    pi = gained / took if took > 0 else None if onset_h is not None else 0.0
    return Trapezoid(
        phi=low / event_h,
        lambda_=low,
        e_h=onset,
        pi=pi,
        area=float(lost[0]) * event_h / 2 + float(lost @ within),
        area_of_trapezoid=low * (event_h / 2 + onset + took / 2),
        event_h=event_h,
        onset_h=onset,
        end_h=end_h,
    )


@dataclass(frozen=True)
class Interruptions:
    """Indices of IEEE 1366 for one event, over all customers (or all load) of the network.

    Attributes
    ----------
    saifi : interruptions per customer
    saidi_h : h per customer
    caidi_h : h per interruption, None without any
    """

    saifi: float
    saidi_h: float
    caidi_h: float | None


def interruptions(hours: Floats, unserved_share: Floats, weight: Floats) -> Interruptions | None:
    """Count interruptions; None without any customer.

    A bus of which a share is unserved leaves that share of its customers without supply, and each
    rise of the share interrupts so many of them anew:
    ``SAIFI = sum_b N_b sum_t max(0, x_bt - x_b,t-1) / sum_b N_b`` and
    ``SAIDI = sum_b N_b sum_t x_bt dt_t / sum_b N_b``.

    Parameters
    ----------
    hours : (n_step,), h, length of each step
    unserved_share : (n_step, n_bus), x; before the event everything was served
    weight : (n_bus,), customers (or MW, for the same indices of load: ASIFI and ASIDI)
    """
    total = float(weight.sum())
    if total <= 0:
        return None
    rises = np.diff(unserved_share, axis=0, prepend=np.zeros((1, len(weight))))
    rises = np.where(rises > SMALL, rises, 0.0)
    saifi = float(rises.sum(axis=0) @ weight) / total
    saidi = float(hours @ unserved_share @ weight) / total
    return Interruptions(saifi, saidi, saidi / saifi if saifi > 0 else None)
