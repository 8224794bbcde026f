"""Investment in generation: equations by hand, case tables, budgets that are investments."""

import re
from pathlib import Path

import pytest
from command_line import EVENT, hybridopt, small_net, write_case

from hybridopt import load_case, run_study
from hybridopt.case_investment import DEFAULTS, InvestmentTable
from hybridopt.errors import InputError
from hybridopt.investment import Investment, annuity_factor, photovoltaic_capital_per_kw
from hybridopt.output import plan_dict

GIVEN = {"cell_price_per_w": 0.5, "battery_ratio": 0.4, "life_years": 20.0}
CASE = f"""
budget = 3e6
{EVENT}
[resources.dg]
max_units = 1
max_mw = 20.0
[resources.dg.investment]
"""


def test_photovoltaic_capital_is_equation_6() -> None:
    # (1 + 0.4 + 0.2 + 0.3 + 0.1) x 0.5 per W = 1.0 per W = 1000 per kW
    assert photovoltaic_capital_per_kw(0.5, 0.4, 0.2, 0.3, 0.1) == pytest.approx(1000.0)


def test_straight_line_is_equation_8() -> None:
    pv = Investment("pv", capital_per_kw=1000.0, life_years=20.0, fixed_per_kw_year=15.0)
    assert pv.annual_capital_per_kw == pytest.approx(50.0)
    assert pv.annual_per_kw() == pytest.approx(65.0)


def test_variable_cost_counts_with_the_hours() -> None:
    gas = Investment("gas", 1000.0, 20.0, variable_per_mwh=80.0)
    assert gas.annual_per_kw(2000.0) == pytest.approx(50.0 + 160.0)  # 80 per MWh, 2 MWh per kW


def test_annuity_repays_the_capital() -> None:
    rate, years = 0.07, 12
    left = 1.0
    for _ in range(years):
        left = left * (1 + rate) - annuity_factor(rate, years)
    assert left == pytest.approx(0.0, abs=1e-12)
    assert annuity_factor(0.0, 25.0) == pytest.approx(0.04)
    assert annuity_factor(1e-7, 25.0) == pytest.approx(0.04, rel=1e-5)


def test_own_figures_hold_beside_those_of_a_technology() -> None:
    table = InvestmentTable(technology="pv", cell_price_per_w=1.0, life_years=10.0)
    ratios = sum(v for name, v in DEFAULTS["pv"].items() if name.endswith("ratio"))
    terms = table.investment("USD")
    assert terms.capital_per_kw == pytest.approx((1 + ratios) * 1000.0)
    assert terms.life_years == 10.0
    assert terms.fixed_per_kw_year == DEFAULTS["pv"]["fixed_per_kw_year"]


def test_capital_per_kw_replaces_cells_and_their_ratios() -> None:
    terms = InvestmentTable(technology="pv", capital_per_kw=900.0).investment("USD")
    assert terms.capital_per_kw == 900.0


def test_battery_pays_for_power_and_content() -> None:
    terms = InvestmentTable(technology="battery", storage_h=2.0).investment("USD")
    assert terms.capital_per_kw == pytest.approx(300.0 + 2.0 * 300.0)


def test_defaults_are_converted_and_own_figures_are_not() -> None:
    table = InvestmentTable(technology="gas", variable_per_mwh=500.0, per_usd=7.0)
    terms = table.investment("CNY")
    assert terms.capital_per_kw == pytest.approx(7000.0)
    assert terms.variable_per_mwh == 500.0
    assert terms.life_years == DEFAULTS["gas"]["life_years"]


@pytest.mark.parametrize("technology", sorted(DEFAULTS))
def test_every_technology_is_complete_and_documented(technology: str) -> None:
    terms = InvestmentTable(technology=technology).investment("USD")
    row = re.search(
        rf"^\| `{technology}` \| ([\d,]+) \| (\d+) \| (\d+) \| (\d+) \|",
        (Path(__file__).parents[1] / "docs" / "siting.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert row is not None
    shown = [float(figure.replace(",", "")) for figure in row.groups()]
    assert shown == pytest.approx(
        [
            terms.capital_per_kw,
            terms.life_years,
            terms.fixed_per_kw_year,
            terms.variable_per_mwh,
        ]
    )


BAD = {
    "nothing": ("discount_rate = 0.1", "needs a technology, cell_price_per_w or capital_per_kw"),
    "no life": ("capital_per_kw = 1.0", "needs life_years, or a technology"),
    "life of 0": ('technology = "pv"\nlife_years = 0', "life_years: must be above 0, found 0"),
    "negative": ('technology = "pv"\ncell_price_per_w = -1', "must be at least 0, found -1"),
    "NaN": ('technology = "gas"\ncapital_per_kw = nan', "must be a finite number, found nan"),
    "unknown": ('technology = "coal"', "technology: must be 'pv', 'wind'"),
    "both": ("cell_price_per_w = 1\ncapital_per_kw = 1\nlife_years = 1", "give either"),
    "ratio of nothing": (
        "capital_per_kw = 1\nlife_years = 1\nbattery_ratio = 1",
        "battery_ratio says nothing without cell_price_per_w",
    ),
    "content of nothing": (
        "capital_per_kw = 1\nlife_years = 1\nstorage_h = 1",
        "capital_per_kwh and storage_h need each other",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_figures_are_findings(name: str, tmp_path: Path) -> None:
    text, expected = BAD[name]
    write_case(tmp_path, text=CASE + text + "\n")
    (finding,) = hybridopt("check", "small.toml", folder=tmp_path).findings
    assert expected in finding
    assert re.match(r"small\.toml:(\d+) ", finding)


def test_either_own_costs_or_an_investment(tmp_path: Path) -> None:
    text = CASE.replace("max_mw", "cost_per_mw = 1.0\noperating_cost_per_mwh = 1.0\nmax_mw")
    write_case(tmp_path, text=text + 'technology = "gas"\n')
    found = hybridopt("check", "small.toml", folder=tmp_path).findings
    assert len(found) == 2
    assert all("give either" in finding for finding in found)


def test_defaults_in_another_currency_must_be_converted(tmp_path: Path) -> None:
    write_case(tmp_path, text='currency = "CNY"\n' + CASE + 'technology = "gas"\n')
    (finding,) = hybridopt("check", "small.toml", folder=tmp_path).findings
    assert "are in USD: give per_usd (CNY per USD)" in finding
    assert finding.startswith("small.toml:11 [resources.dg.investment]")


def test_an_investment_counts_ratings() -> None:
    dg = {"max_units": 1, "cost_basis": "planned_p", "investment": {"technology": "pv"}}
    case = {"extends": "ieee9", "resources": {"dg": dg}}
    with pytest.raises(InputError, match="counts ratings"):
        load_case(case)


def test_child_with_an_investment_drops_the_costs_of_its_parent() -> None:
    case = load_case({"extends": "ieee9", "resources": {"dg": {"investment": GIVEN}}}).case
    assert case.resources.dg.cost_per_mw == 0.0
    assert case.resources.dg.operating_cost_per_mwh == 0.0


def test_budget_of_a_study_is_one_of_investment() -> None:
    investment = {"technology": "gas", "capital_per_kw": 800.0, "variable_per_mwh": 60.0}
    case = {
        "budget": 4.0e6,
        "event": {"lines": ["0-1"]},
        "limits": {"vm_min": 0.9, "vm_max": 1.1},
        "resources": {"dg": {"max_units": 1, "max_mw": 20.0, "investment": investment}},
        "genetic": {"population": 4, "generations": 2, "elite": 1},
    }
    study = run_study(load_case(case, net=small_net()), seed=0, workers=1)
    plan = plan_dict(study)
    (unit,) = plan["dg"]
    # 4 million at 800 per kW buy 5 MW, and more could be used
    assert unit["max_p_mw"] == pytest.approx(5.0, rel=1e-6)
    assert plan["cost"] == pytest.approx(4.0e6, rel=1e-6)
    assert plan["investment"]["capital"] == pytest.approx(plan["cost"])
    assert plan["investment"]["capital_per_year"] == pytest.approx(4.0e6 / 20.0, rel=1e-6)
    gas = study.dispatch.units_frame().query("element == 'dg'")
    assert (gas.cost - 60.0 * gas.p_mw).abs().max() < 1e-6
    assert gas.p_mw.max() > 1.0
