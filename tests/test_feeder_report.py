"""Pictures and report of a reconfiguration: each mark stands for a branch, nothing overlaps."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pandapower.networks as pn
import pytest

from hybridopt.feeder import Feeder
from hybridopt.feeder_layout import has_coordinates, sketch
from hybridopt.feeder_pictures import (
    convergence,
    day,
    hourly_losses,
    one_line,
    pareto_front,
    voltage_profile,
)
from hybridopt.feeder_report import headline, write_feeder_report
from hybridopt.feeder_result import FeederUnit, Reconfiguration
from hybridopt.feeder_trees import FeederFlow, fed_trees, power_flow
from hybridopt.network_feeder import feeder_from_net

OPTIMUM = ("7", "9", "14", "32", "37")  # Baran and Wu 1989; proven by enumeration elsewhere


def flow(feeder: Feeder, closed: np.ndarray) -> FeederFlow:
    trees = fed_trees(feeder)
    return power_flow(trees, trees.opens(closed))


def result_of(fault: tuple[int, ...] = (), hours: int = 1, **changes: Any) -> Reconfiguration:
    net = pn.case33bw()
    factors = np.linspace(0.4, 1.0, hours)[:, None] * np.ones(len(net.load))
    feeder = feeder_from_net(net, "33-bus feeder", factors if hours > 1 else None)
    after = np.array([str(name) not in OPTIMUM for name in feeder.branch_name])
    after[list(fault)] = False
    left = feeder.without(fault)
    return Reconfiguration(
        feeder=feeder,
        net=net,
        closed_before=feeder.closed,
        closed_after=after,
        fault=fault,
        flow_before=flow(feeder, feeder.closed),
        flow_fault=flow(left, feeder.closed & left.usable) if fault else None,
        flow_after=flow(left, after),
        **{
            "units": (),
            "objective": "losses",
            "objective_unit": "kW",
            "value": 139.55,
            "log": [
                {"generation": g, "evaluations": 9 * g, "best_losses": b, "mean_losses": m}
                for g, (b, m) in enumerate([(160.0, 190.0), (145.0, np.nan), (139.55, 141.0)])
            ],
            "evaluations": 27,
            "seed": 3,
            "encoding": "edges",
            "status": "optimal",
            "limit": "",
            "proven_optimal": True,
            "configurations": 50751,
            "proof_s": 0.1,
            "wall_s": 0.2,
            **changes,
        },
    )


def classes(drawing: str) -> list[str]:
    """Class of every element; the drawing must be well-formed."""
    tree = ET.fromstring(drawing)  # noqa: S314 (we wrote it)
    return [element.get("class", "") for element in tree.iter()]


def branches_alone(n_bus: int, ends: np.ndarray, closed: np.ndarray, sources: list[int]) -> Feeder:
    """A feeder with nothing but buses and branches."""
    base = result_of().feeder
    m = len(ends)
    source_vm = np.zeros(n_bus)
    source_vm[sources] = 1.0
    flat: dict[str, Any] = {
        name: np.zeros(m)
        for name in "x g_from b_from g_to b_to g_open b_open".split()  # noqa: SIM905
    }
    return replace(
        base,
        bus_id=tuple(range(n_bus)),
        bus_name=tuple(str(i) for i in range(n_bus)),
        vn_kv=np.full(n_bus, 10.0),
        bus_x=np.full(n_bus, np.nan),
        bus_y=np.full(n_bus, np.nan),
        source_vm=source_vm,
        vm_min=np.zeros(n_bus),
        vm_max=np.full(n_bus, np.inf),
        load=np.zeros((6, 1, n_bus)),
        served=np.zeros((1, n_bus)),
        branch_name=tuple(range(1, m + 1)),
        branch_kind=("line",) * m,
        branch_index=np.arange(m),
        branch_from=ends[:, 0],
        branch_to=ends[:, 1],
        r=np.full(m, 0.01),
        ratio=np.ones(m),
        hangs_at=np.full(m, -1),
        i_from=np.full(m, np.inf),
        i_to=np.full(m, np.inf),
        switchable=np.ones(m, dtype=bool),
        closed=closed,
        usable=np.ones(m, dtype=bool),
        **flat,
    )


def random_feeder(n_bus: int, n_tie: int, seed: int, sources: int = 1) -> Feeder:
    """A random tree with ties; the first buses are sources, joined by nothing at first."""
    rng = np.random.default_rng(seed)
    up = np.array([max(0, i - 1 - int(rng.integers(0, 4))) for i in range(1, n_bus)])
    tree = np.stack([up, np.arange(1, n_bus)], axis=1)[sources - 1 :]
    ties = rng.integers(0, n_bus, (n_tie, 2))
    closed = np.arange(len(tree) + n_tie) < len(tree)
    return branches_alone(n_bus, np.concatenate([tree, ties]), closed, list(range(sources)))


@pytest.mark.parametrize("width", ["wide", "narrow"])
@pytest.mark.parametrize("state", ["before", "after"])
def test_every_switched_branch_has_its_mark(state: str, width: str) -> None:
    result = result_of()
    found = classes(getattr(one_line(result, state), width))
    opened, closed = len(result.opened), len(result.newly_closed)
    assert (opened, closed) == (4, 4)
    names = {"before": ("mark-to_open", "mark-to_close"), "after": ("mark-opened", "mark-closed")}
    assert [found.count(name) for name in names[state]] == [opened, closed]
    assert sum(name.startswith("branch ") for name in found) == result.feeder.n_branch
    assert found.count("name") == result.feeder.n_bus
    assert found.count("branch tie") == 1


def test_fault_and_dead_buses_are_marked() -> None:
    result = result_of((16, 35))  # both ways to bus 18
    for state, dead in (("fault", 1), ("after", 2)):  # then bus 33 too, whose other way is open
        found = classes(one_line(result, state).wide)
        assert found.count("mark-fault") == 2
        assert found.count("bus dead") == dead
    assert "mark-fault" not in classes(one_line(result, "before").wide)


def test_generators_are_drawn_with_their_output() -> None:
    units = (FeederUnit(17, 0.9, np.array([0.75]), np.array([0.2])),)
    drawing = one_line(result_of(units=units), "after").wide
    assert classes(drawing).count("unit") == 1
    assert ">0.75\N{NO-BREAK SPACE}MW<" in drawing


@pytest.mark.parametrize("width", [1060.0, 360.0])
@pytest.mark.parametrize(
    "feeder",
    [
        random_feeder(16, 3, 0, sources=3),
        random_feeder(69, 5, 1),
        random_feeder(300, 40, 2, sources=2),
        random_feeder(1000, 30, 3),
        branches_alone(2, np.array([[0, 1], [0, 1], [1, 0]]), np.array([True, True, False]), [0]),
        branches_alone(4, np.array([[0, 1], [2, 3]]), np.array([True, True]), [0]),
        branches_alone(12, np.array([[0, i] for i in range(1, 12)]), np.ones(11, bool), [0]),
    ],
    ids=["three sources", "69", "two sources", "1000", "parallel", "dead part", "eleven feeders"],
)
def test_buses_stand_apart_and_lines_end_at_them(feeder: Feeder, width: float) -> None:
    drawn = sketch(feeder, feeder.closed).fit(width)
    assert len(np.unique(drawn.at.round(6), axis=0)) == feeder.n_bus
    assert (drawn.at >= 0).all()
    assert (drawn.at <= [drawn.width, drawn.height]).all()
    for m, way in enumerate(drawn.ways):
        assert (way >= -1e-9).all()
        assert (way <= [drawn.width, drawn.height]).all()
        ends = ((way[0], feeder.branch_from[m]), (way[-1], feeder.branch_to[m]))
        for point, bus in ends:
            bar = drawn.bars.get(int(bus), np.stack([drawn.at[bus]] * 2))
            assert (point >= bar.min(axis=0) - 1e-6).all()
            assert (point <= bar.max(axis=0) + 1e-6).all()


def test_rows_do_not_run_over_other_buses() -> None:
    feeder = random_feeder(200, 20, 5)
    drawn = sketch(feeder, feeder.closed)
    spots = {tuple(spot): bus for bus, spot in enumerate(drawn.spots)}
    for m, way in enumerate(drawn.ways):
        ends = {int(feeder.branch_from[m]), int(feeder.branch_to[m])}
        if len(way) == 2 and (way[0] != way[1]).all():
            continue  # no way was found: a straight line
        for a, b in pairwise(way):
            steps = max(int(np.abs(b - a).max() * 4), 1)
            points = {tuple(a + (b - a) * k / steps) for k in range(steps + 1)}
            assert {spots[p] for p in points if p in spots} <= ends


def test_coordinates_are_used_where_they_are_places() -> None:
    feeder = result_of().feeder
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.exponential(1.0, feeder.n_bus))
    placed = replace(feeder, bus_x=x, bus_y=rng.random(feeder.n_bus))
    assert has_coordinates(placed)
    assert sketch(placed, placed.closed).placed
    drawn = sketch(placed, placed.closed).fit(1060.0)
    assert drawn.at[0, 0] < drawn.at[17, 0]
    assert not has_coordinates(replace(placed, bus_x=np.full(feeder.n_bus, np.nan)))
    assert not has_coordinates(replace(placed, bus_x=np.zeros(33), bus_y=np.zeros(33)))


def test_hourly_losses_add_up_to_the_power_flow() -> None:
    result = result_of(hours=4)
    losses = hourly_losses(result.feeder, result.closed_after, result.flow_after)
    whole = result.flow_after.measures["loss"] * result.feeder.base_mva * 1e3
    assert losses.shape == (4,)
    assert losses.sum() == pytest.approx(whole, rel=1e-9)
    assert losses[-1] == pytest.approx(139.55, abs=0.02)  # MATPOWER's case33bw, known optimum


def test_profile_names_the_lowest_voltages() -> None:
    drawing = voltage_profile(result_of())
    assert drawing is not None
    assert "0.9131 pu at bus 17" in drawing.wide  # bus 18 of the paper, counted from 0
    assert "0.9378 pu at bus 31" in drawing.wide
    assert "band" not in classes(drawing.wide)
    many = voltage_profile(result_of(hours=3))
    assert many is not None
    assert classes(many.wide).count("band") == 2


def test_profile_leaves_a_gap_at_dead_buses() -> None:
    drawing = voltage_profile(result_of((16, 35)))
    assert drawing is not None
    assert classes(drawing.wide).count("profile") == 1 + 2 + 2  # before, fault, after


def test_charts_that_have_nothing_to_show_are_none() -> None:
    bare = result_of(log=[])
    assert convergence(bare) is None
    assert pareto_front(bare) is None
    assert day(bare) is None
    assert voltage_profile(replace(bare, flow_before=None)) is not None


def test_front_has_a_dot_for_each_configuration_and_objective() -> None:
    rows = [
        {"loss_kw": 140.0 + k, "switching_operations": 8 - k, "max_voltage_drop_pu": 0.06}
        for k in range(3)
    ]
    drawing = pareto_front(result_of(pareto=rows))
    assert drawing is not None
    assert classes(drawing.wide).count("front") == 3  # the constant objective is left out


def test_report_opens_offline_and_tells_the_result(tmp_path: Path) -> None:
    page = write_feeder_report(result_of(hours=3), tmp_path)
    text = page.read_text(encoding="utf-8")
    assert page == tmp_path / "report.html"
    assert not re.search(r"https?://|<script|<link|<img|@import|url\((?!#)", text)
    assert "Proven optimal" in text
    for name in ("one_line_before", "one_line_after", "voltage_profile", "convergence"):
        ET.parse(tmp_path / f"{name}.svg")  # noqa: S314
    assert (tmp_path / "losses_by_hour.svg").is_file()


def test_report_of_a_fault(tmp_path: Path) -> None:
    result = result_of((16, 35))
    text = write_feeder_report(result, tmp_path).read_text(encoding="utf-8")
    assert "supplied after the fault" in headline(result)
    assert "Buses without supply" in text
    ET.parse(tmp_path / "one_line_fault.svg")  # noqa: S314


def test_names_are_escaped(tmp_path: Path) -> None:
    result = result_of()
    names = ("<b>&", *result.feeder.bus_name[1:])
    evil = replace(result, feeder=replace(result.feeder, name="<i>x", bus_name=names))
    text = write_feeder_report(evil, tmp_path).read_text(encoding="utf-8")
    assert "<b>&" not in text
    assert "<i>x" not in text
