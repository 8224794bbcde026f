"""Investment in generation: the case file's ``investment`` tables."""

from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from hybridopt.case_fields import NonNegative, Positive, Table
from hybridopt.investment import Investment, photovoltaic_capital_per_kw

# USD; assumed, of the order of cost reviews of the years after 2014. docs/siting.md shows them.
DEFAULTS: dict[str, dict[str, float]] = {
    "pv": {
        "cell_price_per_w": 0.65,
        "battery_ratio": 0.3,
        "inverter_ratio": 0.25,
        "auxiliary_ratio": 0.3,
        "construction_ratio": 0.45,
        "life_years": 25.0,
        "fixed_per_kw_year": 15.0,
    },
    "wind": {"capital_per_kw": 1600.0, "life_years": 20.0, "fixed_per_kw_year": 40.0},
    "diesel": {
        "capital_per_kw": 500.0,
        "life_years": 15.0,
        "fixed_per_kw_year": 10.0,
        "variable_per_mwh": 250.0,
    },
    "gas": {
        "capital_per_kw": 1000.0,
        "life_years": 20.0,
        "fixed_per_kw_year": 20.0,
        "variable_per_mwh": 80.0,
    },
    "fuel_cell": {
        "capital_per_kw": 4500.0,
        "life_years": 10.0,
        "fixed_per_kw_year": 50.0,
        "variable_per_mwh": 100.0,
    },
    "battery": {
        "capital_per_kw": 300.0,
        "capital_per_kwh": 300.0,
        "storage_h": 4.0,
        "life_years": 12.0,
        "fixed_per_kw_year": 10.0,
    },
}
MONEY = (
    "cell_price_per_w",
    "capital_per_kw",
    "capital_per_kwh",
    "fixed_per_kw_year",
    "variable_per_mwh",
)
RATIOS = ("battery_ratio", "inverter_ratio", "auxiliary_ratio", "construction_ratio")
Technology = Literal["pv", "wind", "diesel", "gas", "fuel_cell", "battery"]


class InvestmentTable(Table):
    """What generation costs to build and to keep."""

    technology: Technology | None = None
    """Gives every key below its default; USD, see docs/siting.md."""
    cell_price_per_w: NonNegative | None = None
    """C_0: price of photovoltaic cells per W of peak power; the capital is (1 + A) C_0."""
    battery_ratio: NonNegative | None = None
    """A1: storage battery, relative to the cells."""
    inverter_ratio: NonNegative | None = None
    """A2: charge controller and inverter, relative to the cells."""
    auxiliary_ratio: NonNegative | None = None
    """A3: bracket and cable, relative to the cells."""
    construction_ratio: NonNegative | None = None
    """A4: construction, transport and the rest, relative to the cells."""
    capital_per_kw: NonNegative | None = None
    """Capital per kW of rating, instead of cell_price_per_w."""
    capital_per_kwh: NonNegative | None = None
    """Capital of a battery per kWh of content, beside that per kW."""
    storage_h: NonNegative | None = None
    """Content of a battery over its rating, hours."""
    life_years: Positive | None = None
    """Years of service."""
    fixed_per_kw_year: NonNegative | None = None
    """Operation and maintenance per kW of rating and year."""
    variable_per_mwh: NonNegative | None = None
    """Operation per MWh generated."""
    discount_rate: NonNegative | None = None
    """Interest per year, as a share: the capital becomes an annuity. Without it the capital is
    spread evenly over the years, as in Sun et al. 2014."""
    per_usd: Positive | None = None
    """Units of the case's currency per USD, for a technology's default figures."""

    @field_validator("capital_per_kw")
    @classmethod
    def _is_given_once(cls, value: float | None, info: Any) -> float | None:
        if value is not None and info.data.get("cell_price_per_w") is not None:
            raise ValueError("give either cell_price_per_w or capital_per_kw, not both")
        return value

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        figures = self.figures("USD")
        if not {"cell_price_per_w", "capital_per_kw"} & set(figures):
            raise ValueError("needs a technology, cell_price_per_w or capital_per_kw")
        if "life_years" not in figures:
            raise ValueError("needs life_years, or a technology")
        ratios = [name for name in RATIOS if getattr(self, name) is not None]
        if ratios and "cell_price_per_w" not in figures:
            raise ValueError(f"{ratios[0]} says nothing without cell_price_per_w")
        if ("capital_per_kwh" in figures) != ("storage_h" in figures):
            raise ValueError("capital_per_kwh and storage_h need each other")
        return self

    def figures(self, currency: str) -> dict[str, float]:
        """Give the figures that hold: this table's own, else its technology's.

        Parameters
        ----------
        currency : the case's
        """
        own = {name: getattr(self, name) for name in type(self).model_fields}
        own = {name: value for name, value in own.items() if isinstance(value, float)}
        found = self._defaults(own)
        scale = 1.0 if self.per_usd is None or currency == "USD" else self.per_usd
        found = {name: v * scale if name in MONEY else v for name, v in found.items()}
        return found | {n: v for n, v in own.items() if n not in {"per_usd", "discount_rate"}}

    def _defaults(self, own: dict[str, float]) -> dict[str, float]:
        """What the technology gives, without the alternative to what is given."""
        found = dict(DEFAULTS.get(self.technology or "", {}))
        if "capital_per_kw" in own:
            for name in ("cell_price_per_w", *RATIOS):
                found.pop(name, None)
        if "cell_price_per_w" in own:
            found.pop("capital_per_kw", None)
        return {name: value for name, value in found.items() if name not in own}

    def foreign_defaults(self, currency: str) -> list[str]:
        """Name the figures in USD that are used in a case of another currency, unconverted."""
        own = {n: v for n in MONEY if (v := getattr(self, n)) is not None}
        unconverted = currency != "USD" and self.per_usd is None
        return [n for n in self._defaults(own) if n in MONEY] if unconverted else []

    def investment(self, currency: str) -> Investment:
        """Give what a unit costs in the case's currency."""
        found = self.figures(currency)
        capital = found.get("capital_per_kw", 0.0)
        if "cell_price_per_w" in found:
            ratios = {name: found[name] for name in RATIOS if name in found}
            capital = photovoltaic_capital_per_kw(found["cell_price_per_w"], **ratios)
        capital += found.get("capital_per_kwh", 0.0) * found.get("storage_h", 0.0)
        return Investment(
            technology=self.technology or "own",
            capital_per_kw=capital,
            life_years=found["life_years"],
            fixed_per_kw_year=found.get("fixed_per_kw_year", 0.0),
            variable_per_mwh=found.get("variable_per_mwh", 0.0),
            discount_rate=self.discount_rate,
        )
