"""Economic dispatch of units: closed forms, brute force, published systems, KKT, ramps."""

import csv
import itertools
import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hybridopt.cases import unit_files
from hybridopt.economic_dispatch import HORIZON, ONE_HOUR, dispatch_units
from hybridopt.errors import NoSolutionError
from hybridopt.schedule_search import Task
from hybridopt.smooth_dispatch import SmoothDispatch
from hybridopt.unit_cost import (
    Losses,
    Unit,
    linear_pieces,
    no_losses,
    piece_table,
    valve_pieces,
    without_zones,
)
from hybridopt.unit_files import read_demand, read_losses, read_units

DATA = Path(__file__).parent / "data" / "valve_point"
FILES = unit_files()
FEW = replace(ONE_HOUR, population=6, generations=4)
SHORT = replace(HORIZON, population=6, generations=6)


def quadratic(name, low, high, a, b, c, **more):
    return Unit(name, valve_pieces(low, high, (a, b, c), (0.0, 0.0)), **more)


def rows_of(name):
    with (DATA / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


REFERENCES = [
    (row["units"], float(row["demand_mw"]), float(row["cost_usd_per_h"]))
    for row in rows_of("reference.csv")
]
VALVE = [
    Unit("1", valve_pieces(100, 250, (50, 7.0, 0.003), (80, 0.06))),
    Unit("2", valve_pieces(50, 150, (40, 7.5, 0.004), (60, 0.09))),
    Unit("3", valve_pieces(20, 120, (30, 8.0, 0.005), (40, 0.11))),
]


# The exact cost


def test_valve_points_cost_what_the_formula_says():
    unit = Unit("1", valve_pieces(100, 600, (561, 7.92, 0.001562), (300, 0.0315)))
    p = np.linspace(100, 600, 501)
    formula = 561 + 7.92 * p + 0.001562 * p**2 + abs(300 * np.sin(0.0315 * (100 - p)))
    assert piece_table([unit]).cost(p[:, None])[:, 0] == pytest.approx(formula, abs=1e-9)
    assert len(unit.pieces) == math.ceil(500 * 0.0315 / math.pi)


def test_pieces_carry_the_sign_of_their_sine():
    for piece in VALVE[0].pieces:
        middle = (piece.low + piece.high) / 2
        assert piece.e * math.sin(piece.f * (piece.p_ref - middle)) > 0


def test_points_are_interpolated_and_zones_forbidden():
    points = [(10, 200.0), (40, 500.0), (70, 900.0), (100, 1000.0)]
    unit = Unit("1", without_zones(linear_pieces(points), [(60, 80), (20, 30)]))
    p = np.array([10, 20, 25, 30, 40, 60, 70, 79, 80, 100.0])
    expected = np.interp(p, *zip(*points, strict=True))
    expected[[2, 6, 7]] = np.inf
    assert piece_table([unit]).cost(p[:, None])[:, 0] == pytest.approx(expected)


@pytest.mark.parametrize(("name", "demand", "cost"), REFERENCES)
def test_a_reference_dispatch_costs_what_is_printed(name, demand, cost):
    p = [
        float(row["p_mw"])
        for row in rows_of("reference_dispatch.csv")
        if (row["units"], float(row["demand_mw"])) == (name, demand)
    ]
    units = read_units(FILES[name])
    assert sum(p) == pytest.approx(demand, abs=1e-4)
    assert piece_table(units).cost(np.array([p])).sum() == pytest.approx(cost, abs=1e-3)


def test_losses_and_cost_of_a_published_dispatch():
    """Gaing 2003: losses 12.9584 MW, cost 15450 USD/h."""
    units = read_units(FILES["unit6"])
    p = np.array([[447.4970, 173.3221, 263.4745, 139.0594, 165.4761, 87.1280]])
    assert read_losses(FILES["unit6_losses"], units).mw(p)[0] == pytest.approx(12.9584, abs=1e-4)
    assert piece_table(units).cost(p).sum() == pytest.approx(15450, abs=0.5)


# One hour


def test_two_quadratic_units_run_at_equal_incremental_cost():
    units = [quadratic("1", 0, 300, 10, 8, 0.01), quadratic("2", 0, 300, 20, 9, 0.02)]
    found = dispatch_units(units, 250.0, options=FEW)
    # 8 + 0.02 p = 9 + 0.04 (250 - p)
    assert found.p_mw[0, 0] == pytest.approx(11 / 0.06, abs=1e-5)
    assert found.status == "optimal"


def test_valve_points_against_a_grid():
    table = piece_table(VALVE)
    step = 0.25
    p1, p2 = np.meshgrid(np.arange(100, 250 + step, step), np.arange(50, 150 + step, step))
    for demand in (230.0, 317.0, 402.0, 495.0):
        p = np.column_stack([p1.ravel(), p2.ravel(), demand - p1.ravel() - p2.ravel()])
        within = (p[:, 2] >= 20) & (p[:, 2] <= 120)
        best = table.cost(p[within]).sum(axis=1).min()
        found = dispatch_units(VALVE, demand, options=FEW)
        # Costs are 20 per MW at the steepest, and no output is further than half a step away.
        assert best - 3 * 20 * step / 2 <= found.cost <= best + 1e-9
        assert found.max_mismatch_mw < 1e-7


def test_zones_and_losses_against_a_grid():
    b = np.array([[2e-4, 3e-5, 1e-5], [3e-5, 3e-4, 2e-5], [1e-5, 2e-5, 4e-4]])
    losses = Losses(b, np.array([1e-3, -2e-3, 0.0]), 0.4)
    zones = [[(140, 190)], [(70, 95), (110, 125)], [(40, 80)]]
    units = [Unit(u.name, without_zones(u.pieces, z)) for u, z in zip(VALVE, zones, strict=True)]
    demand, step = 330.0, 0.25
    table = piece_table(units)
    p1, p2 = (a.ravel() for a in np.mgrid[100 : 250 + step : step, 50 : 150 + step : step])
    p3 = np.full_like(p1, 60.0)
    for _ in range(50):  # a fixed point: losses change little with what is produced
        p3 = demand + losses.mw(np.column_stack([p1, p2, p3])) - p1 - p2
    best = table.cost(np.column_stack([p1, p2, p3])).sum(axis=1).min()
    found = dispatch_units(units, demand, losses, options=FEW)
    assert best - 3 * 20 * step / 2 <= found.cost <= best + 1e-9
    delivered = found.p_mw.sum() - losses.mw(found.p_mw)[0]
    assert delivered == pytest.approx(demand, abs=1e-6)


def test_non_convex_piecewise_cost_against_all_break_points():
    """A piecewise linear sum has its minimum where all units but one are at break points."""
    points = [
        [(0, 0.0), (20, 400.0), (50, 550.0), (80, 1300.0)],
        [(10, 150.0), (30, 600.0), (60, 700.0), (90, 1500.0)],
        [(5, 60.0), (25, 500.0), (70, 800.0)],
    ]
    units = [Unit(str(i), linear_pieces(p)) for i, p in enumerate(points)]
    table = piece_table(units)
    for demand in (60.0, 111.0, 173.0):
        best = math.inf
        for last in range(3):
            others = [i for i in range(3) if i != last]
            for ends in itertools.product(*([p for p, _ in points[i]] for i in others)):
                p = np.zeros((1, 3))
                p[0, others] = ends
                p[0, last] = demand - sum(ends)
                best = min(best, table.cost(p).sum())
        found = dispatch_units(units, demand, options=FEW)
        assert found.cost == pytest.approx(best, rel=1e-9)


def test_the_six_unit_system_with_zones_ramps_and_losses():
    """The best value in the literature is 15449.8995; Gaing 2003 prints 15450."""
    units = read_units(FILES["unit6"])
    losses = read_losses(FILES["unit6_losses"], units)
    found = dispatch_units(units, 1263.0, losses, options=FEW)
    assert found.cost == pytest.approx(15449.8995, abs=1e-3)
    assert found.loss_mw[0] == pytest.approx(12.958, abs=1e-3)


def test_the_six_unit_system_of_the_cec_2011_competition():
    """The same tables with other loss coefficients and initial output of unit 6.

    L. Stripinis's MATLAB port of the competition's problem gives the dispatch below as the optimum,
    at 15447.4428525634 USD/h; ours is cheaper.
    """
    units = list(read_units(FILES["unit6"]))
    units[5] = replace(units[5], p0_mw=150.0)
    b = np.array(
        [
            [1.7, 1.2, 0.7, -0.1, -0.5, -0.2],
            [1.2, 1.4, 0.9, 0.1, -0.6, -0.1],
            [0.7, 0.9, 3.1, 0.0, -1.0, -0.6],
            [-0.1, 0.1, 0.0, 0.24, -0.6, -0.8],
            [-0.5, -0.6, -0.1, -0.6, 12.9, -0.2],
            [0.2, -0.1, -0.6, -0.8, -0.2, 15.0],
        ]
    )
    b0 = np.array([-0.3908, -0.1297, 0.7047, 0.0591, 0.2161, -0.6635])
    losses = Losses((b + b.T) / 2 * 1e-5, b0 * 1e-5, 0.0056e-2)
    known = np.array(
        [[434.39056236283, 181.320668922663, 257.924552759678, 0, 165.856094826576, 0]]
    )
    known[0, [3, 5]] = 139.724598374641, 96.2876227536128
    assert piece_table(units).cost(known).sum() == pytest.approx(15447.4428525634, abs=1e-8)
    assert known.sum() - losses.mw(known)[0] == pytest.approx(1263, abs=1e-4)
    found = dispatch_units(units, 1263.0, losses, options=FEW)
    assert found.cost < 15447
    assert found.p_mw.sum() - losses.mw(found.p_mw)[0] == pytest.approx(1263, abs=1e-6)


@pytest.mark.parametrize(("name", "demand", "cost"), REFERENCES)
def test_published_systems_reach_their_proven_minimum(name, demand, cost):
    found = dispatch_units(read_units(FILES[name]), demand, seed=0)
    assert found.cost == pytest.approx(cost, rel=1e-5)
    assert found.cost >= cost - 2e-4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("name", "demand", "cost"), REFERENCES)
def test_every_seed_reaches_the_proven_minimum(name, demand, cost, seed):
    found = dispatch_units(read_units(FILES[name]), demand, seed=seed)
    assert found.cost == pytest.approx(cost, rel=1e-5)


# The smooth problem


def test_smooth_solution_satisfies_the_kkt_conditions():
    b = np.array([[2e-4, 3e-5], [3e-5, 3e-4]])
    losses = Losses(b, np.array([1e-3, -2e-3]), 0.4)
    units = [quadratic("1", 0, 300, 10, 8, 0.01), quadratic("2", 0, 300, 20, 9, 0.02)]
    smooth = SmoothDispatch(units, np.array([250.0]), losses)
    found = smooth.solve(np.zeros((1, 2), dtype=int), np.array([[150.0, 150.0]]))
    p = found.p_mw[0]
    incremental = np.array([8 + 0.02 * p[0], 9 + 0.04 * p[1]])
    delivered = 1 - 2 * b @ p - losses.b0
    assert incremental / delivered == pytest.approx(np.full(2, found.price[0]), abs=1e-6)
    assert p.sum() - losses.mw(found.p_mw)[0] == pytest.approx(250, abs=1e-7)


def test_six_units_with_losses_run_at_equal_cost_delivered():
    units = read_units(FILES["unit6"])
    losses = read_losses(FILES["unit6_losses"], units)
    smooth = SmoothDispatch(units, np.array([1263.0]), losses)
    start = np.array([[447.0, 173.0, 263.0, 139.0, 165.0, 87.0]])
    found = smooth.solve(smooth.table.piece_of(start), start)
    p = found.p_mw[0]
    b, c = (np.array([getattr(unit.pieces[0], name) for unit in units]) for name in "bc")
    delivered = 1 - 2 * losses.b @ p - losses.b0
    assert (b + 2 * c * p) / delivered == pytest.approx(np.full(6, found.price[0]), abs=1e-6)


def test_price_and_slopes_at_limits():
    units = [
        quadratic("cheap", 0, 50, 0, 5, 0.01),
        quadratic("dear", 10, 100, 0, 20, 0.01),
        quadratic("marginal", 0, 100, 0, 10, 0.01),
    ]
    smooth = SmoothDispatch(units, np.array([100.0]), no_losses(3))
    found = smooth.solve(np.zeros((1, 3), dtype=int), np.array([[50.0, 10.0, 40.0]]))
    assert found.p_mw[0] == pytest.approx([50, 10, 40], abs=1e-6)
    assert found.price[0] == pytest.approx(10 + 0.02 * 40, abs=1e-6)
    slopes = [5 + 0.02 * 50 - 10.8, 20 + 0.02 * 10 - 10.8, 0]
    assert found.slope[0] == pytest.approx(slopes, abs=1e-5)


def test_a_neighbouring_piece_is_tried_when_an_output_ends_on_a_bound():
    cost = linear_pieces([(0, 0.0), (50, 250.0), (100, 750.0)])
    units = [Unit("1", cost), quadratic("2", 0, 100, 0, 7, 0.0)]
    smooth = SmoothDispatch(units, np.array([90.0]), no_losses(2))
    start = np.array([[70.0, 20.0]])
    inside = smooth.solve(smooth.table.piece_of(start), start)
    assert inside.p_mw[0, 0] == pytest.approx(50, abs=1e-5)
    start = np.array([[10.0, 80.0]])
    dearer = Unit("1", linear_pieces([(0, 0.0), (20, 100.0), (50, 250.0), (100, 750.0)]))
    smooth = SmoothDispatch([dearer, units[1]], np.array([90.0]), no_losses(2))
    first = smooth.solve(smooth.table.piece_of(start), start)
    assert first.p_mw[0, 0] == pytest.approx(20, abs=1e-5)
    found = smooth.improve(start, math.inf)
    assert found.p_mw[0] == pytest.approx([50, 40], abs=1e-5)
    assert found.solves > 1


def test_exchange_never_raises_the_cost_and_keeps_the_balance():
    units = read_units(FILES["unit10"])
    demand = read_demand(FILES["unit10_demand"])
    task = Task(units, demand, no_losses(10), by_hour=True)
    p = np.loadtxt(DATA / "unit10_reference.csv", delimiter=",", skiprows=1)[:, 1:]
    before = task.table.cost(p).sum()
    assert before == pytest.approx(1016273.86, abs=0.01)
    found = task.evaluate(task.pieces(p.ravel().tolist()))
    assert found.fitness[0] == 0
    assert found.fitness[1] < before
    assert abs(found.p_mw.sum(axis=1) - demand).max() < 1e-6
    up = np.array([unit.ramp_up for unit in units])
    assert (abs(np.diff(found.p_mw, axis=0)) <= up + 1e-6).all()
    assert found.fitness[1] > 1013023.53  # a proven lower bound


# Several hours


def ramped(points, up, down, p0):
    return [Unit(str(i), linear_pieces(p), up[i], down[i], p0[i]) for i, p in enumerate(points)]


@pytest.mark.parametrize("p0", [(None, None), (20.0, 40.0)])
def test_ramps_against_every_schedule_on_a_grid(p0):
    """Break points, ramps and demands are multiples of 10 MW, so is an optimal schedule."""
    points = [[(0, 0.0), (40, 200.0), (60, 800.0), (100, 900.0)], [(0, 0.0), (100, 1200.0)]]
    units = ramped(points, (20.0, 30.0), (30.0, 20.0), p0)
    demand = np.array([60.0, 90.0, 130.0, 80.0])
    table, grid, best = piece_table(units), np.arange(0, 101, 10.0), math.inf
    for first in itertools.product(grid, repeat=4):
        p = np.column_stack([first, demand - first])
        before = [[np.nan if v is None else v for v in p0]]
        step = np.nan_to_num(np.diff(np.vstack([before, p]), axis=0))
        if (p[:, 1] < 0).any() or (p[:, 1] > 100).any():
            continue
        if (step > [20, 30]).any() or (step < [-30, -20]).any():
            continue
        best = min(best, table.cost(p).sum())
    found = dispatch_units(units, demand, options=SHORT, workers=1)
    assert found.cost == pytest.approx(best, rel=1e-9)
    assert found.max_ramp_violation_mw < 1e-7


def test_uncoupled_hours_are_single_hours():
    demand = np.array([230.0, 402.0, 317.0])
    single = sum(dispatch_units(VALVE, float(d), options=FEW).cost for d in demand)
    together = dispatch_units(VALVE, demand, options=SHORT, workers=1)
    assert together.cost == pytest.approx(single, rel=1e-9)


def test_same_seed_and_any_number_of_workers_give_the_same_numbers():
    units = [replace(unit, ramp_up=40.0, ramp_down=40.0) for unit in VALVE]
    demand = np.array([230.0, 300.0, 402.0, 330.0])
    few = replace(SHORT, generations=2)
    one, again, two = (
        dispatch_units(units, demand, seed=3, workers=w, options=few) for w in (1, 1, 2)
    )
    assert (one.p_mw == again.p_mw).all()
    assert (one.p_mw == two.p_mw).all()
    assert list(one.run.cache) == list(two.run.cache)


def test_other_seeds_search_elsewhere():
    task = Task(tuple(VALVE), np.array([300.0]), no_losses(3))
    first, second = (task.operators().create(random.Random(seed)) for seed in (0, 1))
    assert first != second


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_ten_units_over_a_day(seed):
    """At most 1 018 000; a schedule for 1 016 273.86 is known, 1 013 023.53 is a lower bound."""
    found = dispatch_units(
        read_units(FILES["unit10"]), read_demand(FILES["unit10_demand"]), seed=seed
    )
    assert 1013023.53 < found.cost <= 1018000
    assert found.max_mismatch_mw < 1e-6
    assert found.max_ramp_violation_mw < 1e-6


# What cannot be met


@pytest.mark.parametrize(
    ("demand", "expected"),
    [
        (600.0, "hour 1: demand 600 MW is 80 MW above the capacity of all units, 520 MW"),
        (100.0, "hour 1: demand 100 MW is 70 MW below the least output of all units, 170 MW"),
        ([300.0, 530.0], "hour 2: demand 530 MW is 10 MW above the capacity"),
    ],
)
def test_demand_beyond_the_units(demand, expected):
    with pytest.raises(NoSolutionError, match=expected):
        dispatch_units(VALVE, demand)


def test_losses_count_against_the_capacity():
    losses = Losses(np.diag([1e-4] * 3), np.zeros(3), 1.0)
    # 520 MW less 1 and 1e-4 (250^2 + 150^2 + 120^2)
    with pytest.raises(NoSolutionError, match=r"0.94 MW above .* 509.06 MW less losses"):
        dispatch_units(VALVE, 510.0, losses)


def test_ramps_that_cannot_follow():
    units = [replace(unit, ramp_up=20.0, ramp_down=20.0) for unit in VALVE]
    with pytest.raises(NoSolutionError, match=r"hour \d: ramps cannot follow.* least 15 MWh"):
        dispatch_units(units, [300.0, 375.0])
    started = [replace(unit, p0_mw=unit.p_min) for unit in units]
    with pytest.raises(NoSolutionError, match=r"hour 1: .* stays 30 MW short of it"):
        dispatch_units(started, 260.0)


def test_a_demand_inside_a_zone():
    units = [Unit("1", without_zones(valve_pieces(0, 100, (0, 1, 0), (0, 0)), [(40, 60)]))]
    with pytest.raises(NoSolutionError, match=r"hour 1, output is 10 MW .* demand 50 MW"):
        dispatch_units(units, 50.0, options=FEW)
