"""Interruptions in a siting study, on three buses in a row where they can be counted by hand."""

import json

import pandapower as pp
import pytest
from command_line import hybridopt

from hybridopt import load_case
from hybridopt.errors import InputError
from hybridopt.siting import run_siting

CASE = """network = "net.json"
bus_label_offset = 1
[siting]
size_mw = 5.0
units = 1
energy_price_per_mwh = 0.0
investment = { capital_per_kw = 20.0, life_years = 20.0 }
[siting.reliability]
data = "mine"
"""
CUSTOMERS = "bus,customers\n2,100\n3,50\n"
# Two failures a year on each line, repaired in 3 h; breakers at both ends.
FAILURES = """branch,failures_per_year,repair_h,from_device,to_device
line,2,3,breaker,breaker
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    net = pp.create_empty_network()
    pp.create_buses(net, 3, 20.0, min_vm_pu=0.5, max_vm_pu=1.5)
    for k in range(2):
        pp.create_line_from_parameters(net, k, k + 1, 1.0, 0.1, 0.2, 0.0, 5.0)
    pp.create_ext_grid(net, 0)
    pp.create_load(net, 1, 10.0)
    pp.create_load(net, 2, 5.0)
    pp.to_json(net, str(tmp_path / "net.json"))
    (tmp_path / "mine_customers.csv").write_text(CUSTOMERS)
    (tmp_path / "mine_failures.csv").write_text(FAILURES)
    (tmp_path / "case.toml").write_text(CASE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def with_terms(folder, more):
    (folder / "case.toml").write_text(CASE + more)
    return run_siting(load_case("case.toml"))


def test_units_are_worth_the_energy_that_islands_are_spared(folder) -> None:
    result = with_terms(folder, "ens_price_per_mwh = 7.0\n")
    # Bus 3: a fault of line 2-3 (6 h a year) interrupts nobody, one of line 1-2 only bus 2 (10 MW).
    # Bus 2: faults of line 1-2 leave 10 MW dark, those of 2-3 5 MW.
    costs = {
        tuple(row): value
        for row, value in zip(
            result.every.plan.astype(int).tolist(), result.every.interruptions, strict=True
        )
    }
    assert costs == pytest.approx({(0, 1): 7.0 * 60.0, (1, 0): 7.0 * (60.0 + 30.0)})
    assert result.labels == [3]
    assert result.best.objective[0] == pytest.approx(5000.0 * 1.0 + 420.0)
    parts = result.evaluator.parts(result.best)
    assert sum(float(v[0]) for v in parts.values()) == pytest.approx(result.best.objective[0])


def test_customer_hours_have_a_price(folder) -> None:
    result = with_terms(folder, "customer_hour_price = 0.5\n")
    cost = float(result.best.interruptions[0])
    assert cost == pytest.approx(0.5 * 6.0 * 100)  # customers of bus 2, 6 h a year


def test_storage_of_the_units_counts(folder) -> None:
    # The units give nothing by themselves, but an hour of storage of three carries bus 3.
    nothing = f"generation_profile = {[0.0] * 24}\n"
    result = with_terms(folder, f"{nothing}storage_h = 1.0\nens_price_per_mwh = 1.0\n")
    assert result.labels == [3]
    assert float(result.best.interruptions[0]) == pytest.approx(60.0 + 2 * 2 * 5.0 + 2 * 2 * 5.0)
    without = with_terms(folder, f"{nothing}ens_price_per_mwh = 1.0\n")
    assert float(without.best.interruptions[0]) == pytest.approx(120.0)


def test_without_a_price_it_is_reported_alone(folder) -> None:
    outcome = hybridopt("run", "case.toml", "--out", "r")
    assert "ENS MWh/yr" in outcome.out
    found = json.loads((folder / "r" / "summary.json").read_text())
    assert found["reliability"]["without_units"]["ens_mwh"] == pytest.approx(120.0)
    ens = 60.0 if found["plan"]["sites"] == [3] else 90.0
    assert found["reliability"]["with_plan"]["ens_mwh"] == pytest.approx(ens)
    assert found["terms"]["interruptions_per_year"] == 0.0
    assert "SAIDI, h/yr" in (folder / "r" / "report.html").read_text()


def test_weight_factor_counts(folder) -> None:
    (folder / "case.toml").write_text(
        "budget = 9.5e4\n"
        + CASE.replace("[siting.rel", "sites = [3]\n[siting.rel")
        + "ens_price_per_mwh = 1.0\n"
    )
    result = run_siting(load_case("case.toml"))
    assert result.best.gamma[0] == pytest.approx(0.9)  # 4.5 MW don't carry 5 MW
    assert float(result.best.interruptions[0]) == pytest.approx(120.0)


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        (
            "case.toml",
            CASE.replace('"mine"', '"none"'),
            "case.toml:9 [siting.reliability] data: th",
        ),
        ("case.toml", CASE + "availability = 2\n", "availability: must lie in [0, 1], found 2"),
        ("case.toml", CASE + "ens_price_per_mwh = nan\n", "must be a finite number, found nan"),
        ("mine_customers.csv", CUSTOMERS.replace("100", "-1"), "mine_customers.csv:2"),
        ("mine_customers.csv", "bus,customers\n2,100\n", "bus 3"),
        ("mine_failures.csv", FAILURES.replace(",3,", ",x,"), "mine_failures.csv:2"),
    ],
)
def test_bad_tables_are_findings(folder, file, text, expected) -> None:
    (folder / file).write_text(text)
    found = hybridopt("run", "case.toml", "--out", "r").findings
    assert any(expected in finding for finding in found), found
    assert not (folder / "r").exists()


def test_network_without_customers_is_a_finding(folder) -> None:
    (folder / "case.toml").write_text(CASE.replace('data = "mine"\n', ""))
    with pytest.raises(InputError, match="who its customers are"):
        run_siting(load_case("case.toml"))
