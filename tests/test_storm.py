"""The large built-in case: its data, its size, and that adding step by step is not enough."""

from math import comb
from pathlib import Path

import numpy as np
import pytest

from hybridopt.cases import case_file
from hybridopt.evaluate import Evaluator
from hybridopt.grid import Plan
from hybridopt.network_scenario import load_case

README = " ".join((case_file("ieee118_storm").parent / "README.md").read_text("utf-8").split())


@pytest.fixture(scope="module")
def storm():
    return load_case("ieee118_storm")


@pytest.fixture(scope="module")
def evaluator(storm):
    return Evaluator(storm.damaged, storm.space, storm.horizon, storm.settings, "winner")


def test_every_branch_has_its_rating(storm):
    """PGLib: 72 to 7218 MVA; of the parallel circuits, the one of larger impedance."""
    grid = storm.grid
    built = {c.branch for c in storm.space.candidates if c.kind == "new"}
    kept = [k for k in range(len(grid.branch_name)) if k not in built]
    assert len(kept) == 186
    assert grid.rate_is_power[kept].all()
    mva = dict(zip(grid.branch_name, grid.rate_from * grid.base_mva, strict=True))
    assert np.array_equal(grid.rate_from[kept], grid.rate_to[kept])
    assert (min(mva[grid.branch_name[k]] for k in kept), mva["24-70"]) == (72, 72)
    shown = ("1-2", "49-54", "49-54#2", "77-80", "77-80#2", "89-92", "89-92#2", "8-5", "68-116")
    names = [name if name in mva else "116-68" for name in shown]
    printed = [151, 99, 97, 141, 157, 186, 166, 1099, 7218]
    assert [mva[name] for name in names] == pytest.approx(printed)


def test_condensers_give_no_active_power(storm):
    grid = storm.grid
    assert grid.p_max.sum() * grid.base_mva == pytest.approx(6515)
    condensers = grid.p_max == 0
    assert condensers.sum() == 35
    assert not grid.gen_forming[condensers].any()
    assert grid.gen_forming[~condensers].all()


def test_the_event_is_as_large_as_the_readme_says(storm):
    grid, damaged = storm.grid, storm.damaged
    assert (grid.branch_in_service & ~damaged.branch_in_service).sum() == 16
    lost = grid.gen_in_service & ~damaged.gen_in_service
    assert (grid.p_max[lost] * 100).tolist() == pytest.approx([308, 195, 441, 784])
    assert storm.net.load.p_mw.sum() == pytest.approx(4242)
    peak = storm.horizon.load_factor.max(axis=1)
    assert (int(peak.argmax()) + 1, peak.max()) == (18, 1.0)


def test_the_number_of_plans_is_counted(storm):
    """Sets of branches by cost in steps of 0.5, times the sitings of up to four units."""
    space, steps = storm.space, 120
    assert space.budget == steps / 2
    sets = [1] + [0] * steps
    for candidate in space.candidates:
        cost = round(2 * candidate.cost)
        assert cost == 2 * candidate.cost
        for total in range(steps, cost - 1, -1):
            sets[total] += sets[total - cost]
    sitings = sum(comb(len(space.sites.bus), k) for k in range(1, space.max_units + 1))
    plans = sum(sets) + sum(sets[:-1]) * sitings
    assert plans > 10**12
    for number in (sum(sets), sum(sets[:-1]), sitings, plans):
        assert f"{number:,}" in README


def unserved(storm, evaluator, *names):
    by_name = {storm.grid.branch_name[c.branch]: c.branch for c in storm.space.candidates}
    found = evaluator.evaluate(Plan(tuple(sorted(by_name[name] for name in names)), ()))
    assert found.ok
    return found.values["unserved_peak_mw"]


@pytest.mark.slow
def test_some_branches_help_only_together(storm, evaluator):
    nothing = unserved(storm, evaluator)
    assert nothing == pytest.approx(1067.84, abs=0.01)
    assert f"{nothing:.2f}" in README
    for alone in ("65-68", "64-65"):
        assert unserved(storm, evaluator, alone) == pytest.approx(nothing, abs=0.01)
    assert unserved(storm, evaluator, "65-68", "64-65") == pytest.approx(763.90, abs=0.01)


@pytest.mark.slow
def test_all_branches_together_serve_everything(storm, evaluator):
    names = [storm.grid.branch_name[c.branch] for c in storm.space.candidates]
    assert unserved(storm, evaluator, *names) == 0.0
    assert sum(c.cost for c in storm.space.candidates) == 212


def test_pglib_is_credited():
    assert "Creative Commons Attribution 4.0" in README
    assert "Richard D. Christie" in README
    assert Path(case_file("ieee118_storm").parent / "ratings.csv").is_file()
