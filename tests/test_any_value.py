"""Whatever stands at a key of a case is taken or found wrong, never the end of the program."""

import copy
import datetime as dt

import pytest

import hybridopt.network_scenario
from hybridopt.errors import InputError
from hybridopt.network_scenario import load_case

DAY = [1.0] * 24
CASE = {
    "extends": "ieee9",
    "budget": 20.0,
    "event": {"lines": ["5-6", "8-9"], "generators": [2], "external_grids": [1], "buses": []},
    "priorities": {"5": 2.0},
    "limits": {
        "vm_min": 0.9,
        "branch_limit": "power",
        "ratings": {"5-6": 150.0},
        "generators": {"2": 163.0},
        "ramps": {"2": 20.0},
    },
    "resources": {
        "lines": {
            "cost": 2.0,
            "costs": {"5-6": 3.0},
            "candidates": [
                {
                    "from_bus": 4,
                    "to_bus": 7,
                    "length_km": 1.0,
                    "r_ohm_per_km": 10.0,
                    "x_ohm_per_km": 85.0,
                    "max_i_ka": 0.4,
                    "parallel": 1,
                    "cost": 5.0,
                }
            ],
        },
        "dg": {"max_units": 2, "buses": [4, 5], "power_factor": 0.9, "max_mw": 90.0},
    },
    "restore": {
        "crews": 1,
        "repair_h": {"line 5-6": 4.0},
        "customers": {"5": 900},
        "travel": {"matrix": {"depot": {"line 5-6": 1.0, "line 8-9": 1.0}, "line 5-6": {}}},
    },
    "worst": {"k": 2, "elements": {"lines": ["4-5", "8-9"], "generators": [2, 3]}},
    "sample": {
        "probabilities": {"lines": {"4-5": 0.1, "all": 0.02}},
        "intensities": {"generators": {"all": 25.0}, "lines": {"all": 30.0}},
        "wind": {"speed": 30.0, "width": 2.0, "track": [[0.0, 0.0]]},
        "hours": [18, 19],
        "fragility": [{"kind": "lines", "elements": ["5-6"], "median": 40.0, "beta": 0.2}],
    },
    "costs": {"generators": [{"generator": 3, "polynomial": [335.0, 1.0]}], "import_price": DAY},
    "availability": {"2": DAY},
    "storage": [{"name": "b", "bus": 5, "energy_mwh": 40.0, "charge_mw": 10.0}],
    "load": {"classes": {"home": DAY}, "shares": {"5": {"home": 1.0}}},
    "genetic": {"population": 20},
}
VALUES = (
    *("zzz", "", "1-99", "none.csv", "a\0b", "x" * 300),
    *(-2, 0, 10**30, 1e-320, float("nan"), True, None),
    *(
        [],
        {},
        [1, "a"],
        {"a": 1},
        {"9" * 5000: 1},
        {f"{'9' * 5000}-4": 1},
        {(5, 6): 0.1},
        {"[key]": 1},
        [[{"x": [1]}]],
        ({"a": -1},),
    ),
    dt.date(2026, 1, 1),
)


def keys(data, path=()):
    """Every key and the first two entries of every list."""
    if path:
        yield path
    entries = data.items() if isinstance(data, dict) else enumerate(data[:2])
    for key, value in entries:
        if isinstance(value, dict | list):
            yield from keys(value, (*path, key))
        else:
            yield (*path, key)


KEYS = list(keys(CASE))


@pytest.mark.slow
@pytest.mark.parametrize("path", KEYS, ids=[".".join(map(str, path)) for path in KEYS])
def test_any_value_is_taken_or_a_finding(path, monkeypatch):
    known = {}
    read = hybridopt.network_scenario.read_network

    def read_once(name):
        if name not in known:
            known[name] = read(name)
        return copy.deepcopy(known[name])

    monkeypatch.setattr(hybridopt.network_scenario, "read_network", read_once)
    for value in VALUES:
        case = copy.deepcopy(CASE)
        holder = case
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = copy.deepcopy(value)
        try:
            load_case(case)
        except InputError as error:
            findings = [str(finding) for finding in error.findings]
            assert len(findings) == len(set(findings)), findings
