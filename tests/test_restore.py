"""Order of repairs: against an independent loop over all orders, closed forms, and by hand."""

from itertools import permutations

import numpy as np
import pandapower as pp
import pytest

from hybridopt.dispatch import Dispatcher
from hybridopt.errors import InputError
from hybridopt.grid import DGSites, Event, Plan, apply_event
from hybridopt.network_repairs import find_job, repair_problem
from hybridopt.network_scenario import load_case
from hybridopt.progress import NoProgress
from hybridopt.repair_schedule import Visit, repaired_sets, schedule
from hybridopt.repair_search import best_of_all, breed, exact_method, greedy_order
from hybridopt.repair_value import Valuer, hours_between, rank
from hybridopt.resilience import interruptions, trapezoid
from hybridopt.restore import run_restore
from hybridopt.restore_output import dispatch_frames, restore_summary
from hybridopt.settings import Settings

QUIET = NoProgress()


def unserved_by_hour(scenario, still_out):
    """Unserved MW in each hour of the day with an event's elements out, by its own dispatch."""
    dispatcher = Dispatcher(
        apply_event(scenario.grid, still_out),
        DGSites(),
        scenario.horizon,
        Settings(objectives=({"unserved_mwh": 1.0},)),
    )
    return dispatcher.dispatch(Plan(), complete=False).unserved_mw


def brute_force(problem):
    """Unserved energy of every order: crews minute by minute, service hour by hour."""
    scenario, terms, jobs = problem.scenario, problem.terms, problem.jobs
    known = {}

    def power(done):
        if done not in known:
            left = [job for i, job in enumerate(jobs) if i not in done]
            event = Event(
                *(
                    tuple(k for job in left for k in getattr(job.parts, part))
                    for part in ("branches", "gens", "loads", "buses", "shunts")
                )
            )
            known[done] = unserved_by_hour(scenario, event)
        return known[done]

    found = {}
    for order in permutations(range(len(jobs))):
        free, place, end = [0] * terms.crews, [0] * terms.crews, {}
        for job in order:
            crew = min(range(terms.crews), key=lambda c: (free[c], c))
            way = round(60 * problem.travel_h[place[crew], job + 1])
            free[crew] += way + round(60 * jobs[job].repair_h)
            place[crew], end[job] = job + 1, free[crew]
        energy = 0.0
        for minute in range(max(end.values())):
            done = frozenset(job for job, when in end.items() if when <= minute)
            hour = (terms.start_hour - 1 + minute // 60) % 24
            energy += power(done)[hour] / 60
        found[order] = energy
    return found


@pytest.mark.parametrize(
    "restore",
    [
        {"crews": 1, "start_hour": 17},
        {"crews": 2, "start_hour": 17, "repair_h": {"line 5-6": 1.5, "generator 2": 5.25}},
        {
            "crews": 2,
            "start_hour": 10,
            "repair_h": {"5-6": 2, "8-9": 3, "generator 2": 4, "external grid 1": 2.5},
            "travel": {"depot": 1, "speed_km_per_h": 2.0},
        },
    ],
)
def test_every_order_of_ieee9_as_an_independent_loop_has_it(restore) -> None:
    problem = repair_problem(load_case({"extends": "ieee9", "restore": restore}))
    if "travel" in restore:  # to whole minutes, as the loop counts
        problem.travel_h[:] = np.round(problem.travel_h * 60) / 60
        assert problem.travel_h[0, 1:].max() > 1
    expected, valuer = brute_force(problem), Valuer(problem)
    for order, energy in expected.items():
        value = valuer.value(order)
        assert value.fitness[1] == pytest.approx(energy, abs=2e-3), order
    best = best_of_all(valuer, exact_method(valuer), QUIET).best
    assert best.fitness[1] == pytest.approx(min(expected.values()), abs=2e-3)
    run = breed(valuer, problem.scenario.case.genetic, 3, QUIET)
    assert run.best == best


def test_orders_on_the_whole_study_of_ieee9() -> None:
    result = run_restore({"extends": "ieee9", "restore": {"start_hour": 17, "crews": 2}}, seed=1)
    expected = brute_force(result.problem)
    assert result.ens_mwh == pytest.approx(min(expected.values()), abs=2e-3)
    assert result.found_best
    found = restore_summary(result)
    assert sum(row["unserved_mw"] for row in found["service"]) == pytest.approx(result.ens_mwh)
    dispatched = np.concatenate([d.unserved_mw for _, d in result.parts])
    assert dispatched == pytest.approx(result.unserved_mw, abs=2e-3)
    said = result.verification
    assert said.hours_checked == len(result.steps)
    assert said.hours_failed == 0
    assert said.max_mismatch_mva < 1e-5
    assert said.max_voltage_violation_pu < 1e-6


@pytest.fixture(scope="module")
def ieee30():
    return run_restore("ieee30_restore", seed=0)


def test_ieee30_with_one_crew_is_the_best_of_all_720_orders(ieee30) -> None:
    valuer = ieee30.valuer
    every = best_of_all(valuer, "orders", QUIET)
    assert every.looked_at == 720
    assert ieee30.exact.method == "subsets"
    assert ieee30.exact.best == every.best
    for seed in range(5):
        run = breed(valuer, ieee30.problem.scenario.case.genetic, seed, QUIET)
        assert run.best == every.best
        assert run.distinct < 720


def test_ieee30_starts_from_what_can_be_served_after_the_event(ieee30) -> None:
    peak = next(row for row in restore_summary(ieee30)["curve"] if row["clock_hour"] == 19)
    assert peak["repaired"] == []
    assert peak["demand_mw"] == pytest.approx(283.4)
    assert peak["served_mw"] == pytest.approx(171.095, abs=1e-3)  # formulation, section 6
    assert ieee30.trapezoid_percent().lambda_ == pytest.approx(39.63, abs=0.01)


def test_tables_of_steps_say_what_the_curve_does(ieee30) -> None:
    frames, found = dispatch_frames(ieee30), restore_summary(ieee30)
    shed = frames["buses"].groupby("from_h").shed_mw.sum()
    assert len(shed) == len(found["curve"])
    assert shed.to_numpy() == pytest.approx([r["unserved_mw"] for r in found["curve"]], abs=2e-3)
    later = frames["dispatch"].query("from_h == 24").hour.unique()
    assert later.tolist() == [15]
    assert found["operating_cost"] == pytest.approx(
        (frames["dispatch"].cost * (frames["dispatch"].to_h - frames["dispatch"].from_h))[
            frames["dispatch"].from_h < found["makespan_h"]
        ].sum()
    )


def reallocating_net():
    """A weak source feeds bus 1; a line leads on to bus 2, whose own generator is lost too."""
    net = pp.create_empty_network()
    for _ in range(3):
        pp.create_bus(net, 110.0, min_vm_pu=0.9, max_vm_pu=1.1)
    for k in range(2):
        pp.create_line_from_parameters(net, k, k + 1, 1.0, 1e-3, 1e-2, 0.0, 99.0)
    for bus in (1, 2):
        pp.create_load(net, bus, 10.0, 0.0)
    pp.create_ext_grid(net, 0, min_p_mw=0.0, max_p_mw=10.001, min_q_mvar=-9.0, max_q_mvar=9.0)
    limits = {"min_p_mw": 0.0, "max_p_mw": 20.0, "min_q_mvar": -9.0, "max_q_mvar": 9.0}
    pp.create_gen(net, 2, 5.0, controllable=True, **limits)
    pp.create_poly_cost(net, 0, "ext_grid", 1.0)
    pp.create_poly_cost(net, 0, "gen", 2.0)
    return net


def reallocating_case(**restore):
    hours = {"line 1-2": 1.0, "generator 2": 2.0}
    return {
        "priorities": {"2": 10.0},
        "event": {"lines": ["1-2"], "generators": [2]},
        "restore": {"repair_h": hours, **restore},
    }


def test_a_load_that_is_never_dropped_changes_the_order() -> None:
    """Closed form, losses below 0.01 MW aside.

    Line first: bus 2 is dark for 1 h (weight 10), then bus 1 for 2 h: 120; generator first: bus 2
    is dark for 2 h: 200. Bus 1 held: the line brings bus 2 nothing, so 300 against 200.
    """
    free = run_restore(load_case(reallocating_case(), net=reallocating_net(), repairs=True))
    assert [free.problem.jobs[i].name for i in free.best.order] == ["line 1-2", "generator 2"]
    assert free.best.fitness[1] == pytest.approx(120, abs=0.1)
    assert free.ens_mwh == pytest.approx(30, abs=0.1)
    case = reallocating_case(never_drop=True)
    held = run_restore(load_case(case, net=reallocating_net(), repairs=True))
    assert [held.problem.jobs[i].name for i in held.best.order] == ["generator 2", "line 1-2"]
    assert held.best.fitness[:2] == pytest.approx((0, 200), abs=0.1)
    assert held.valuer.value((0, 1)).fitness[1] == pytest.approx(300, abs=0.1)
    share = held.shed_mw / held.demand_mw.clip(1e-9)
    assert np.all(np.diff(share, axis=0) < 1e-5)
    first = free.shed_mw / free.demand_mw.clip(1e-9)
    assert np.diff(first, axis=0).max() > 0.9  # without it bus 1 is dropped
    found = restore_summary(free)["priority"]
    assert found["buses"] == [2]
    assert found["ens_mwh"] == pytest.approx(10, abs=0.1)
    assert found["ens_mwh_of_others"] == pytest.approx(20, abs=0.1)
    assert found["fully_served_after_h"] == 1.0


def test_held_loads_of_ieee9_cost_energy_and_stay_connected() -> None:
    case = {"extends": "ieee9", "restore": {"start_hour": 15, "crews": 2}}
    free = run_restore(case)
    held = run_restore({**case, "restore": case["restore"] | {"never_drop": True}})
    assert held.ens_mwh >= free.ens_mwh - 1e-3
    share = held.shed_mw / held.demand_mw.clip(1e-9)
    assert np.all(np.diff(share, axis=0) < 1e-5)
    assert held.best.fitness[0] == 0
    dispatched = np.concatenate([d.unserved_mw for _, d in held.parts])
    assert dispatched == pytest.approx(held.unserved_mw, abs=2e-3)
    assert held.found_best


def test_blackout_of_everything_is_restored() -> None:
    case = {
        "event": {
            "buses": [0, 1, 2],
            "external_grids": [0],
            "generators": [2],
            "lines": ["0-1", "1-2"],
            "loads": [1, 2],
        },
        "restore": {"crews": 3},
        "genetic": {"population": 10, "generations": 3},
    }
    result = run_restore(load_case(case, net=reallocating_net(), repairs=True))
    assert result.unserved_mw[0] == pytest.approx(20)
    assert result.unserved_mw[-1] == 0
    assert result.exact is None
    assert restore_summary(result)["exact"] is False
    assert result.trapezoid_percent().lambda_ == pytest.approx(100)


def test_everything_lost_is_an_event_for_restore_alone() -> None:
    case = {"event": {"external_grids": [0], "generators": [2]}}
    with pytest.raises(InputError, match="removes every source"):
        load_case(case, net=reallocating_net())
    result = run_restore(load_case(case, net=reallocating_net(), repairs=True))
    assert result.unserved_mw[0] == pytest.approx(20)
    assert result.unserved_mw[-1] == 0


def test_equal_orders_are_told_apart_by_ends_then_by_the_event() -> None:
    case = {"event": {"loads": [1, 2]}, "restore": {"repair_h": {"load 1": 2.0, "load 2": 1.0}}}
    valuer = Valuer(repair_problem(load_case(case, net=reallocating_net(), repairs=True)))
    first, second = valuer.value((0, 1)), valuer.value((1, 0))
    assert first.fitness == (0, 10 * 2 + 10 * 3, 3, 5, 0)
    assert second.fitness == (0, 10 * 1 + 10 * 3, 3, 4, 1)
    assert best_of_all(valuer, "subsets", QUIET).best == second


def test_same_seed_same_answer() -> None:
    case = {"extends": "ieee9", "restore": {"crews": 2}}
    one, two = (restore_summary(run_restore(case, seed=4)) for _ in range(2))
    for found in (one, two):
        del found["wall_s"], found["search"]["wall_s"]
    assert one == two


def test_list_scheduling_by_hand() -> None:
    """Two crews; from the depot 1 h to job 0, 2 h to job 1, 0.5 h to job 2, 3 h between jobs."""
    travel = np.full((4, 4), 3.0)
    travel[0] = [0.0, 1.0, 2.0, 0.5]
    np.fill_diagonal(travel, 0.0)
    visits = schedule((1, 0, 2), (4.0, 5.0, 6.0), travel, 2, start_h=1.0)
    assert visits == [
        Visit(1, 0, 1.0, 3.0, 8.0),
        Visit(0, 1, 1.0, 2.0, 6.0),
        Visit(2, 1, 6.0, 9.0, 15.0),
    ]
    assert repaired_sets(visits) == [(0.0, 0), (6.0, 0b001), (8.0, 0b011), (15.0, 0b111)]


def test_repairs_that_end_together_are_one_step() -> None:
    visits = [Visit(0, 0, 0.0, 0.0, 0.3), Visit(1, 1, 0.0, 0.0, 0.1 + 0.2)]
    assert repaired_sets(visits) == [(0.0, 0), (0.3, 0b11)]


def test_times_are_cut_at_full_hours() -> None:
    assert list(hours_between(0.5, 2.25)) == [(0.5, 1.0), (1.0, 2.0), (2.0, 2.25)]
    almost = 0.1 + 0.2 + 0.7 - 1e-12
    assert [start for start, _ in hours_between(almost, 2.0)] == [1.0]


def test_ranks_are_those_of_a_dictionary() -> None:
    assert [rank(order) for order in permutations(range(4))] == list(range(24))


def test_metrics_of_a_trapezoid_in_closed_form() -> None:
    """100 -> 40 over 2 h, 40 for 3 h, 70 for 2 h, then whole: the area by hand."""
    found = trapezoid(
        np.array([0.0, 3.0, 5.0]),
        np.array([3.0, 5.0, 6.0]),
        np.array([60.0, 30.0, 0.0]),
        event_h=2.0,
        onset_h=3.0,
        end_h=5.0,
    )
    assert (found.phi, found.lambda_, found.e_h, found.pi) == (30.0, 60.0, 3.0, 30.0)
    assert found.area == 60 * 2 / 2 + 60 * 3 + 30 * 2
    assert found.area_of_trapezoid == 60 + 180 + 60


@pytest.mark.parametrize(
    ("lost", "onset", "pi"),
    [([0.0, 0.0], None, None), ([50.0, 0.0], 1.0, None), ([50.0, 50.0], None, 0.0)],
)
def test_metrics_at_their_edges(lost, onset, pi) -> None:
    found = trapezoid(
        np.array([0.0, 1.0]),
        np.array([1.0, 2.0]),
        np.array(lost),
        event_h=1.0,
        onset_h=onset,
        end_h=1.0 if lost[1] == 0 else 2.0,
        left=lost[1],
    )
    assert found.pi == pi
    assert found.lambda_ == lost[0]


def test_interruptions_in_closed_form() -> None:
    """Bus 0: half of 100 customers for 2 h, supplied for 1 h, out again; bus 1: never out."""
    found = interruptions(
        np.array([2.0, 1.0, 4.0]),
        np.array([[0.5, 0.0], [0.0, 0.0], [1.0, 0.0]]),
        np.array([100.0, 300.0]),
    )
    assert found.saifi == pytest.approx((50 + 100) / 400)
    assert found.saidi_h == pytest.approx((50 * 2 + 100 * 4) / 400)
    assert found.caidi_h == pytest.approx(500 / 150)
    assert interruptions(np.ones(1), np.ones((1, 1)), np.zeros(1)) is None


def test_elements_are_found_as_the_event_names_them() -> None:
    problem = repair_problem(
        load_case({"extends": "ieee9", "event": {"lines": [[6, 5]], "buses": [5, 6]}}, repairs=True)
    )
    jobs = list(problem.jobs)
    assert find_job(jobs, "line 5-6") == find_job(jobs, " 6-5 ") == 0
    names = [job.name for job in jobs]
    assert names[:1] == ["line 6-5"]
    assert find_job(jobs, "bus 5") == names.index("bus 5")
    assert "no damaged element" in find_job(jobs, "line 1-4")


def test_a_search_that_may_solve_no_more_keeps_the_best_so_far(monkeypatch) -> None:
    monkeypatch.setattr("hybridopt.repair_search.MOST_DELIVERIES", 12)
    problem = repair_problem(load_case({"extends": "ieee9", "restore": {"crews": 2}}))
    runs = [breed(Valuer(problem), problem.scenario.case.genetic, 0, QUIET) for _ in range(2)]
    assert runs[0].stopped_because == "evaluation limit of 12 deliveries"
    assert 0 < runs[0].distinct < 24
    valuer = Valuer(problem)
    best_of_all(valuer, "orders", QUIET)  # what the proof solves is not the search's
    assert breed(valuer, problem.scenario.case.genetic, 0, QUIET).distinct == 24
    assert runs[0].best == runs[1].best


def test_greedy_order_takes_what_brings_most_per_hour() -> None:
    """Bus 2's generator alone brings 10 MW of weight 10 in 2 h; the line alone as much in 1 h."""
    case = load_case(reallocating_case(), net=reallocating_net(), repairs=True)
    assert greedy_order(Valuer(repair_problem(case))) == [0, 1]
    slow = reallocating_case()
    slow["restore"]["repair_h"]["line 1-2"] = 9.0
    case = load_case(slow, net=reallocating_net(), repairs=True)
    assert greedy_order(Valuer(repair_problem(case))) == [1, 0]


def test_what_is_connected_but_cannot_run_at_night_is_not_served():
    """Two islands by night: the unit at bus 2 gives 5 MW at least, its load takes 3 MW then."""
    net = pp.create_empty_network(sn_mva=10.0)
    for _ in range(3):
        pp.create_bus(net, 20.0, min_vm_pu=0.9, max_vm_pu=1.1)
    pp.create_ext_grid(net, 0, min_p_mw=0, max_p_mw=30, min_q_mvar=-10, max_q_mvar=10)
    pp.create_gen(net, 2, 6.0, min_p_mw=5, max_p_mw=12, min_q_mvar=-6, max_q_mvar=6)
    pp.create_load(net, 1, 5.0, 0.5)
    pp.create_load(net, 2, 10.0, 1.0)
    for start, end in ((0, 1), (1, 2)):
        pp.create_line_from_parameters(net, start, end, 1.0, 0.2, 0.35, 10.0, 0.4)
    for never_drop in (False, True):
        case = {
            "event": {"lines": ["0-1", "1-2"]},
            "load": {"curve": [0.3] * 12 + [1.0] * 12},
            "restore": {"crews": 1, "start_hour": 1, "never_drop": never_drop},
            "genetic": {"population": 6, "generations": 2},
        }
        result = run_restore(load_case(case, net=net, repairs=True))
        dispatched = sum(
            day.unserved_mw[k] * (step.to_h - step.from_h)
            for steps, day in result.parts
            for k, step in enumerate(steps)
        )
        assert result.ens_mwh == pytest.approx(45.0)
        assert dispatched == pytest.approx(45.0)
        assert (result.best.fitness[0] > 0) == never_drop


def test_a_load_that_rises_after_the_last_repair_interrupts_nobody():
    """Even whole, the network cannot serve the load that it has from the sixth hour on."""
    net = pp.create_empty_network(sn_mva=10.0)
    for _ in range(3):
        pp.create_bus(net, 20.0, min_vm_pu=0.9, max_vm_pu=1.1)
    pp.create_ext_grid(net, 0, min_p_mw=0, max_p_mw=12, min_q_mvar=-10, max_q_mvar=10)
    pp.create_load(net, 1, 10.0, 0.5)
    pp.create_load(net, 2, 10.0, 0.5)
    for start, end in ((0, 1), (1, 2)):
        pp.create_line_from_parameters(net, start, end, 1.0, 0.2, 0.35, 10.0, 0.4)
    for repair_h in (5.9, 6.0):
        case = {
            "event": {"lines": ["1-2"]},
            "load": {"curve": [0.5] * 6 + [1.0] * 18},
            "priorities": {"2": 5.0},
            "restore": {"crews": 1, "start_hour": 1, "repair_h": {"line 1-2": repair_h}},
            "genetic": {"population": 6, "generations": 2},
        }
        result = run_restore(load_case(case, net=net, repairs=True))
        assert (result.unserved_mw[-1] > 1.0) == (repair_h == 6.0)
        found = result.interruptions(np.array([0.0, 1.0, 1.0]))
        assert (found.saifi, found.saidi_h) == pytest.approx((0.5, repair_h / 2))


@pytest.mark.parametrize("short", [{0}, {0, 1}])
def test_a_step_that_drops_and_falls_short_counts_once(short, monkeypatch):
    """Something is dropped with the first repair; in the steps named less is served."""
    case = load_case(reallocating_case(never_drop=True), net=reallocating_net(), repairs=True)
    valuer = Valuer(repair_problem(case))
    nodes = [node for node, _, _ in valuer.nodes(valuer.visits((0, 1)))]
    service = valuer.service
    monkeypatch.setattr(service, "drops", lambda node: int(nodes.index(node) > 0))
    monkeypatch.setattr(service, "falls_short", lambda node, _: nodes.index(node) in short)
    assert valuer.value((0, 1)).fitness[0] == 2
