"""The ranking of events against a plain loop that shares nothing with it but the AC model."""

import json
from itertools import combinations

import networkx as nx
import numpy as np
import pandapower as pp
import pytest
from command_line import SMALL_STUDY, hybridopt, small_net, write_case

from hybridopt.dispatch import Dispatcher
from hybridopt.event_delivery import Deliverer, state_key, without_idle_parts
from hybridopt.event_response import NEVER, below
from hybridopt.grid import DGSites, Event, Plan, apply_event
from hybridopt.network_events import EventSpace
from hybridopt.network_scenario import load_case
from hybridopt.settings import Settings
from hybridopt.worst import WorstOptions, worst_events

SERVE = Settings(objectives=({"unserved_mwh": 1.0},))


def space_of(case):
    return EventSpace(load_case(case))


@pytest.fixture(scope="module")
def ieee9():
    return space_of("ieee9")


@pytest.fixture(scope="module")
def ieee30():
    return space_of("ieee30")


def names(space, event):
    return [space.known.elements[k].name for k in event.chosen]


def ranking(space, k, response="none", **options):
    terms = WorstOptions(k, space.known.elements, response, **options)
    return worst_events(space, terms, workers=1)


def plain_unserved_mw(scenario, branches, units):
    """One event, a model of its own; units in islands without load rest, as operators would."""
    grid = scenario.grid
    graph = nx.Graph()
    graph.add_nodes_from(range(grid.n_bus))
    for k in range(grid.n_branch):
        if grid.branch_in_service[k] and k not in branches:
            graph.add_edge(int(grid.branch_from[k]), int(grid.branch_to[k]))
    loaded = set(grid.load_bus.tolist())
    off = set(units)
    for island in nx.connected_components(graph):
        if not island & loaded:
            off |= {k for k, bus in enumerate(grid.gen_bus.tolist()) if bus in island}
    damaged = apply_event(grid, Event(branches=tuple(branches), gens=tuple(off)))
    dispatch = Dispatcher(damaged, DGSites(), scenario.horizon, SERVE).deliver(Plan())
    if not off < set(range(grid.n_gen)):  # no unit is left
        return float(dispatch.demand_mw.sum())
    assert dispatch.ok, (branches, units)
    return float(dispatch.unserved_mw[0])


def plain_ranking(space, k):
    """Unserved power of every event, by the names of its elements."""
    found = {}
    for chosen in combinations(space.known.elements, k):
        branches = [e.position for e in chosen if e.is_branch]
        units = [e.position for e in chosen if not e.is_branch]
        key = tuple(e.name for e in chosen)
        found[key] = plain_unserved_mw(space.scenario, branches, units)
    return found


def plain_switching(space, chosen):
    """The best of leaving all as it is and of opening any one branch."""
    branches = [e.position for e in chosen if e.is_branch]
    units = [e.position for e in chosen if not e.is_branch]
    others = [k for k in range(space.scenario.grid.n_branch) if k not in branches]
    tries = [branches, *([*branches, k] for k in others)]
    return min(plain_unserved_mw(space.scenario, lost, units) for lost in tries)


def same_as_plain(space, result, plain):
    for event in result.events:
        expected = plain[tuple(names(space, event))]
        assert event.without.unserved_mw == pytest.approx(expected, rel=1e-5, abs=1e-3)
    best = sorted(plain.values(), reverse=True)[: result.options.top]
    top = [event.answer.unserved_mw for event in result.events[: result.options.top]]
    assert top == pytest.approx(best, rel=1e-5, abs=1e-3)


@pytest.mark.parametrize("k", [1, 2])
def test_ieee9_without_response_equals_a_plain_loop(ieee9, k):
    result = ranking(ieee9, k)
    same_as_plain(ieee9, result, plain_ranking(ieee9, k))
    assert result.exact
    assert result.evaluated + sum(result.pruned.values()) == len(result.events)
    assert result.pruned["equal"] > 0


@pytest.mark.slow
def test_ieee9_triples_equal_a_plain_loop(ieee9):
    same_as_plain(ieee9, ranking(ieee9, 3), plain_ranking(ieee9, 3))


@pytest.mark.slow
def test_ieee30_pairs_equal_a_plain_loop(ieee30):
    same_as_plain(ieee30, ranking(ieee30, 2), plain_ranking(ieee30, 2))


def test_the_event_of_reference_a_is_among_the_triples(ieee9):
    """Diaz Vargas et al. 2024: 215 of 315 MW; generator 2 adds nothing once 5-6 and 8-9 are out."""
    result = ranking(ieee9, 3, top=12)
    found = {tuple(names(ieee9, e)): e.answer.unserved_mw for e in result.events}
    assert found["line 5-6", "line 8-9", "external grid 1"] == pytest.approx(215.0, abs=1e-3)
    assert result.events[0].answer.unserved_mw == 315.0


def test_ieee9_switching_equals_a_plain_loop(ieee9):
    """Every event that the ranking shows; doing nothing is one of the responses of the others."""
    result = ranking(ieee9, 2, "switching", top=6)
    assert result.exact
    assert result.pruned["bound"] > 0
    shown = [e for e in result.events if e.answer is not None]
    for event in shown[:6]:
        chosen = [ieee9.known.elements[k] for k in event.chosen]
        expected = plain_switching(ieee9, chosen)
        assert event.answer.unserved_mw == pytest.approx(expected, rel=1e-5, abs=1e-3)
        assert event.answer.unserved_mw <= event.without.unserved_mw


def every_switching(space, result, top):
    """The ranking's values by a plain loop over all events that could be in it.

    An event whose damage without response is below the last value of the ranking cannot: leaving
    all as it is is a response.
    """
    least = result.events[top - 1].answer.unserved_mw
    values = [
        plain_switching(space, [space.known.elements[k] for k in event.chosen])
        for event in result.events
        if event.without.unserved_mw >= least * (1 - 1e-5)
    ]
    expected = sorted(values, reverse=True)[:top]
    found = [event.answer.unserved_mw for event in result.events[:top]]
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "k", "top"), [("ieee9", 2, 20), ("ieee9", 3, 20), ("ieee30", 2, 10)]
)
def test_switching_ranks_as_a_plain_loop_does(name, k, top):
    space = space_of(name)
    every_switching(space, ranking(space, k, "switching", top=top), top)


def test_plan_finds_the_proven_cost_of_reference_a(ieee9):
    """15.097: close 5-6 and 8-9, 52.91 MW at bus 9, all plans enumerated (docs/search.md)."""
    wanted = {"line 5-6", "line 8-9", "generator 2", "external grid 1"}
    elements = tuple(e for e in ieee9.known.elements if e.name in wanted)
    result = worst_events(ieee9, WorstOptions(4, elements, "plan"), workers=1)
    (event,) = result.events
    assert event.without.unserved_mw == pytest.approx(215.0, abs=1e-3)
    assert event.answer.unserved_mw == 0.0
    assert event.answer.restoring_cost == pytest.approx(15.0975, abs=1e-3)
    assert event.answer.actions == ("close 5-6", "close 8-9", "52.91 MW at bus 9")
    assert result.exact


def test_switching_closes_what_stands_open():
    """A tie beside the first line brings everything back when that line is lost."""
    net = small_net()
    parameters = net.line.loc[0, ["r_ohm_per_km", "x_ohm_per_km", "c_nf_per_km", "max_i_ka"]]
    pp.create_line_from_parameters(net, 0, 2, 10.0, *parameters, in_service=False, name="tie")
    net.gen.loc[0, "in_service"] = False
    scenario = load_case({"network": "net"}, net=net)
    result = ranking(EventSpace(scenario), 1, "switching")
    by_name = {names(EventSpace(scenario), e)[0]: e for e in result.events}
    lost = by_name["line 0-1"]
    assert lost.without.unserved_mw == pytest.approx(25.0)
    assert lost.answer.unserved_mw == 0.0
    assert lost.answer.actions == ("close 0-2",)
    source = by_name["external grid 0"]
    assert source.answer.unserved_mw == pytest.approx(25.0)
    assert source.answer.restoring_cost == NEVER


def test_genetic_search_finds_the_worst_pair(ieee9):
    result = ranking(ieee9, 2, max_events=10)
    assert not result.exact
    assert result.run is not None
    assert names(ieee9, result.events[0]) == ["line 8-9", "line 9-4"]
    assert result.events[0].answer.unserved_mw == pytest.approx(125.0)


def test_any_number_of_workers(ieee9):
    terms = WorstOptions(2, ieee9.known.of_kinds(["lines"]), "switching", top=4)
    one = worst_events(ieee9, terms, workers=1)
    two = worst_events(ieee9, terms, workers=2)
    assert one.events == two.events
    assert (one.evaluated, one.pruned) == (two.evaluated, two.pruned)


def test_idle_parts_do_not_matter(ieee30):
    """What is switched off changes nothing: random damage, with and without."""
    scenario = ieee30.scenario
    deliverer = Deliverer(scenario.grid, DGSites(), scenario.horizon, SERVE)
    rng = np.random.default_rng(4)
    for _ in range(8):
        branches = tuple(int(b) for b in rng.choice(scenario.grid.n_branch, 6, replace=False))
        damaged = apply_event(scenario.grid, Event(branches=branches, gens=(1,)))
        whole = deliverer.compiled.for_state(damaged).deliver(Plan())
        found = deliverer.deliver(without_idle_parts(damaged))
        assert found.unserved_mw == pytest.approx(float(whole.unserved_mw[0]), rel=1e-5, abs=1e-3)
        assert deliverer.least_unserved_mw(damaged) <= found.unserved_mw + 1e-6


def test_a_unit_at_the_end_of_its_line_and_the_line_are_the_same_loss(ieee9):
    grid = ieee9.scenario.grid
    line, unit = grid.branch_name.index("8-2"), 1
    states = [
        without_idle_parts(apply_event(grid, event))
        for event in (Event(branches=(line,)), Event(gens=(unit,)))
    ]
    assert state_key(states[0]) == state_key(states[1])
    assert state_key(states[0]) != state_key(without_idle_parts(grid))


def test_ranks_compare_one_part_after_the_other():
    assert below((1.0, 0.0, 9.0), (2.0, 0.0, 0.0))
    assert not below((2.0, 0.0, 0.0), (1.0, 5.0, 5.0))
    assert below((0.0, 3.0, 9.0), (0.0, NEVER, 1.0))
    assert not below((0.0, NEVER, 9.0), (0.0, NEVER, 9.0))
    assert not below((1.0 - 1e-9, 0.0, 0.0), (1.0, 0.0, 0.0))
    assert not below((1.0, 0.0, 0.0), None)


# The command


@pytest.mark.parametrize("is_short", [False, True])
def test_json_and_page_of_the_response_plan(is_short, tmp_path):
    text = SMALL_STUDY.replace("budget = 30.0", "budget = 0.5") if is_short else SMALL_STUDY
    case, out = write_case(tmp_path, text=text), tmp_path / "out"
    options = ("--k", 1, "--response", "plan", "--workers", 1, "--out", out, "--json")
    outcome = hybridopt("worst", case, *options)
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert any(event["restoring_cost"] is None for event in found["events"]) == is_short
    assert {"events", "exact", "evaluated", "pruned", "status", "seed", "wall_s"} <= set(found)
    assert found["evaluated"] + found["pruned"] == found["event_count"] == 5
    first = found["events"][0]
    assert set(first) >= {
        *("elements", "unserved_mw", "unserved_mw_without_response", "restoring_cost"),
    }
    page = " ".join((out / "report.html").read_text().split())
    cost = first["restoring_cost"]
    said = "No plan within the budget serves everything then."
    if cost is not None:
        said = f"The cheapest plan that serves everything then costs {cost:.3f} USD;"
    assert said in page
    without = sum(event["restoring_cost"] is None for event in found["events"])
    # At two widths each.
    assert page.count(": no plan within the budget serves everything") == 2 * without
    for event in found["events"]:
        if event["restoring_cost"]:
            assert page.count(f"<title>{event['restoring_cost']:.3f} USD</title>") >= 2


def test_result_folder(tmp_path):
    case, out = write_case(tmp_path), tmp_path / "out"
    outcome = hybridopt("worst", case, "--k", 2, "--out", out, "--workers", 1, "--quiet")
    assert outcome.code == 0, outcome.err
    assert {p.name for p in out.iterdir()} == {"summary.json", "events.csv", "report.html"}
    page = (out / "report.html").read_text()
    assert hybridopt("report", out).code == 0
    assert (out / "report.html").read_text() == page
    again = hybridopt("worst", case, "--k", 2, "--out", out)
    assert again.findings == [
        f"--out {out}: exists already: give another --out, or --force to replace it"
    ]


BAD = """
[worst]
k = 9
kinds = ["lines"]
"""


def test_bad_input(tmp_path):
    case = write_case(tmp_path, text=SMALL_STUDY + BAD)
    found = hybridopt("worst", case).findings
    line = (SMALL_STUDY + BAD).count("\n", 0, (SMALL_STUDY + BAD).index("k = 9")) + 2
    assert found == [f"{case}:{line} [worst] k: 9 exceeds the 3 elements that count"]
    assert hybridopt("check", case).findings == found
    found = hybridopt("worst", case, "--elements", "line:0-1,line:0-9,generator:1,x").findings
    assert [f.partition(":")[0] for f in found] == ["--elements"] * 3
    assert sum("no line 0-9" in f for f in found) == sum("'x' is neither" in f for f in found) == 1
    assert hybridopt("worst", "ieee9").findings == [
        "--k: is missing: how many elements an event takes out"
    ]
    found = hybridopt("worst", case, "--k", 0, "--top", 0, "--response", "x").findings
    assert {f.partition(":")[0] for f in found} == {"--k", "--response", "--top"}


UNKNOWN = "no line 0-9 in the network; buses are labelled 0 to 3"


def test_bad_case(tmp_path):
    text = """
[worst]
k = 0
kinds = ["lines", "lines"]
response = "all"
tops = 3
[worst.elements]
lines = ["0-9"]
"""
    case = write_case(tmp_path, text=text)
    found = hybridopt("worst", case, "--k", 1).findings
    assert found == [
        f"{case}:4 [worst] k: must be at least 1, found 0",
        f"{case}:5 [worst] kinds: kind 'lines' is listed twice",
        f"{case}:6 [worst] response: must be 'none', 'switching' or 'plan', found 'all'",
        f"{case}:7 [worst] tops: unknown key; did you mean 'top'?",
        f"{case}:9 [worst.elements] lines[0]: {UNKNOWN}",
    ]
    several = '[worst]\nk = 4\n[worst.elements]\nlines = ["0-9", "1-2"]\ngenerators = [7]\n'
    found = hybridopt("worst", write_case(tmp_path, text=several)).findings
    assert [finding.partition("[worst")[2].partition(":")[0] for finding in found] == [
        ".elements] lines[0]",
        ".elements] generators[0]",
        "] k",
    ]
    assert found[-1].endswith("4 exceeds the 3 elements that count")
    unknown = write_case(
        tmp_path, text='[worst]\nk = 1\n[worst.elements]\nlines = ["0-9", "1-2"]\n'
    )
    place = f"{unknown}:5 [worst.elements] lines[0]"
    assert hybridopt("worst", unknown).findings == [
        f"{place}: {UNKNOWN}",
    ]


NEW_LINE = {"from_bus": 0, "to_bus": 2, "r_ohm_per_km": 0.1, "x_ohm_per_km": 0.3, "max_i_ka": 0.5}


@pytest.mark.parametrize("candidates", [[], [NEW_LINE | {"length_km": 10.0, "cost": 7.0}]])
def test_storage_stands_still_whatever_the_response(candidates):
    """Behind line 1-2 the unit is 0.5 MW short; what is stored there could give it."""
    net = small_net()
    net.gen["max_p_mw"] = 14.5
    case = {
        "network": "net",
        "budget": 8.0,
        "resources": {"lines": {"damaged": True, "cost": 5.0, "candidates": candidates}},
    }
    storage = [{"bus": 2, "energy_mwh": 8.0, "charge_mw": 2.0}]
    spaces = [
        EventSpace(load_case({**case, **more}, net=net)) for more in ({"storage": storage}, {})
    ]
    for response in ("none", "switching", "plan"):
        options = WorstOptions(1, spaces[0].known.of_kinds(["lines"]), response)
        first, second = (worst_events(space, options, workers=1).events for space in spaces)
        assert [event.rank for event in first] == [event.rank for event in second]
        assert any(0 < event.without.unserved_mw < 1 for event in first)
