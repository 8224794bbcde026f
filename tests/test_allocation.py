"""Allocation of profiles: power flows against pandapower, optima against brute force."""

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandapower.networks
import pandas as pd
import pytest

from hybridopt.allocate import AllocateOptions, allocate, problem_of
from hybridopt.allocation_dispatch import Battery
from hybridopt.allocation_goal import NAMES, Goal, in_units, read_goal
from hybridopt.allocation_profiles import Profiles, read_profiles
from hybridopt.allocation_search import OrderOperators, default_options, search_orders
from hybridopt.errors import InputError
from hybridopt.network_allocation import allocation_network, ask_pandapower, net_at, without_branch
from hybridopt.network_lv18 import lv18_net
from hybridopt.progress import NoProgress
from hybridopt.solvers import injections
from hybridopt.solvers.permutations import order_crossover, swap_mutation
from tests.command_line import hybridopt

CASES = Path(__file__).parents[1] / "cases" / "lv18"


def profiles(values: Any, name: str = "given") -> Profiles:
    values = np.atleast_2d(np.asarray(values, dtype=float))
    return Profiles(Path(f"{name}.csv"), tuple(map(str, range(len(values)))), values)


def built_in() -> tuple[Profiles, Profiles]:
    return read_profiles(CASES / "load.csv", "load"), read_profiles(
        CASES / "generation.csv", "generation"
    )


def meshed_net() -> Any:
    """Medium voltage with a ring, two sources, a shunt, loads of all kinds and a closed switch."""
    net = pp.create_empty_network(sn_mva=2.0)
    for _ in range(8):
        pp.create_bus(net, 20.0)
    pp.create_bus(net, 110.0)
    pp.create_ext_grid(net, 8, vm_pu=1.01, va_degree=10.0)
    pp.create_ext_grid(net, 7, vm_pu=1.0, va_degree=-139.0)
    pp.create_transformer(net, 8, 0, "25 MVA 110/20 kV")
    kind = "NA2XS2Y 1x95 RM/25 12/20 kV"
    for f, t in ((0, 1), (1, 2), (2, 3), (3, 0), (3, 4), (6, 7), (4, 6)):
        pp.create_line(net, f, t, 1.5, kind, parallel=1 + (f == 0), df=0.9 if f == 3 else 1.0)
    pp.create_switch(net, 4, 5, et="b", closed=True)
    pp.create_shunt(net, 2, q_mvar=-0.3, p_mw=0.01)
    pp.create_load(net, 1, 1.0, 0.2, const_z_p_percent=30, const_i_p_percent=20)
    pp.create_load(net, 2, 1.0, 0.3, const_z_q_percent=40, const_z_p_percent=10)
    pp.create_load(net, 3, 1.0, 0.1)
    pp.create_load(net, 5, 0.7, 0.2, const_i_p_percent=100, const_i_q_percent=50)
    pp.create_load(net, 8, 0.4, 0.0)
    pp.create_sgen(net, 6, 0.5, 0.1)
    net.line["max_loading_percent"] = 80.0
    return net


def test_power_flow_is_pandapowers_on_lv18() -> None:
    load, generation = built_in()
    network = allocation_network(lv18_net(), "lv18")
    problem = problem_of(network, load, generation)
    rng = np.random.default_rng(2)
    for _ in range(3):
        loads, units = rng.permutation(17), rng.permutation(17)
        ours = in_units(problem.measures([[*loads, *units]])[0], network.base_mva)
        said = ask_pandapower(network, load.p_mw[loads], generation.p_mw[units])
        assert said.failed == 0
        theirs = (
            said.line_loading.sum(),
            said.loss_mw.sum(),
            np.maximum(said.grid_mw, 0).sum(),
            said.deviation.sum(),
        )
        assert ours == pytest.approx(theirs, rel=1e-6)


def test_power_flow_is_pandapowers_on_a_meshed_net_with_all_kinds_of_load() -> None:
    rng = np.random.default_rng(4)
    load = profiles(rng.uniform(0.1, 2.0, (4, 5)))
    generation = profiles(rng.uniform(0.0, 3.0, (4, 5)))
    network = allocation_network(
        meshed_net(), "mesh", points=(1, 2, 3, 5), n_t=5, power_factors=(0.95, 0.9)
    )
    result = allocate(
        meshed_net(),
        load,
        generation,
        AllocateOptions(method="genetic"),
        points=(1, 2, 3, 5),
        power_factors=(0.95, 0.9),
    )
    assert result.verification["hours_failed"] == 0
    said = result.verification
    assert result.after.objectives["losses"] == pytest.approx(said["losses"], abs=0.06)
    for name in set(NAMES) - {"losses"}:
        assert result.after.objectives[name] == pytest.approx(said[name], rel=1e-5)
    at = [load.p_mw[k] for k in result.order("load")]  # type: ignore[index]
    units = [generation.p_mw[k] for k in result.order("generation")]  # type: ignore[index]
    for t in range(5):
        net = net_at(network, np.array(at)[:, t], np.array(units)[:, t], apart=True)
        pp.runpp(net, calculate_voltage_angles=True, tolerance_mva=1e-8, trafo_model="t")
        vm = net.res_bus.vm_pu.loc[network.bus_index].to_numpy()
        assert result.after.vm_pu[t] == pytest.approx(vm, abs=1e-7)
        lines = net.res_line.loading_percent.to_numpy()[:7]
        assert result.after.loading_percent[t, result.is_line] == pytest.approx(lines, abs=1e-4)
        trafo = net.res_trafo.loading_percent.to_numpy()
        assert result.after.loading_percent[t, ~result.is_line] == pytest.approx(trafo, abs=1e-4)
        assert result.after.grid_mw[t] == pytest.approx(net.res_ext_grid.p_mw.sum(), abs=1e-5)
        loss = net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum()
        shunts = net.res_shunt.p_mw.sum()
        assert result.after.loss_mw[t] == pytest.approx(loss + shunts, abs=1e-5)


def small_net(n: int = 4) -> Any:
    net = pp.create_empty_network()
    for k in range(n + 1):
        pp.create_bus(net, 0.4, geodata=(k, 0))
    pp.create_ext_grid(net, 0, vm_pu=1.0)
    for k in range(n):
        pp.create_line(net, k, k + 1, 0.1, "NAYY 4x50 SE")
        pp.create_load(net, k + 1, 0.001)
    return net


@pytest.mark.parametrize("goal", ["line_loading", "losses", "voltage_deviation", "grid_energy"])
def test_search_finds_the_best_of_all_allocations(goal: str) -> None:
    rng = np.random.default_rng(7)
    load, generation = (profiles(rng.uniform(0, 0.02, (4, 3))) for _ in range(2))
    options = AllocateOptions(goal=read_goal(goal))
    net = small_net()
    result = allocate(net, load, generation, options, vm_limits=(0.7, 1.3))
    network = allocation_network(net, n_t=3, vm_limits=(0.7, 1.3))
    best = np.inf
    for loads in itertools.permutations(range(4)):
        for units in itertools.permutations(range(4)):
            measures = problem_of(network, load, generation).measures([[*loads, *units]])
            best = min(best, in_units(measures[0], network.base_mva)[NAMES.index(goal)])
    assert result.value == pytest.approx(best, rel=1e-7)
    assert result.value <= result.value_before


def test_limits_come_before_the_objective() -> None:
    """The order of least line loading breaks a tight voltage limit; the best within it is found."""
    every = [
        [*a, *b] for a in itertools.permutations(range(4)) for b in itertools.permutations(range(4))
    ]
    looked_at = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        load = profiles(rng.uniform(0.0, 0.02, (4, 2)))
        generation = profiles(rng.uniform(0.0, 0.02, (4, 2)))
        network = allocation_network(small_net(), n_t=2, vm_limits=(0.5, 1.5))
        measures = problem_of(network, load, generation).measures(every)
        free = int(measures[:, injections.LOADING].argmin())
        low, best = measures[free, injections.MIN_VM], measures[:, injections.MIN_VM].max()
        if best < low + 1e-4:
            continue
        looked_at += 1
        tight = (low + best) / 2
        found = allocate(small_net(), load, generation, vm_limits=(tight, 1.5))
        inside = measures[:, injections.MIN_VM] >= tight
        assert found.limit == ""
        assert found.after.vm_pu.min() >= tight
        value = measures[inside, injections.LOADING].min() * 100
        assert found.value == pytest.approx(value, rel=1e-7)
        assert found.value > measures[free, injections.LOADING] * 100
    assert looked_at > 0


def test_same_seed_same_answer_and_no_exchange_is_better() -> None:
    load, generation = built_in()
    network = allocation_network(lv18_net(), "lv18")
    problem = problem_of(network, load, generation)
    weights = Goal().kernel_weights(network.base_mva)
    options = default_options("memetic", {"population": 4, "generations": 2})
    one, two = (
        search_orders(problem, weights, 5, "line_loading", NoProgress(), options=options)
        for _ in range(2)
    )
    assert one.fitness == two.fitness
    assert one.load_order.tolist() == two.load_order.tolist()
    orders = [*one.load_order, *one.generation_order]
    rows = []
    for half in (0, 17):
        for j, k in itertools.combinations(range(17), 2):
            row = list(orders)
            row[half + j], row[half + k] = row[half + k], row[half + j]
            rows.append(row)
    others = problem.measures(rows)
    worst = others[others[:, injections.VIOLATION] == 0.0, injections.LOADING].min() * 100
    assert one.fitness[1] <= worst * (1 + 1e-6)


def test_estimates_of_exchanges_are_close() -> None:
    """What descent does not solve in full is ruled out by an estimate: it must be nearly right."""
    load, generation = built_in()
    network = allocation_network(lv18_net(), "lv18")
    problem = problem_of(network, load, generation)
    weights = Goal().kernel_weights(network.base_mva)
    start = tuple([*range(17)] * 2)
    better, found, improved, solved, estimated = problem.improved(
        start, weights, problem.exchanges()
    )
    assert improved
    assert estimated == 17 * 16 // 2 * 3
    assert solved < estimated / 4
    again = problem.measures([better])[0]
    assert again[injections.LOADING] == pytest.approx(found[injections.LOADING], rel=1e-7)


def test_only_what_may_move_moves() -> None:
    load, generation = built_in()
    options = AllocateOptions(move="load", changes={"population": 4, "generations": 1})
    result = allocate(lv18_net(), load, generation, options, name="lv18")
    assert result.order("generation") == list(range(17))
    assert sorted(result.order("load")) == list(range(17))  # type: ignore[type-var]
    assert result.value < result.value_before


def test_fewer_profiles_than_points_leave_points_empty() -> None:
    load, generation = profiles([[0.01, 0.02], [0.005, 0.0]]), profiles([[0.01, 0.01]])
    result = allocate(small_net(), load, generation)
    assert len(result.points) == 4
    assert sorted(str(k) for k in result.order("load")) == ["0", "1", "None", "None"]
    assert result.order("generation").count(None) == 3
    assert result.order("generation").index(0) == result.order("load").index(0)


def test_order_crossover_keeps_a_permutation_and_a_stretch_of_the_father() -> None:
    import random

    rng = random.Random(1)
    kept = []
    for _ in range(50):
        mother, father = rng.sample(range(9), 9), rng.sample(range(9), 9)
        child = order_crossover(mother, father, rng)
        assert sorted(child) == list(range(9))
        kept.append(sum(a == b for a, b in zip(child, father, strict=True)))
    assert np.mean(kept) > 3
    swapped = swap_mutation(range(9), 1, rng)
    assert sum(a != b for a, b in zip(swapped, range(9), strict=True)) == 2


@pytest.mark.parametrize("selection", ["tournament", "best", "roulette", "proportional"])
def test_the_plain_genetic_algorithm_improves(selection: str) -> None:
    load, generation = built_in()
    changes = {"selection": selection, "population": 30, "generations": 30}
    options = AllocateOptions(method="genetic", changes=changes)
    result = allocate(lv18_net(), load, generation, options, name="lv18", seed=1)
    assert result.value < 0.97 * result.value_before
    assert len(result.log) == 31


def test_front_is_not_dominated_and_its_ends_are_optima() -> None:
    rng = np.random.default_rng(11)
    load, generation = (profiles(rng.uniform(0, 0.02, (4, 3))) for _ in range(2))
    net, limits = small_net(), (0.7, 1.3)
    options = AllocateOptions(pareto=("line_loading", "losses"))
    result = allocate(net, load, generation, options, vm_limits=limits)
    network = allocation_network(net, n_t=3, vm_limits=limits)
    every = [
        [*a, *b] for a in itertools.permutations(range(4)) for b in itertools.permutations(range(4))
    ]
    measures = problem_of(network, load, generation).measures(every)
    points = in_units(measures, network.base_mva)[:, :2]
    best = {
        tuple(np.round(p, 9))
        for p in points
        if not any((q <= p).all() and (q < p - 1e-9 * abs(p)).any() for q in points)
    }
    found = {tuple(np.round([row["line_loading"], row["losses"]], 9)) for row in result.front}
    assert len(best) > 1
    assert len(found) == len(best)
    for point in found:
        assert any(point == pytest.approx(other, rel=1e-6) for other in best)


def test_outages_are_what_pandapower_says() -> None:
    load, generation = built_in()
    options = AllocateOptions(n_minus_1=True, changes={"population": 2, "generations": 1})
    result = allocate(lv18_net(), load, generation, options, name="lv18")
    rows = {row["branch"]: row for row in result.outages}
    assert len(rows) == 17
    cut = rows["12-13"]
    assert cut["dark_points"] == 6
    order = result.order("load")
    dark = [order[result.points.index(bus)] for bus in range(13, 19)]
    assert cut["unserved_mwh"] == pytest.approx(load.p_mw[dark].sum())
    loading, low = 0.0, 9.9
    at = {kind: np.array([getattr(result, kind).p_mw[k] for k in result.order(kind)])
          for kind in ("load", "generation")}  # fmt: skip
    for t in range(24):
        net = net_at(result.network, at["load"][:, t], at["generation"][:, t])
        net.line.loc[net.line.name == "12-13", "in_service"] = False
        pp.runpp(net)
        loading = max(loading, net.res_line.loading_percent.max())
        loading = max(loading, net.res_trafo.loading_percent.max())
        low = min(low, net.res_bus.vm_pu.min())
    assert cut["max_loading_percent"] == pytest.approx(loading, rel=1e-5)
    assert cut["min_vm_pu"] == pytest.approx(low, abs=1e-7)
    assert rows["1-2"]["dark_points"] == 17
    assert rows["1-2"]["min_vm_pu"] is None
    assert without_branch(result.network, 16)[0] is None


def test_batteries_and_inverters_help_and_keep_their_limits() -> None:
    load, generation = built_in()
    battery = Battery(18, 0.004, 0.01, 0.9)
    options = AllocateOptions(
        changes={"population": 2, "generations": 1}, batteries=(battery,), inverter_mva=1.2
    )
    result = allocate(lv18_net(), load, generation, options, name="lv18")
    more = result.refinement
    assert more is not None
    assert more["status"] == "optimal"
    assert more["before"]["line_loading"] == pytest.approx(result.value, rel=1e-6)
    assert more["after"]["line_loading"] < 0.99 * more["before"]["line_loading"]
    table = pd.DataFrame(more["dispatch"])
    own = table[table.device == "battery 1"]
    assert abs(own.p_mw).max() <= 0.004 + 1e-9
    assert own.energy_mwh.between(-1e-9, 0.01 + 1e-9).all()
    content = 0.005
    for p, energy in zip(own.p_mw, own.energy_mwh, strict=True):
        content += -p * 0.9 if p < 0 else -p / 0.9
        assert energy == pytest.approx(content, abs=2e-6)
    assert content >= 0.005 - 2e-6
    assert set(table[table.device == "inverter"].bus) == set(range(2, 19))
    for bus, rows in table[table.device == "inverter"].groupby("bus"):
        k = result.order("generation")[result.points.index(bus)]  # type: ignore[call-overload]
        p = generation.p_mw[k]  # type: ignore[index]
        room = np.sqrt((1.2 * p.max()) ** 2 - p**2)
        assert (abs(rows.q_mvar.to_numpy()) <= room + 1e-9).all()


def test_batteries_alone_lower_the_energy_drawn() -> None:
    """With sun to spare at noon a battery saves what the grid would give in the evening."""
    load, generation = profiles([[0.0, 0.01]]), profiles([[0.02, 0.0]])
    net = small_net(1)
    options = AllocateOptions(
        goal=read_goal("grid_energy"), batteries=(Battery(1, 0.01, 0.005, 1.0, 0.0),)
    )
    result = allocate(net, load, generation, options)
    assert result.refinement is not None
    saved = result.refinement["before"]["grid_energy"] - result.refinement["after"]["grid_energy"]
    assert saved == pytest.approx(0.005, rel=0.02)


def test_the_net_is_left_alone() -> None:
    net = lv18_net()
    before = copy.deepcopy(net)
    load, generation = built_in()
    allocate(net, load, generation, AllocateOptions(changes={"population": 2, "generations": 1}))
    for table in ("bus", "load", "sgen", "line"):
        pd.testing.assert_frame_equal(net[table], before[table])


@pytest.mark.parametrize(
    ("breaks", "message"),
    [
        (lambda net: pp.create_gen(net, 3, 0.001), "holds a voltage"),
        (lambda net: net.ext_grid.__setitem__("in_service", False), "no source"),
        (lambda net: net.load.__setitem__("in_service", False), "points must be named"),
    ],
)
def test_networks_that_cannot_be_used_are_refused(breaks: Any, message: str) -> None:
    net = lv18_net()
    breaks(net)
    with pytest.raises(InputError, match=message):
        allocation_network(net, "net")


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ((99,), "no bus has this index"),
        ((3, 4, 3), "more than once"),
        ((1, 3), "is the bus of a source"),
        ((), "one point or more"),
    ],
)
def test_points_that_cannot_be_are_refused(points: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        allocation_network(lv18_net(), "lv18", points)


def write(path: Path, header: str, *rows: str) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("header", "rows", "place", "message"),
    [
        ("hour,0,1", ["1,0.1,nan"], ":2 1", "must be a number, found 'nan'"),
        ("hour,0,1", ["1,0.1,"], ":2 1", "must be a number, found nothing"),
        ("hour,0,0", ["1,0.1,0.2"], ":1", "stands here more than once"),
        (",0,1", ["1,0.1,-0.2"], ":2 1", "must be at least 0 MW"),
        (",0,1", ["1,0.1"], ":2", "must have 3 cells"),
        ("hour,0,1", ["1,0.1,0.2", "1,0.1,0.2"], ":3 hour", "a second time, first in line 2"),
        ("hour", ["1"], ":1", "has no profiles"),
        ("hour,0,1", [], "", "has no rows"),
    ],
)
def test_bad_profiles_are_findings(
    tmp_path: Path, header: str, rows: list[str], place: str, message: str
) -> None:
    path = write(tmp_path / "load.csv", header, *rows)
    with pytest.raises(InputError) as error:
        read_profiles(path, "load")
    assert any(f.place == f"{path}{place}" and message in f.message for f in error.value.findings)


@pytest.mark.parametrize("head", ["", "hour", "Time", "when"])
def test_a_column_of_hours_comes_first(tmp_path: Path, head: str) -> None:
    path = write(tmp_path / "load.csv", f"{head},0,1", "00:00,0.1,0.2", "01:00,0.3,0.4")
    assert read_profiles(path, "load").p_mw.tolist() == [[0.1, 0.3], [0.2, 0.4]]


def test_a_column_of_hours_may_be_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "load.csv", "a,b", "0.1,0.2", "0.3,0.4")
    found = read_profiles(path, "load")
    assert found.names == ("a", "b")
    assert found.p_mw.tolist() == [[0.1, 0.3], [0.2, 0.4]]


def test_command_writes_a_folder_and_prints_json(tmp_path: Path) -> None:
    small = ("--population", "4", "--generations", "2", "--quiet")
    out = tmp_path / "out"
    done = hybridopt("allocate", "lv18", *small, "--out", str(out), "--n-1", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["objective"] < found["objective_before"]
    assert sorted(found["generation_order"]) == sorted(found["load_order"]) == list(range(17))
    assert found["verification"]["max_difference"] < 1e-4
    names = {path.name for path in out.iterdir()}
    assert {"summary.json", "plan.json", "buses.csv", "branches.csv", "hours.csv"} <= names
    assert {"network.json", "report.html", "n_minus_1.csv", "network_after.svg"} <= names
    hours = pd.read_csv(out / "hours.csv")
    total = hours.max_line_loading_percent.sum()
    assert total == pytest.approx(found["objective"], rel=1e-9)
    net = pp.from_json(str(out / "network.json"))
    pp.runpp(net)
    assert net.res_line.loading_percent.max() == pytest.approx(
        hours.max_line_loading_percent.max(), rel=1e-5
    )
    page, after = (out / "report.html").read_text(), (out / "network_after.svg").read_text()
    (out / "report.html").unlink()
    (out / "network_after.svg").unlink()
    assert hybridopt("report", str(out)).code == 0
    assert (out / "report.html").read_text() == page
    assert (out / "network_after.svg").read_text() == after
    again = hybridopt("allocate", "lv18", *small, "--out", str(out))
    assert again.code == 2
    assert "exists already" in again.err
    # What was written is input again: nothing is left to gain.
    own = hybridopt(
        "allocate", "lv18", *small, "--json",
        "--load", str(out / "load.csv"), "--generation", str(out / "generation.csv"),
    )  # fmt: skip
    assert json.loads(own.out)["objective_before"] == pytest.approx(found["objective"], rel=1e-6)


def test_command_lists_every_finding(tmp_path: Path) -> None:
    load = write(tmp_path / "load.csv", "hour,0,1", "1,x,-0.2")
    out = tmp_path / "out"
    done = hybridopt(
        "allocate", "lv18", "--load", str(load), "--objective", "beauty", "--method", "magic",
        "--pareto", "losses", "--load-pf", "1.5", "--batteries", "9:1", "--out", str(out),
    )  # fmt: skip
    assert done.code == 2
    assert "Traceback" not in done.err
    assert "--load-pf" in done.err
    assert not out.exists()
    done = hybridopt(
        "allocate", "lv18", "--load", str(load), "--objective", "beauty", "--pareto", "losses",
        "--batteries", "9:1",
    )  # fmt: skip
    assert done.code == 2
    words = ("must be a number", "at least 0 MW", "beauty", "two or more different", "bus:MW:MWh")
    for word in words:
        assert word in done.err


def test_command_needs_both_tables_for_a_network() -> None:
    done = hybridopt("allocate", "create_kerber_landnetz_freileitung_1", "--json")
    assert done.code == 2
    assert "--generation" in done.err
    assert "--load" in done.err


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["1" + ",0.001" * 18], "18 profiles, but lv18 has 17 points"),
        (["1" + ",0.001" * 17], "has 24 hours, but"),
    ],
)
def test_tables_that_do_not_fit_are_findings(tmp_path: Path, rows: list[str], message: str) -> None:
    header = "hour," + ",".join(map(str, range(rows[0].count(","))))
    load = write(tmp_path / "load.csv", header, *rows)
    done = hybridopt("allocate", "lv18", "--load", str(load), "--json")
    assert done.code == 2
    assert message in done.err


def test_kw_given_as_mw_is_warned_of(tmp_path: Path) -> None:
    table = pd.read_csv(CASES / "load.csv", index_col=0) * 1e3
    table.to_csv(tmp_path / "load.csv")
    done = hybridopt("allocate", "lv18", "--load", str(tmp_path / "load.csv"), "--json")
    assert "are these kW?" in done.err.replace("\n", " ")
    assert done.code == 3
    assert "no power flow" in done.err


def test_report_again_of_idle_points_front_and_batteries(tmp_path: Path) -> None:
    load = write(tmp_path / "load.csv", "hour,a,b", "1,0.4,0.2", "2,0.1,0.3")
    generation = write(tmp_path / "generation.csv", "hour,sun", "1,0.2", "2,0.0")
    net, out = tmp_path / "net.json", tmp_path / "out"
    pp.to_json(meshed_net(), str(net))
    done = hybridopt(
        "allocate", net, "--load", load, "--generation", generation, "--out", out,
        "--points", "1,2,3,5", "--pareto", "line_loading,losses", "--batteries", "2:0.1:0.2",
        "--n-1", "--quiet",
    )  # fmt: skip
    assert done.code == 0, done.err
    page = (out / "report.html").read_text()
    assert hybridopt("report", str(out)).code == 0
    assert (out / "report.html").read_text() == page
    (out / "hours.csv").unlink()
    lacking = hybridopt("report", str(out))
    assert lacking.code == 2
    assert "hours.csv: is missing" in lacking.err
    assert (out / "report.html").read_text() == page


def test_own_network_and_case_file(tmp_path: Path) -> None:
    net = pandapower.networks.create_kerber_landnetz_freileitung_1()
    pp.to_json(net, str(tmp_path / "own.json"))
    rng = np.random.default_rng(0)
    for name, most in (("load", 0.004), ("generation", 0.006)):
        values = rng.uniform(0, most, (4, 13))
        pd.DataFrame(values).to_csv(tmp_path / f"{name}.csv")
    (tmp_path / "mine.toml").write_text(
        'network = "own.json"\n[allocation]\ngeneration = "generation.csv"\nload = "load.csv"\n'
        'objective = "losses"\n[[allocation.batteries]]\nbus = 3\npower_mw = 0.002\n'
        "energy_mwh = 0.004\n"
    )
    small = ("--population", "4", "--generations", "2", "--quiet", "--json")
    one = hybridopt(
        "allocate", str(tmp_path / "own.json"), *small, "--objective", "losses",
        "--load", str(tmp_path / "load.csv"), "--generation", str(tmp_path / "generation.csv"),
    )  # fmt: skip
    two = hybridopt("allocate", str(tmp_path / "mine.toml"), *small)
    first = json.loads(one.out)
    assert one.code == 0, one.err
    assert first["objective"] < first["objective_before"]
    assert two.code == 0 or "stands at no point" in two.err
    if two.code == 0:
        second = json.loads(two.out)
        assert second["objective"] == first["objective"]
        assert second["refinement"]["status"] == "optimal"


def test_the_made_up_day_is_what_its_script_makes() -> None:
    from benchmarks.lv18_profiles import profiles as made

    for name, table in zip(("load", "generation"), made(), strict=True):
        shipped = pd.read_csv(CASES / f"{name}.csv", index_col=0)
        pd.testing.assert_frame_equal(table, shipped, check_exact=False, rtol=1e-9)


def test_breeding_moves_only_what_may() -> None:
    import random

    load, generation = built_in()
    network = allocation_network(lv18_net(), "lv18")
    ways = OrderOperators(problem_of(network, load, generation, "generation"))
    rng = random.Random(3)
    genome = ways.create(rng)
    for _ in range(20):
        genome = ways.cross(ways.mutate(genome, rng), ways.create(rng), rng)
        loads, units = ways.split(genome)
        assert loads == list(range(17))
        assert sorted(units) == list(range(17))


@pytest.mark.slow
def test_all_seeds_agree_on_the_built_in_day() -> None:
    load, generation = built_in()
    values = [
        allocate(lv18_net(), load, generation, name="lv18", seed=seed).value for seed in range(10)
    ]
    assert max(values) <= min(values) * 1.003
