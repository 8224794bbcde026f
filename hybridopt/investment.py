"""What generation costs to build and to keep: capital, life, operation, cost per year.

Photovoltaics after Sun, Liu, Sun and Hu 2014 (reference B), equations 6 and 8; every other
technology by its capital cost per kW.
"""

from __future__ import annotations

from dataclasses import dataclass

KW_PER_MW = 1e3


@dataclass(frozen=True)
class Investment:
    """What one unit of a technology costs.

    Attributes
    ----------
    technology : its name, for results
    capital_per_kw : currency per kW of rating, paid once
    life_years : years of service, above 0
    fixed_per_kw_year : currency per kW of rating and year
    variable_per_mwh : currency per MWh generated
    discount_rate : 1 per year; None spreads the capital evenly over the years, as reference B does
    """

    technology: str
    capital_per_kw: float
    life_years: float
    fixed_per_kw_year: float = 0.0
    variable_per_mwh: float = 0.0
    discount_rate: float | None = None

    @property
    def capital_per_mw(self) -> float:
        """Currency per MW of rating, paid once."""
        return self.capital_per_kw * KW_PER_MW

    @property
    def annual_capital_per_kw(self) -> float:
        """Lambda_1 of reference B: capital, currency per kW of rating and year."""
        if self.discount_rate is None:
            return self.capital_per_kw / self.life_years
        return self.capital_per_kw * annuity_factor(self.discount_rate, self.life_years)

    def annual_per_kw(self, full_load_hours: float = 0.0) -> float:
        """Capital and operation, currency per kW of rating and year.

        Parameters
        ----------
        full_load_hours : h per year, energy over rating
        """
        energy = self.variable_per_mwh * full_load_hours / KW_PER_MW
        return self.annual_capital_per_kw + self.fixed_per_kw_year + energy


def photovoltaic_capital_per_kw(
    cell_price_per_w: float,
    battery_ratio: float = 0.0,
    inverter_ratio: float = 0.0,
    auxiliary_ratio: float = 0.0,
    construction_ratio: float = 0.0,
) -> float:
    """Capital of a photovoltaic system: (1 + A1 + A2 + A3 + A4) C_0, equation 6 of reference B.

    Parameters
    ----------
    cell_price_per_w : C_0, currency per W of peak power
    battery_ratio : A1, storage battery over cells
    inverter_ratio : A2, charge controller and inverter
    auxiliary_ratio : A3, bracket and cable
    construction_ratio : A4, construction, transport and the rest

    Returns
    -------
    currency per kW of peak power
    """
    ratio = battery_ratio + inverter_ratio + auxiliary_ratio + construction_ratio
    return (1.0 + ratio) * cell_price_per_w * KW_PER_MW


def annuity_factor(discount_rate: float, life_years: float) -> float:
    """Equal yearly payment over a capital: r / (1 - (1 + r)^-N), 1/N where r is 0.

    Parameters
    ----------
    discount_rate : r, 1 per year, at least 0
    life_years : N, years, above 0
    """
    if discount_rate == 0.0:
        return 1.0 / life_years
    return float(discount_rate / (1.0 - (1.0 + discount_rate) ** -life_years))
