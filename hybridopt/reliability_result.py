"""Reliability indices of load points and of a system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.reliability_model import HOURS_PER_YEAR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReliabilityIndices:
    """Indices of load points and of the system, per year.

    Attributes
    ----------
    rate : (n_bus,), 1/yr, interruptions
    hours : (n_bus,), h/yr without supply
    ens_mwh : (n_bus,), MWh/yr not supplied
    customers : (n_bus,), those of the model
    events : 1/yr, faults that interrupt at least one customer
    fault_name : (n_fault,), component that fails
    fault_rate : (n_fault,), 1/yr
    fault_interruptions, fault_customer_hours, fault_ens_mwh : (n_fault,), what its faults
        contribute per year: customers interrupted, customer hours, MWh
    """

    rate: Floats
    hours: Floats
    ens_mwh: Floats
    customers: Floats
    events: float
    fault_name: tuple[str, ...]
    fault_rate: Floats
    fault_interruptions: Floats
    fault_customer_hours: Floats
    fault_ens_mwh: Floats

    @property
    def outage_h(self) -> Floats:
        """(n_bus,), h, average length of an interruption; NaN where there is none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.rate > 0, self.hours / self.rate, np.nan)

    @property
    def saifi(self) -> float:
        """Interruptions per customer and year: sum(rate N) / sum(N)."""
        return float(self.rate @ self.customers / self.customers.sum())

    @property
    def saidi_h(self) -> float:
        """Hours without supply per customer and year: sum(hours N) / sum(N)."""
        return float(self.hours @ self.customers / self.customers.sum())

    @property
    def caidi_h(self) -> float:
        """Hours per interruption: SAIDI over SAIFI; NaN without interruptions."""
        return self.saidi_h / self.saifi if self.saifi > 0 else float("nan")

    @property
    def asai(self) -> float:
        """Availability of the service: 1 - SAIDI / 8760 h."""
        return 1.0 - self.asui

    @property
    def asui(self) -> float:
        """Unavailability of the service: SAIDI / 8760 h."""
        return self.saidi_h / HOURS_PER_YEAR

    @property
    def total_ens_mwh(self) -> float:
        """Energy not supplied, MWh/yr."""
        return float(self.ens_mwh.sum())

    @property
    def aens_kwh(self) -> float:
        """Energy not supplied per customer, kWh/yr."""
        return 1000.0 * self.total_ens_mwh / float(self.customers.sum())

    @property
    def h_ai(self) -> float:
        """Average interruption hours, equation 1 of reference B over a year: the SAIDI, h."""
        return self.saidi_h

    @property
    def t_ai(self) -> float:
        """Average interruption times, equation 2 of reference B: the SAIFI."""
        return self.saifi

    @property
    def n_ai(self) -> float:
        """Customers that an interruption hits on average, equation 3 of reference B."""
        return self.saifi * float(self.customers.sum()) / self.events if self.events > 0 else 0.0

    @property
    def r_ps(self) -> float:
        """Reliability of supply, equation 4 of reference B: the ASAI in percent."""
        return 100.0 * (1.0 - self.h_ai / HOURS_PER_YEAR)
