"""The report: built from a run's files alone, complete when they are, honest when they aren't."""

import json
import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from hybridopt.errors import InputError
from hybridopt.plots import hour_labels
from hybridopt.report import write_report
from hybridopt.report_files import natural, read_run
from hybridopt.report_format import decimals_for, fixed, money, scientific, share, spans
from hybridopt.report_layout import place_buses
from hybridopt.report_map import branch_style, source_state
from hybridopt.report_scene import Labels, build_scene
from hybridopt.report_svg import Canvas, nice_range, nice_ticks
from hybridopt.report_text import event_sentence
from hybridopt.report_units import unit_powers
from hybridopt.report_verified import verdict
from tests.command_line import hybridopt

STAGES = """stage,bus,x,y,load_mw,served_mw,unserved_mw,vm_pu,energised,reason
before_event,1,0,0,0.0,0.0,0.0,1.02,True,
before_event,2,1,0,40.0,40.0,0.0,0.99,True,
before_event,10,2,1,60.0,60.0,0.0,0.98,True,
after_event,1,0,0,0.0,0.0,0.0,1.02,True,
after_event,2,1,0,40.0,30.0,10.0,0.97,True,
after_event,10,2,1,60.0,0.0,60.0,,False,cut off
after_plan,1,0,0,0.0,0.0,0.0,1.02,True,
after_plan,2,1,0,40.0,40.0,0.0,0.99,True,
after_plan,10,2,1,60.0,60.0,0.0,0.98,True,
"""
TOPOLOGY = """branch,from_bus,to_bus,kind,before_event,after_event,after_plan,damaged,\
loading_before_event,loading_after_event,loading_after_plan
1-2,1,2,line,True,True,True,False,50.0,40.0,55.0
2-10,2,10,line,True,False,True,True,70.0,,60.0
1-10,1,10,trafo,True,False,False,True,,,
"""
SOURCES = """name,kind,bus,max_p_mw,before_event,after_event,after_plan
grid 1,ext_grid,1,150.0,True,True,True
gen 2,gen,2,80.0,True,False,False
dg 10,dg,10,25.0,False,False,True
"""
DISPATCH = """hour,element,name,bus,p_mw,q_mvar,cost
1,ext_grid,grid 1,1,31.5,3.0,300.0
1,gen,gen 2,2,0.0,0.0,0.0
1,dg,dg 10,10,20.0,2.0,100.0
2,ext_grid,grid 1,1,78.0,5.0,800.0
2,gen,gen 2,2,0.0,0.0,0.0
2,dg,dg 10,10,25.0,4.0,120.0
"""
BUSES = """hour,bus,vm_pu,va_degree,demand_mw,shed_mw
1,1,1.02,0.0,0.0,0.0
1,2,1.00,-1.0,20.0,0.0
1,10,0.99,-2.0,30.0,0.0
2,1,1.02,0.0,0.0,0.0
2,2,0.99,-2.0,40.0,0.0
2,10,0.98,-4.0,60.0,0.0
"""
BRANCHES = """hour,branch,p_from_mw,q_from_mvar,loading_percent
1,1-2,31.5,3.0,25.0
1,2-10,11.0,1.0,20.0
2,1-2,78.0,5.0,55.0
2,2-10,37.0,3.0,60.0
"""
GENERATIONS = """generation,evaluations,distinct_plans,feasible,best_unserved_mwh,\
mean_unserved_mwh,best_operating_cost,mean_operating_cost,plan_cost_best,wall_s
0,10,10,9,12.5,80.0,1400.0,1500.0,9.0,0.5
1,20,18,10,0.0,20.0,1320.0,1450.0,7.5,0.4
"""
PLAN = {
    "case": "three",
    "lines": [
        {"name": "2-10", "from_bus": 2, "to_bus": 10, "length_km": 1.5, "cost": 2.5}
        | {"r_ohm_per_km": 0.1571, "x_ohm_per_km": 0.4, "max_i_ka": 0.25, "kind": "repaired"}
    ],
    "dg": [
        {"name": "dg 10", "bus": 10, "max_p_mw": 25.0, "p_mw": 25.0, "q_mvar": 4.0, "cost": 5.0}
    ],
    "cost": 7.5,
    "budget": 10.0,
}


def stage(served: float, vm: float | None = 0.98) -> dict[str, Any]:
    lost = 100.0 - served
    powers = {"load_mw": 100.0, "served_mw": served, "unserved_mw": lost, "unserved_percent": lost}
    return powers | {"loss_mw": 1.0, "min_vm_pu": vm, "max_vm_pu": vm, "max_loading_percent": None}


SUMMARY: dict[str, Any] = {
    "case": "three",
    "title": "Three buses",
    "seed": 7,
    "status": "optimal",
    "fully_served": True,
    "currency": "EUR",
    "objectives": ["unserved_mwh", {"operating_cost": 1.0, "plan_cost": 0.5}],
    "dispatch_mode": "each",
    "versions": {"hybridopt": "0.1.0", "ipopt": "3.14.19"},
    "event": {"lines": ["2-10"], "transformers": ["1-10"], "generators": [2]},
    "stages": {"before_event": stage(100), "after_event": stage(30), "after_plan": stage(100)},
    "dead_islands": {
        "after_event": [{"buses": [10], "load_mw": 60.0, "reason": "no source: cut off by 2-10"}],
        "after_plan": [],
    },
    "plan": {"cost": 7.5, "budget": 10.0},
    "dispatch": {"hours": 2, "operating_cost": 1320.0, "unserved_cost": 0.0}
    | {"served_mwh": 150.0, "unserved_mwh": 0.0, "loss_mwh": 4.5},
    "economics": {"hours": [1, 2], "unserved_cost_after_event": 700000.0}
    | {
        "unserved_cost_after_plan": 0.0,
        "avoided_cost": 700000.0,
        "avoided_cost_on_curve": 525000.0,
    },
    "search": {"generations": 1, "evaluations": 20, "distinct_plans": 18, "nlp_solves": 60}
    | {"stopped_because": "all generations done", "wall_s": 0.9},
    "verification": {"hours_checked": 2, "max_mismatch_mva": 2e-7}
    | {"max_voltage_violation_pu": 0.0, "max_loading_percent": 60.0},
    "time": {"compile_s": 0.1, "solve_s": 0.8, "verify_s": 0.2, "rest_s": 0.1, "wall_s": 1.2},
    "extremes": {
        "min_vm_pu": {"value": 0.98, "hour": 2, "bus": 10},
        "max_vm_pu": {"value": 1.02, "hour": 1, "bus": 1},
        "max_loading_percent": {"value": 60.0, "hour": 2, "branch": "2-10"},
    },
}
TABLES = {
    "stages": STAGES,
    "topology": TOPOLOGY,
    "sources": SOURCES,
    "dispatch": DISPATCH,
    "buses": BUSES,
    "branches": BRANCHES,
    "generations": GENERATIONS,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small run's output, with every file that the report reads but network.json."""
    for name, text in TABLES.items():
        (tmp_path / f"{name}.csv").write_text(text)
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    return write_summary(tmp_path)


def write_summary(folder: Path, **changes: Any) -> Path:
    (folder / "summary.json").write_text(json.dumps(SUMMARY | changes))
    return folder


def page_of(folder: Path) -> str:
    path = write_report(folder)
    assert path == folder / "report.html"
    return path.read_text(encoding="utf-8")


def text_of(page: str) -> str:
    """What a reader sees, with plain spaces, hyphens and minus signs."""
    body = re.sub(r"<head>.*?</head>", " ", page, flags=re.DOTALL)
    text = unescape(re.sub(r"<[^>]*>", " ", body))
    text = text.replace("\N{NON-BREAKING HYPHEN}", "-").replace("\N{WORD JOINER}", "")
    return re.sub(r"\s+", " ", text)


def svgs(page: str) -> list[ET.Element]:
    return [ET.fromstring(s) for s in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]  # noqa: S314


def test_says_what_happened_and_what_the_plan_achieves(folder: Path) -> None:
    text = text_of(page_of(folder))
    for words in (
        "The event takes out the generator at bus 2, transformer 1-10 and line 2-10.",
        "30.0 of 100.0 MW (30.0 %) can still be served; 70.00 MW are lost.",
        "The plan repairs line 2-10 and installs a distributed generator of 25.00 MW at bus 10",
        "for 7.500 EUR, 75.0 % of the budget of 10 EUR.",
        "the whole load of 100.0 MW is served at the peak; over the 2 hours nothing is left",
        "In hours 1–2 the plan avoids unserved energy worth 700 000 EUR at the flat peak",
        "case three · seed 7",
        "unserved energy, then 1 × operating cost + 0.5 × plan cost",
        "bus 10, 60.00 MW of load: no source: cut off by 2-10",
        "Ipopt 3.14.19",
    ):
        assert words.replace(" · ", " ") in text, words


def test_every_section_stands(folder: Path) -> None:
    page = page_of(folder)
    sections = ["map", "load", "dispatch", "search", "plan", "extremes", "economics", "verified"]
    assert re.findall(r'<section id="(\w+)"', page) == sections
    assert re.findall(r'<a href="#(\w+)"', page) == sections


def test_refers_to_nothing_outside(folder: Path) -> None:
    page = page_of(folder)
    assert re.findall(r"""(?:src|href)\s*=\s*["'](?!#)""", page) == []
    assert re.findall(r"url\((?!#)", page) == []
    for word in ("http://", "https://", "@import", "<script", "<link", "<img"):
        assert word not in page


def test_drawings_are_well_formed_and_ids_unique(folder: Path) -> None:
    page = page_of(folder)
    assert len(svgs(page)) > 20
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"url\(#([^)]*)\)", page))
    assert used
    assert used <= set(ids)


def test_text_from_the_data_is_escaped(folder: Path) -> None:
    evil = "<script>alert('&amp;')</script>"
    write_summary(folder, title=evil, currency="<i>", versions={"<u>": "<b>"}, case="<b>")
    for name in ("topology", "branches", "sources", "dispatch"):
        table = folder / f"{name}.csv"
        table.write_text(table.read_text().replace("2-10", "<em>&").replace("dg 10", "<s>&"))
    plan = json.loads(json.dumps(PLAN).replace("2-10", "<em>&").replace("dg 10", "<s>&"))
    (folder / "plan.json").write_text(json.dumps(plan))
    page = page_of(folder)
    for tag in ("<script", "<i>", "<u>", "<b>", "<em>", "<s>"):
        assert tag not in page, tag
    assert "&lt;script&gt;alert(&#39;&amp;amp;&#39;)&lt;/script&gt;</h1>" in page
    assert len(svgs(page)) > 20
    assert "<em>&" in text_of(page)


@pytest.mark.parametrize("missing", [*sorted(TABLES), "plan"])
def test_any_file_but_the_summary_may_be_missing(folder: Path, missing: str) -> None:
    for file in folder.glob(f"{missing}.*"):
        file.unlink()
    check_no_gaps(page_of(folder))


@pytest.mark.parametrize("key", [k for k in SUMMARY if k != "case"])
def test_any_key_of_the_summary_may_be_null(folder: Path, key: str) -> None:
    write_summary(folder, **{key: None})
    check_no_gaps(page_of(folder))


def check_no_gaps(page: str) -> None:
    assert "What was verified" in page
    assert re.findall(r"\b(?:nan|NaN|None|null|inf|undefined)\b", text_of(page)) == []
    assert re.findall(r'"[^"]*\bnan\b[^"]*"', page) == []


def test_summary_alone_gives_a_page(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text('{"case": "bare", "status": "failed"}')
    page = page_of(tmp_path)
    check_no_gaps(page)
    assert "The run failed" in page
    assert "Not checked" in page
    assert '<section id="map"' not in page


def test_everything_dead(folder: Path) -> None:
    lines = STAGES.splitlines()
    dead = [",".join([*line.split(",")[:5], "0.0", "", "", "False", ""]) for line in lines[1:]]
    (folder / "stages.csv").write_text("\n".join([lines[0], *dead]) + "\n")
    gone = re.sub(r"^(\d+,\d+),[\d.]+,[-\d.]+", r"\1,,", BUSES, flags=re.MULTILINE)
    (folder / "buses.csv").write_text(gone)
    unrated = re.sub(r",[\d.]+$", ",", BRANCHES, flags=re.MULTILINE)
    (folder / "branches.csv").write_text(unrated)
    nothing = {name: stage(0, None) for name in SUMMARY["stages"]}
    extremes = dict.fromkeys(SUMMARY["extremes"])
    page = page_of(write_summary(folder, stages=nothing, extremes=extremes, fully_served=False))
    check_no_gaps(page)
    assert "Nothing of the 100.0 MW at the peak hour can be served" in text_of(page)
    assert ">dead</td>" in page


def test_grid_without_ratings_says_so(folder: Path) -> None:
    (folder / "branches.csv").write_text(re.sub(r",[\d.]+$", ",", BRANCHES, flags=re.MULTILINE))
    page = page_of(folder)
    check_no_gaps(page)
    assert "No branch of this grid has a rating" in page


def test_no_event_no_search_no_units_placed(folder: Path) -> None:
    (folder / "generations.csv").unlink()
    (folder / "plan.json").write_text('{"lines": [], "dg": [], "cost": 0.0, "budget": 10.0}')
    stages = {"before_event": stage(100), "after_plan": stage(100)}
    (folder / "stages.csv").write_text(re.sub(r"after_event.*\n", "", STAGES))
    empty: dict[str, list[str]] = {"lines": []}
    page = page_of(write_summary(folder, event=empty, stages=stages, search=None, dead_islands={}))
    check_no_gaps(page)
    assert "The event takes out" not in page
    assert "The plan neither adds generation nor repairs" in page
    assert page.count("<figcaption>") == 2


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("summary.json", None, "has no summary.json"),
        ("summary.json", "{", "is not JSON"),
        ("plan.json", "[]", "must hold one JSON object"),
        ("buses.csv", 'a,b\n"1,2\n', "is not a CSV table"),
    ],
)
def test_unreadable_files_are_named(
    folder: Path, file: str, content: str | None, words: str
) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(InputError, match=words):
        write_report(folder)
    shutil.rmtree(folder)
    with pytest.raises(InputError, match="no such directory"):
        write_report(folder)


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({}, "Yes"),
        ({"max_loading_percent": None}, "Yes"),
        ({"max_mismatch_mva": 2e-3}, "No"),
        ({"max_mismatch_mva": None}, "No"),
        ({"max_voltage_violation_pu": 2e-4}, "No"),
        ({"max_loading_percent": 100.02}, "No"),
        ({"hours_failed": 1}, "No"),
        ({"hours_checked": 0}, "Not checked"),
        ({"hours_checked": 0, "hours_failed": 2}, "No"),
    ],
)
def test_verdict(folder: Path, changes: dict[str, Any], answer: str) -> None:
    write_summary(folder, verification=SUMMARY["verification"] | changes)
    assert verdict(read_run(folder))[0] == answer


def test_event_names_elements_by_bus_or_by_name(folder: Path) -> None:
    event = {"generators": [2, 5], "external_grids": ["main"], "loads": [3, 3]}
    write_summary(folder, event=event)
    assert event_sentence(read_run(folder)) == (
        "The event takes out the external grid main, the generators at buses 2 and 5 "
        "and the loads at bus 3."
    )


def test_units_that_the_event_took_are_left_out(folder: Path) -> None:
    powers = unit_powers(read_run(folder))
    assert list(powers.columns) == [("ext_grid", "grid 1"), ("dg", "dg 10")]
    assert powers[("dg", "dg 10")].tolist() == [20.0, 25.0]
    (folder / "sources.csv").unlink()
    assert ("gen", "gen 2") in unit_powers(read_run(folder))


def test_losses_close_the_balance(folder: Path) -> None:
    text = text_of(page_of(folder))
    # 31.5 + 20 - 50 and 78 + 25 - 100
    assert "Hour 1: losses 1.50 MW" in text
    assert "Hour 2: losses 3.00 MW" in text


def test_voltage_limits_come_from_the_network_file(folder: Path) -> None:
    assert read_run(folder).vm_limits is None
    columns = ["name", "max_vm_pu", "min_vm_pu"]
    bus = {"columns": columns, "index": [0, 1], "data": [[1, 1.1, 0.9], [2, 1.05, 0.95]]}
    network = {"_object": {"bus": {"_object": json.dumps(bus)}}}
    (folder / "network.json").write_text(json.dumps(network))
    assert read_run(folder).vm_limits == (0.9, 1.1)


@pytest.mark.parametrize(
    ("states", "damaged", "planned", "styles"),
    [
        ((True, True, True), False, False, ("service", "service", "service")),
        ((True, False, False), True, False, ("service", "damaged", "damaged")),
        ((True, False, True), True, True, ("service", "damaged", "plan")),
        ((True, False, True), False, False, ("service", "dead", "service")),
        ((False, False, True), False, True, (None, None, "plan")),
        ((False, False, True), False, False, ("open", "open", "plan")),
        ((False, False, False), False, False, ("open", "open", "open")),
    ],
)
def test_branch_styles(
    states: tuple[bool, bool, bool], damaged: bool, planned: bool, styles: tuple[str | None, ...]
) -> None:
    names = ("before_event", "after_event", "after_plan")
    row = {"branch": "a", "damaged": damaged, **dict(zip(names, states, strict=True))}
    plan = {"a"} if planned else set()
    assert tuple(branch_style(row, name, plan) for name in names) == styles


@pytest.mark.parametrize(
    ("kind", "states", "drawn"),
    [
        ("gen", (True, True, True), ("service", "service", "service")),
        ("gen", (True, False, False), ("service", "lost", "lost")),
        ("gen", (True, False, True), ("service", "lost", "plan")),
        ("dg", (False, False, True), (None, None, "plan")),
    ],
)
def test_unit_states(
    kind: str, states: tuple[bool, bool, bool], drawn: tuple[str | None, ...]
) -> None:
    names = ("before_event", "after_event", "after_plan")
    row = {"kind": kind, **dict(zip(names, states, strict=True))}
    assert tuple(source_state(row, name) for name in names) == drawn


def grid_folder(folder: Path, side: int, *, known: bool) -> Path:
    """A square grid of buses, with or without coordinates."""
    head = STAGES.splitlines()[0]
    rows = []
    for i in range(side * side):
        place = f"{i % side},{i // side}" if known else ","
        rows.append(f"before_event,{i + 1},{place},{i % 7}.0,{i % 7}.0,0.0,1.0,True,")
    (folder / "stages.csv").write_text("\n".join([head, *rows]) + "\n")
    pairs = [(i, i + 1) for i in range(side * side) if (i + 1) % side]
    pairs += [(i, i + side) for i in range(side * (side - 1))]
    lines = [f"{a + 1}-{b + 1},{a + 1},{b + 1},line,True,True,True,False,,," for a, b in pairs]
    (folder / "topology.csv").write_text("\n".join([TOPOLOGY.splitlines()[0], *lines]) + "\n")
    return folder


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("side", [3, 6, 11])
def test_map_keeps_buses_apart_and_labels_clear(folder: Path, side: int, known: bool) -> None:
    run = read_run(grid_folder(folder, side, known=known))
    scene, again = build_scene(run), build_scene(run)
    at = np.array(list(scene.spot.values()))
    assert np.array_equal(at, np.array(list(again.spot.values())))
    radius = np.array(list(scene.radius.values()))
    gap = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1)) - radius - radius[:, None]
    assert gap[~np.eye(len(at), dtype=bool)].min() > 2
    assert (at > 0).all()
    assert (at < (scene.width, scene.height)).all()
    assert len(scene.labels) > 0.9 * len(at)
    labels = {bus: spot for bus, spot in scene.labels.items() if bus not in scene.inside}
    boxes = [(*spot, 0.3 * scene.font * len(bus), 0.4 * scene.font) for bus, spot in labels.items()]
    for i, (x, y, w, h) in enumerate(boxes):
        for other_x, other_y, other_w, other_h in boxes[:i]:
            assert abs(x - other_x) > w + other_w or abs(y - other_y) > h + other_h


def test_buses_in_one_place_are_drawn_apart() -> None:
    given = np.array(
        [[0.0, 0.0], [1.0, 0.0], [2.0, 1.0], [3.0, 2.0], [4.0, 1.0]] * 2 + [[2.0, 3.0]]
    )
    given[5] = given[0] + 1e-12
    given[6:10] += 0.5
    at, _ = place_buses(given, np.array([[0, 1], [5, 6]]), 400.0, 36.0)
    assert np.hypot(*(at[0] - at[5])) > 10


def test_partly_missing_coordinates_are_not_used(folder: Path) -> None:
    stages = STAGES.replace("event,2,1,0,", "event,2,,,")
    (folder / "stages.csv").write_text(stages)
    scene = build_scene(read_run(folder))
    assert all(np.isfinite(spot).all() for spot in scene.spot.values())


def test_label_without_room_is_left_out() -> None:
    crowd = [(50.0, 50.0, 60.0, 60.0)]
    assert (
        Labels(crowd, np.empty((0, 4)), (100.0, 100.0)).place(np.array([50, 50]), 3, (5, 5)) is None
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (fixed(1234567.891, 1), "1 234 567.9"),
        (fixed(-0.004, 2), "0.00"),
        (fixed(-3.5, 1), "\N{MINUS SIGN}3.5"),
        (fixed(None, 1), "\N{EN DASH}"),
        (fixed(float("nan"), 1), "\N{EN DASH}"),
        (share(99.99, 100), "over 99.9 %"),
        (share(0.01, 100), "under 0.1 %"),
        (share(100, 100), "100 %"),
        (share(1, 0), "\N{EN DASH}"),
        (money(19.999999999999996, "USD"), "20 USD"),
        (money(18.458, "USD"), "18.458 USD"),
        (money(7525000.0, "USD"), "7.525 million USD"),
        (scientific(3.2e-7), "3.2 × 10⁻⁷"),
        (scientific(0.0), "0"),
        (spans([18, 19, 20, 24, 8]), "8, 18–20, 24"),
    ],
)
def test_numbers_as_written(written: str, expected: str) -> None:
    assert re.sub(r"\s", " ", written.replace("\N{WORD JOINER}", "")) == expected


def test_columns_are_rounded_by_their_largest_value() -> None:
    assert decimals_for([315.0, 0.002]) == 1
    assert decimals_for([0.0, None, float("nan")]) == 1
    assert decimals_for([0.0123]) == 5
    assert decimals_for([12345.0]) == 0


def test_axes_run_from_tick_to_tick() -> None:
    assert nice_range(0.94, 1.06) == pytest.approx((0.9, 1.1))
    assert nice_ticks(*nice_range(0.94, 1.06)) == pytest.approx([0.9, 0.95, 1.0, 1.05, 1.1])
    low, high = nice_range(0.0, 0.0)
    assert low < high
    low, high = nice_range(49421.53, 49421.53)
    assert low < 49421.53 < high


def test_last_hour_is_always_named() -> None:
    hours = np.arange(1, 25)
    labels = [label for _, label in hour_labels(hours, 290.0)]
    assert labels[-1] == "24"
    assert len(labels) < 24


def test_buses_are_sorted_as_people_count() -> None:
    assert sorted(["10", "9", "bus 2", "bus 10", "1"], key=natural) == [
        "1",
        "9",
        "10",
        "bus 2",
        "bus 10",
    ]


def test_dispatch_alone_has_its_report(folder: Path) -> None:
    for name in ("stages", "topology", "sources", "generations"):
        (folder / f"{name}.csv").unlink()
    (folder / "plan.json").unlink()
    summary = {"case": "three", "status": "optimal", "objective": 1320.0, "currency": "EUR"}
    summary |= {"hours": 2, "unserved_mwh": 0.0, "loss_mwh": 4.5, "wall_s": 0.3}
    (folder / "summary.json").write_text(json.dumps(summary))
    page = page_of(folder)
    check_no_gaps(page)
    assert re.findall(r'<section id="(\w+)"', page) == [
        "dispatch",
        "extremes",
        "economics",
        "verified",
    ]
    sentence = "Operating the 2 hours costs 1 320.00 EUR, with network losses of 4.50 MWh"
    text = text_of(page)
    assert f"{sentence}; over the 2 hours nothing is left unserved." in text
    assert "Lowest voltage 0.9800 pu bus 10 2" in text
    assert "Highest loading 60.0 % branch 2-10 2" in text
    assert "genetic" not in page


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("reconfigure", "civanlar16"), "give the command again with --force"),
        (("reliability", "rbts2"), "hybridopt reliability writes tables, no report"),
        (("ed", "unit3", "--demand", "850"), "hybridopt ed writes tables, no report"),
    ],
)
def test_folders_that_have_no_report_to_write_again(
    tmp_path: Path, command: tuple[str, ...], words: str
) -> None:
    out = tmp_path / "out"
    assert hybridopt(*command, "--out", out, "--quiet").code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (finding,) = hybridopt("report", out).findings
    assert words in finding
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_several_seeds_have_reports_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text('{"reached_best": 2, "seeds": []}')
    (finding,) = hybridopt("report", tmp_path).findings
    assert "give one of its folders, such as seed0" in finding


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "summary.json: is not the summary of a result"),
        ("[1]", "summary.json: is not the summary of a result"),
        ("{", "summary.json: is damaged: it is not JSON"),
        *(
            (f'{{"command": "{name}"}}', f"summary.json: is damaged: it is not as {name} writes it")
            for name in ("worst", "sample", "restore", "pareto", "sweep", "compare")
        ),
    ],
)
def test_folders_of_no_result_get_no_empty_page(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "summary.json").write_text(content)
    (finding,) = hybridopt("report", tmp_path).findings
    assert finding.endswith(words)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(("x", "shown"), [(0.0, "16.5"), (50.0, "50"), (100.0, "83.5")])
def test_labels_below_an_axis_are_not_cut_off(x: float, shown: str) -> None:
    canvas = Canvas(100.0, 20.0, "key", "label")
    canvas.centred(x, 10.0, "12345")
    assert f' x="{shown}" ' in canvas.svg()
