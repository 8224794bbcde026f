"""Thousands of solves in one process leave its memory as it was."""

import os
from pathlib import Path

import numpy as np
import pandapower.networks as nw
import pytest

from hybridopt.grid import Plan

STATM = Path("/proc/self/statm")


def resident_mb():
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.slow
@pytest.mark.skipif(not STATM.exists(), reason="reads the process's memory from /proc")
def test_memory_does_not_grow_over_5000_solves(dispatcher_of):
    d = dispatcher_of(nw.case30())
    model, options = d.hour.model, d.settings.options
    state = d.state(Plan(), np.array([0]))
    state.must_serve[:] = True
    rng = np.random.default_rng(0)
    p, q = state.p_demand.copy(), state.q_demand.copy()
    solved, after = 0, {}
    for k in range(1, 5001):
        scale = rng.uniform(0.6, 1.0)
        state.p_demand, state.q_demand = p * scale, q * scale
        solution = model.nlp.solve(model.bounds(state, {"operating_cost": 1.0}), options)
        solved += solution.ok
        if k in (500, 5000):
            after[k] = resident_mb()
    assert solved == 5000
    assert after[5000] < after[500] * 1.05
