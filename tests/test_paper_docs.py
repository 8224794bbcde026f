"""The page that compares our results with the paper's: its parts, its figures, and itself."""

import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from benchmarks import paper, paper_figures, paper_tables
from benchmarks.paper_outcome import Outcome
from benchmarks.paper_page import claims, reflow, terms
from benchmarks.paper_printed import IEEE9, IEEE30, PRINTED, table_7
from hybridopt import load_case
from hybridopt.cases import case_file
from hybridopt.report_svg import Canvas

DOCS = Path(__file__).parents[1] / "docs"
SVG = "{http://www.w3.org/2000/svg}"
NAMES = {"figure3a", "figure3b", "figure4", "figure5a", "figure5b", "figure6", "figure7"}


def row(seed: int, unserved: float, cost: float):
    return {
        "seed": seed,
        "unserved_peak_mw": unserved,
        "served_percent_at_peak": 100 - unserved,
        "plan_cost": cost,
        "fully_served": unserved < 1,
        "evaluations": 100 + seed,
        "wall_s": 10.0 * (seed + 1),
    }


@pytest.fixture
def outcome(tmp_path: Path) -> Outcome:
    """Four seeds of which one leaves load unserved, and a plan for each."""
    rows = [row(0, 0.0, 15.0), row(1, 1e-9, 14.0), row(2, 6.0, 3.0), row(3, 0.0, 19.0)]
    unit = {"name": "dg 9", "bus": 9, "max_p_mw": 90.0, "planned_p_mw": 60.0, "vm_pu": 0.9}
    line = {"name": "5-6", "kind": "repaired", "from_bus": 5, "to_bus": 6, "length_km": 1.0}
    for seed in range(4):
        (tmp_path / f"seed{seed}").mkdir()
        plan = {"dg": [unit], "lines": [line], "cost": rows[seed]["plan_cost"]}
        (tmp_path / f"seed{seed}" / "plan.json").write_text(json.dumps(plan))
    printed = tmp_path / "printed"
    printed.mkdir()
    stages = {
        "after_event": {"unserved_percent": 68.3, "unserved_mw": 215.0, "load_mw": 315.0},
        "after_plan": {"unserved_percent": 0.0, "unserved_mw": 0.0, "load_mw": 315.0},
    }
    stages["after_event"]["max_loading_percent"] = 62.8
    for folder in (printed, *(tmp_path / f"seed{seed}" for seed in range(4))):
        (folder / "summary.json").write_text(json.dumps({"stages": stages}))
    return Outcome(IEEE9, rows, tmp_path, printed, 315.0, 315.0)


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


# Seeds and tables.


def test_the_middle_seed_is_shown_and_serving_more_comes_before_cost(outcome) -> None:
    assert [r["seed"] for r in outcome.ranked] == [1, 0, 3, 2]
    assert outcome.seed == 3  # of the two in the middle the worse
    assert outcome.shown.name == "seed3"
    assert outcome.median("plan_cost") == 14.5
    assert outcome.serving_more == 0
    assert outcome.cheaper == 2  # not the one that costs more, nor the one that serves less
    assert outcome.whole_day == 3
    assert outcome.dearest == 19.0
    assert outcome.goal_met  # the median serves everything


def test_table_of_seeds_has_best_median_and_worst_of_each_column(outcome) -> None:
    found = cells(paper_tables.seeds_table(outcome))
    assert found[2] == ["best", "100.0", "3.000", "100", "10.0"]
    assert found[3] == ["median", "100.0", "14.500", "102", "25.0"]
    assert found[4] == ["worst", "94.0", "19.000", "103", "40.0"]
    every = cells(paper_tables.every_seed_table(outcome))
    assert every[4] == ["2", "94.0", "3.000", "102", "30.0", "60.0 at 9", "repaired 5-6"]


def test_elements_stand_below_those_of_the_paper(outcome) -> None:
    units = cells(paper_tables.units_table(IEEE9, outcome.plan(0)))
    assert units[2] == ["paper", "G_FATHER_1_0", "4", "81", "0.88", "121.5", "0"]
    assert units[3] == ["ours", "dg 9", "9", "60", "0.9", "90", "0"]  # p is the planned power
    lines = cells(paper_tables.lines_table(IEEE9, outcome.plan(0)))
    assert lines[2][4:] == ["1.05874", "0.1571", "0.4", "0.251022"]
    assert lines[3] == ["ours", "5-6", "5", "6", "1", "–", "–", "–"]
    plan = {"lines": [{"name": "a", "max_i_ka": 99999.0}, {"name": "b", "max_i_ka": 0.4}]}
    assert [c[-1] for c in cells(paper_tables.lines_table(IEEE9, plan))[3:]] == ["unrated", "0.4"]


def test_effort_is_that_of_all_seeds(outcome) -> None:
    found = cells(paper_tables.effort_table([outcome]))[2]
    assert found == ["IEEE 9", "18.458", "3.000 / 14.500 / 19.000", "3 min", "25.0 s (40.0 s)"]


def test_hours_beside_table_7(outcome) -> None:
    hours, load = np.arange(1, 25), table_7().sum(axis=1).to_numpy()
    for folder, extra in ((outcome.shown, 1.0), (outcome.printed_folder, 2.0)):
        pd.DataFrame({"hour": hours, "bus": 5, "demand_mw": load}).to_csv(folder / "buses.csv")
        parts = {"gen": load - 50 + extra, "dg": 50.0}
        frames = [
            pd.DataFrame({"hour": hours, "element": kind, "name": kind, "p_mw": p})
            for kind, p in parts.items()
        ]
        pd.concat(frames).to_csv(folder / "dispatch.csv", index=False)
    text, day = paper_tables.hourly_table(outcome)
    assert len(cells(text)) == 26
    assert cells(text)[20][:3] == ["19", "328.101", "207.101"]
    assert day["loss_printed"] == pytest.approx(0.0)  # the load is made of the printed outputs
    assert (day["loss_ours"], day["loss_theirs"]) == pytest.approx((1.0, 2.0))
    worst = np.abs(parts["gen"] / table_7()["g1_mw"].to_numpy() - 1).max()
    assert day["worst"] == pytest.approx(100 * worst)


def test_numbers() -> None:
    assert paper_tables.number(-1e-9, 1) == "0.0"
    assert paper_tables.number(-1.26, 1) == "-1.3"
    assert paper_tables.number(float("nan"), 1) == paper_tables.number(None, 1) == "–"


# What is printed, and what is said about it.


def test_printed_plans_are_those_of_the_cases() -> None:
    for printed in PRINTED:
        text = (case_file(printed.case).parent / "paper_plan.json").read_text()
        plan = json.loads(text)
        units = {unit.bus: unit for unit in printed.units}
        assert {unit["bus"] for unit in plan["dg"]} == set(units)
        for unit in plan["dg"]:
            assert unit["p_mw"] == units[unit["bus"]].p_mw
            assert unit["vm_pu"] == units[unit["bus"]].vm_pu
        line = plan["lines"][0]
        assert {line["from_bus"], line["to_bus"]} == {
            printed.new_line.from_bus,
            printed.new_line.to_bus,
        }
        assert line["length_km"] == printed.new_line.length_km
        assert (plan["cost"], plan["budget"]) == (printed.cost, printed.budget)


def test_claims_are_judged_by_numbers(outcome) -> None:
    from benchmarks.paper_claims import Cheap, Facts

    thirty = Outcome(IEEE30, outcome.rows, outcome.folder, outcome.printed_folder, 1.0, 1.0)
    cheap = Cheap(90, [("8-28", 2)], 3.892, 16.63, (30, 2), 3.526)
    losses = {1: 2.71, 2: float("nan"), 4: 2.65, 5: 5.6, 9: 1.1}
    day = {"worst": 5.1, "loss_printed": 13.1, "loss_theirs": 2.65}
    found = {c: h for c, _, h in claims(outcome, thirty, Facts(losses, 100.0, 300.0, cheap), day)}
    assert found["the event on IEEE 9 leaves 68 % unserved"] == "yes"
    assert found["the event on IEEE 30 leaves 84 % unserved"] == "no"
    most = found["the plans restore the most load that the budget allows"]
    assert most == "IEEE 9 yes, IEEE 30 yes"  # nothing is unserved with the stub's plans
    assert found["a line costs 10 times its length"] == "no"
    place = next(claim for claim in found if "bus 4 or 9" in claim)
    assert found[place] == "yes"
    losses[4] = 3.0
    found = {c: h for c, _, h in claims(outcome, thirty, Facts(losses, 100.0, 300.0, cheap), day)}
    assert found[place] == "no"


def test_only_text_is_wrapped() -> None:
    table = "| a |\n| --- |\n| " + "long " * 40 + "|"
    text = "Some words\nthat follow\n\n* one\n* two " + "words " * 30
    page = reflow(f"# Head\n\n{table}\n\n{text}")
    assert table in page
    assert "Some words that follow" in page
    assert max(len(line) for line in page.splitlines() if not line.startswith("|")) <= 100
    assert [line[:5] for line in page.splitlines()[-3:]] == ["* one", "* two", "  wor"]


def test_terms_are_those_of_the_cases() -> None:
    found = terms("ieee9_paper")
    assert (found["line_cost"], found["p_mw"]) == (2.258, "1 to 100 MW")
    assert (found["length_km"], terms("ieee30_paper")["dg_cost"]) == ("0.5 to 2 km", "30 per MWh")


# Figures.


def test_drawings_on_one_sheet_need_nothing_else() -> None:
    drawn = []
    for name in ("one", "two"):
        canvas = Canvas(100, 50, "same", "A & B")
        canvas.add("rect", x=0, y=0, width=9, height=9, fill=canvas.hatch("#d55e00"))
        canvas.text(0, 20, f"{name} < more")
        drawn.append((f"Head of {name}", str(canvas.svg())))
    sheet = ET.fromstring(paper_figures.chart_figure("Two charts", drawn))  # noqa: S314
    assert sheet.tag == f"{SVG}svg"
    assert sheet[1].get("fill") == "#ffffff"
    patterns = [p.get("id") for p in sheet.iter(f"{SVG}pattern")]
    assert len(set(patterns)) == len(patterns) == 2
    fills = {r.get("fill") for r in sheet.iter(f"{SVG}rect")}
    assert {f"url(#{name})" for name in patterns} <= fills
    assert {"one < more", "Head of two"} <= {t.text for t in sheet.iter(f"{SVG}text")}


def test_classes_add_up_to_the_load() -> None:
    scenario = load_case("ieee30_paper")
    loads = paper_figures.class_loads(scenario)
    demand = scenario.horizon.load_factor @ scenario.grid.demand()[0] * scenario.grid.base_mva
    assert loads.sum(axis=1).to_numpy() == pytest.approx(demand)
    assert loads.loc[19].sum() == pytest.approx(283.4)
    assert list(loads) == ["residential", "industrial", "commercial"]
    sheet = ET.fromstring(paper_figures.class_figure("Classes", loads))  # noqa: S314
    shown = {text.text for text in sheet.iter(f"{SVG}text")}
    assert {"(a) Residential, MW", "(d) Sum, MW"} <= shown


# The page as it is.


def check_page(docs: Path) -> None:
    page = (docs / "paper.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\(figures/(\w+)\.svg\)", page))
    assert named == NAMES == {path.stem for path in (docs / "figures").glob("figure*.svg")}
    assert "{{" not in page
    assert "nan" not in re.findall(r"\w+", page)
    for name in named:
        text = (docs / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        sheet = ET.fromstring(text)  # noqa: S314
        assert sheet[1].get("fill") == "#ffffff"
        ids = [e.get("id") for e in sheet.iter() if e.get("id")]
        assert len(set(ids)) == len(ids)
        assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(ids)
        assert set(re.findall(r"https?://[^\"'<]+", text)) == {"http://www.w3.org/2000/svg"}
        assert not {"style", "image", "script"} & {e.tag.removeprefix(SVG) for e in sheet.iter()}


def test_the_page_names_the_figures_that_exist() -> None:
    check_page(DOCS)


def test_links_of_the_page_lead_somewhere() -> None:
    page = (DOCS / "paper.md").read_text(encoding="utf-8")
    found = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    heads = {head.lower().replace(" ", "-") for head in found}
    links = re.findall(r"\]\((?!http)([^)]+)\)", page)
    assert links
    for link in links:
        assert link[1:] in heads if link.startswith("#") else (DOCS / link).exists()


@pytest.mark.slow
def test_the_whole_page_from_one_seed(tmp_path: Path, monkeypatch) -> None:
    options = ["--seeds", "0", "--out", str(tmp_path / "runs"), "--docs", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["paper", *options])
    paper.main()
    check_page(tmp_path)
