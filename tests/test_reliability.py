"""Reliability: published indices, hand-made networks, an independent reference, islands."""

import math
from dataclasses import replace
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest

from hybridopt.errors import InputError
from hybridopt.network_reliability import read_reliability
from hybridopt.reliability import ReliabilityModel, Unit, indices
from hybridopt.reliability_islands import Segment, Storage, carry
from hybridopt.reliability_model import BREAKER, FUSE, NOTHING, SWITCH

# SAIFI, SAIDI, CAIDI, ASAI, ENS (MWh), AENS (kWh) with the digits of the sources, which
# cases/reliability/README.md names.
PUBLISHED = {
    "rbts2": ("0.248", "3.61", "14.55", "0.999588", "37.746", "19.78"),
    "rbts2_replacement": ("0.248", "0.77", "3.08", None, "8.844", None),
    "billinton_allan_case1": ("2.2", "6.0", "2.73", "0.999315", "84.0", "28.0"),
    "billinton_allan_case2": ("1.15", "3.91", "3.39", "0.999554", "54.8", "18.3"),
    "billinton_allan_case3": ("1.15", "2.58", "2.23", "0.999706", "35.2", "11.7"),
    "billinton_allan_case4": ("1.26", "2.63", "2.09", "0.999700", "35.9", "12.0"),
    "billinton_allan_case5": ("1.15", "1.80", "1.56", "0.999795", "25.1", "8.4"),
    "billinton_allan_case6": ("1.15", "2.11", "1.83", "0.999759", "29.1", "9.7"),
}
# Failure rate (1/yr) and annual unavailability (h/yr) of load points A to D.
BOOK_POINTS = {
    "billinton_allan_case1": ((2.2, 6.0),) * 4,
    "billinton_allan_case2": ((1.0, 3.6), (1.4, 4.4), (1.2, 4.0), (1.0, 3.6)),
    "billinton_allan_case3": ((1.0, 1.5), (1.4, 2.65), (1.2, 3.3), (1.0, 3.6)),
    "billinton_allan_case4": ((1.12, 1.56), (1.48, 2.69), (1.3, 3.35), (1.12, 3.66)),
    "billinton_allan_case5": ((1.0, 1.5), (1.4, 1.95), (1.2, 2.25), (1.0, 1.5)),
    "billinton_allan_case6": ((1.0, 1.5), (1.4, 2.23), (1.2, 2.67), (1.0, 2.34)),
}


def to_digits(value, printed):
    """A value with as many decimals as a printed figure, halves rounded up as books do."""
    digits = len(printed.partition(".")[2])
    return f"{math.floor(value * 10**digits + 0.5 + 1e-9) / 10**digits:.{digits}f}"


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_indices_to_the_last_digit(name):
    found = indices(read_reliability(name))
    values = (
        *(found.saifi, found.saidi_h, found.caidi_h, found.asai),
        *(found.total_ens_mwh, found.aens_kwh),
    )
    printed = PUBLISHED[name]
    ours = tuple(
        None if p is None else to_digits(v, p) for v, p in zip(values, printed, strict=True)
    )
    assert ours == printed


@pytest.mark.parametrize("name", sorted(BOOK_POINTS))
def test_published_load_points(name):
    model = read_reliability(name)
    found = indices(model)
    at = [model.find(bus) for bus in "ABCD"]
    ours = [(round(found.rate[b], 2), round(found.hours[b], 2)) for b in at]
    assert ours == list(BOOK_POINTS[name])


# Hand-made networks


def network(buses, branches, *, customers=None, p_mw=None, priority=None, bus_faults=None, **more):
    """A model of names.

    Parameters
    ----------
    buses : names, the first a source; those that end with ! are sources too
    branches : (from, to, rate, repair_h, devices, closed, switching_h, success, tie_mw), the last
        ones optional
    """
    names = [name.rstrip("!") for name in buses]
    at = {name: k for k, name in enumerate(names)}
    rows = [(*row, *(("", ""), True, 1.0, 1.0, np.inf)[len(row) - 4 :]) for row in branches]
    signs = {"": NOTHING, "s": SWITCH, "f": FUSE, "b": BREAKER}

    def of(given, default):
        return np.array([float((given or {}).get(name, default)) for name in names])

    faults = bus_faults or {}
    return ReliabilityModel(
        name="hand",
        bus_id=tuple(names),
        source=np.array([k == 0 or bus.endswith("!") for k, bus in enumerate(buses)]),
        customers=of(customers, 0),
        p_mw=of(p_mw, 0),
        peak_mw=2 * of(p_mw, 0),
        priority=of(priority, 1).astype(np.int64),
        bus_rate=of({name: f[0] for name, f in faults.items()}, 0),
        bus_repair_h=of({name: f[1] for name, f in faults.items()}, 1),
        bus_switching_h=np.ones(len(names)),
        branch_id=tuple(f"{row[0]}-{row[1]}" for row in rows),
        branch_from=np.array([at[row[0]] for row in rows]),
        branch_to=np.array([at[row[1]] for row in rows]),
        closed=np.array([row[5] for row in rows]),
        rate=np.array([float(row[2]) for row in rows]),
        repair_h=np.array([float(row[3]) for row in rows]),
        switching_h=np.array([float(row[6]) for row in rows]),
        device=np.array([[signs[d] for d in row[4]] for row in rows]),
        success=np.array([float(row[7]) for row in rows]),
        tie_mw=np.array([float(row[8]) for row in rows]),
        **more,
    )


def at(model, values):
    """Values of buses with customers, by name."""
    return {
        name: pytest.approx(float(values[b]), abs=1e-9)
        for b, name in enumerate(model.bus_id)
        if model.customers[b] > 0
    }


def test_one_line_by_hand():
    model = network(["S", "A"], [("S", "A", 0.5, 4, ("b", ""))], customers={"A": 10}, p_mw={"A": 2})
    found = indices(model)
    assert (found.saifi, found.saidi_h, found.caidi_h) == pytest.approx((0.5, 2.0, 4.0))
    assert (found.total_ens_mwh, found.aens_kwh) == pytest.approx((4.0, 400.0))
    assert found.asai == pytest.approx(1 - 2 / 8760)
    assert (found.h_ai, found.t_ai) == (found.saidi_h, found.saifi)
    assert found.n_ai == pytest.approx(10)  # each of the 0.5 events a year hits all ten
    assert found.r_ps == pytest.approx(100 * (1 - 2 / 8760))


def test_equations_of_reference_b_from_the_list_of_events():
    """Equations 1 to 4 summed over the events of many years, as they are printed."""
    model = read_reliability("billinton_allan_case3")
    found = indices(model)
    total, years = model.customers.sum(), 1000
    interrupted = found.fault_interruptions * years
    customer_hours = found.fault_customer_hours * years
    t_s = years * 8760
    h_ai = customer_hours.sum() / total  # sum(D_AI N_AI) / N_T
    t_ai = interrupted.sum() / total
    n_ai = interrupted.sum() / (found.fault_rate.sum() * years)  # every fault hits somebody here
    assert found.h_ai == pytest.approx(h_ai / years)
    assert found.t_ai == pytest.approx(t_ai / years)
    assert found.n_ai == pytest.approx(n_ai)
    assert found.r_ps == pytest.approx((1 - h_ai / t_s) * 100)


def test_meshed_network_survives_what_does_not_split_it():
    ring = [("S", "A", 1, 5, "bb"), ("A", "B", 1, 5, "bb"), ("B", "S", 1, 5, "bb")]
    tail = [("B", "C", 0.3, 5, "bb")]
    model = network(
        "SABC", ring + tail, customers={"A": 1, "B": 1, "C": 1}, bus_faults={"B": (0.1, 8)}
    )
    found = indices(model)
    assert at(model, found.rate) == {"A": 0, "B": 0.1, "C": 0.4}
    assert at(model, found.hours) == {"A": 0, "B": 0.8, "C": 0.1 * 8 + 0.3 * 5}


def test_shorter_repair_than_switching():
    model = network(
        "SAB",
        [("S", "A", 0, 1, ("b", "")), ("A", "B", 2, 0.5, ("s", ""))],
        customers={"A": 1, "B": 1},
    )
    assert at(model, indices(model).hours) == {"A": 1.0, "B": 1.0}


FEEDER = [
    ("S", "A", 0.2, 5, ("b", "")),
    ("A", "B", 0.2, 5, ("s", "")),
    ("B", "C", 0.2, 5, ("s", "")),
]
LOADS = {"A": 1.0, "B": 2.0, "C": 3.0}
PEOPLE = {"A": 10, "B": 20, "C": 30}


def feeder(*more, **options):
    rows, buses = [*FEEDER, *more], ["S", "A", "B", "C"]
    if any("T" in row[:2] for row in more):
        buses.append("T!")
    return network(buses, rows, customers=PEOPLE, p_mw=LOADS, **options)


def test_a_tie_takes_over_what_it_can_transfer():
    """A fault of S-A is isolated after 1 h; the tie at C, closed after 2 h, carries 2 or 3 MW."""
    tie = ("C", "T", 0, 0, ("s", "s"), False, 2.0, 1.0)
    none = at(feeder(), indices(feeder()).hours)
    whole = indices(feeder((*tie, np.inf)))
    two, three = (indices(feeder((*tie, mw))) for mw in (2.0, 3.0))
    model = feeder()
    assert none == {"A": 0.2 * (5 + 1 + 1), "B": 0.2 * (5 + 5 + 1), "C": 0.2 * 15}
    assert at(model, whole.hours) == {"A": 1.4, "B": 0.2 * (2 + 5 + 1), "C": 0.2 * (2 + 2 + 5)}
    # 2 MW: B alone fits (10 customers per MW like C, and smaller). A fault of A-B leaves C, 3 MW.
    assert at(model, two.hours) == {"A": 1.4, "B": 1.6, "C": 3.0}
    assert at(model, three.hours) == {"A": 1.4, "B": 1.6, "C": 0.2 * (5 + 2 + 5)}


def test_peak_loads_must_fit_where_asked():
    tie = ("C", "T", 0, 0, ("s", "s"), False, 2.0, 1.0, 3.0)
    model = feeder(tie, carry_peak=True)
    assert at(model, indices(model).hours) == {"A": 1.4, "B": 2.2, "C": 3.0}


def test_chained_ties_reach_part_after_part():
    model = network(
        ["S", "A", "B", "C", "D"],
        [
            ("S", "A", 1, 5, ("b", "")),
            ("A", "B", 0, 0, ("s", "")),
            ("A", "C", 0, 0, ("s", "")),
            ("S", "D", 0, 0, ("b", "")),
            ("B", "C", 0, 0, ("s", "s"), False, 3.0),
            ("C", "D", 0, 0, ("s", "s"), False, 2.0),
        ],
        customers=dict.fromkeys("ABCD", 1),
    )
    assert at(model, indices(model).hours) == {"A": 5, "B": 3, "C": 2, "D": 0}


# An independent reference: paths of a radial network, in place of zones of a graph


def by_paths(model):
    """Rates and hours of a radial network without units, from paths to its only source."""
    tree = nx.Graph()
    tree.add_nodes_from(("bus", b) for b in range(model.n_bus))
    for m in np.flatnonzero(model.closed):
        for end, bus in enumerate((model.branch_from[m], model.branch_to[m])):
            tree.add_edge(("line", m), ("bus", bus), device=model.device[m, end], line=m)
    root = ("bus", int(np.flatnonzero(model.source)[0]))
    up = nx.single_source_shortest_path(tree, root)
    rate, hours = np.zeros(model.n_bus), np.zeros(model.n_bus)
    by_kind = {
        "line": (np.where(model.closed, model.rate, 0), model.repair_h, model.switching_h),
        "bus": (model.bus_rate, model.bus_repair_h, model.bus_switching_h),
    }
    for kind, arrays in by_kind.items():
        for k in np.flatnonzero(arrays[0] > 0):
            often, repair, switching = (float(a[k]) for a in arrays)
            back = times_of_return(model, tree, root, (kind, k), switching)
            for share, top in openings(model, tree, up[kind, k][::-1]):
                for b in range(model.n_bus):
                    if top in up["bus", b]:
                        rate[b] += often * share
                        hours[b] += often * share * min(repair, back.get(("bus", b), math.inf))
    return rate, hours


def openings(model, tree, way):
    """Probability that a protective device is the first to open, and the node just behind it."""
    remain = 1.0
    for below, above in pairwise(way):
        data = tree.edges[below, above]
        if data["device"] in (FUSE, BREAKER):
            yield remain * float(model.success[data["line"]]), below
            remain *= 1 - float(model.success[data["line"]])
    yield remain, way[-1]


def times_of_return(model, tree, root, fault, switching):
    """Hours after which each node outside the isolated part is fed again, over ties or not."""
    weak = tree.copy()
    weak.remove_edges_from([e for e in tree.edges if tree.edges[e]["device"] != NOTHING])
    rest = tree.copy()
    rest.remove_nodes_from(nx.node_connected_component(weak, fault))
    back = {}
    if root in rest:
        back = dict.fromkeys(nx.node_connected_component(rest, root), switching)
    ties = np.flatnonzero(~model.closed)
    for m in [*ties] * len(ties):
        ends = [("bus", int(model.branch_from[m])), ("bus", int(model.branch_to[m]))]
        for a, b in (ends, ends[::-1]):
            if a in back and b in rest:
                when = max(switching, float(model.switching_h[m]), back[a])
                for n in nx.node_connected_component(rest, b):
                    back[n] = min(back.get(n, math.inf), when)
    return back


def random_feeder(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 14))
    names = ["S", *(f"n{k}" for k in range(1, n))]
    rows = []
    for k in range(1, n):
        ends = [names[int(rng.integers(0, k))], names[k]]
        devices = tuple(rng.choice(["", "s", "f", "b"], p=[0.4, 0.3, 0.15, 0.15], size=2))
        p = 1.0 if rng.random() < 0.5 else float(rng.random())
        if rng.random() < 0.5:
            ends, devices = ends[::-1], devices[::-1]
        rows.append((*ends, rng.random(), 10 * rng.random(), devices, True, 2 * rng.random(), p))
    for _ in range(int(rng.integers(0, 4))):
        a, b = rng.choice(n, size=2, replace=False)
        rows.append((names[a], names[b], 0, 0, ("s", "s"), False, 3 * rng.random(), 1.0))
    faults = {name: (rng.random(), 20 * rng.random()) for name in names if rng.random() < 0.3}
    return network(
        names,
        rows,
        customers=dict.fromkeys(names, 1),
        p_mw=dict.fromkeys(names, 1.0),
        bus_faults=faults,
    )


@pytest.mark.parametrize("seed", range(60))
def test_zones_agree_with_paths_on_random_feeders(seed):
    model = random_feeder(seed)
    found = indices(model)
    rate, hours = by_paths(model)
    np.testing.assert_allclose(found.hours, hours, rtol=1e-9, atol=1e-12)
    # Those that are back at once (a switching time of 0 h) don't occur here.
    np.testing.assert_allclose(found.rate, rate, rtol=1e-9, atol=1e-12)
    assert found.fault_customer_hours.sum() == pytest.approx(found.hours.sum())


@pytest.mark.parametrize("name", ["rbts2", "billinton_allan_case3", "billinton_allan_case4"])
def test_zones_agree_with_paths_on_published_systems(name):
    model = read_reliability(name)
    found = indices(model)
    rate, hours = by_paths(model)
    np.testing.assert_allclose(found.rate, rate, atol=1e-12)
    np.testing.assert_allclose(found.hours, hours, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_units_never_make_it_worse(seed):
    model = random_feeder(seed)
    rng = np.random.default_rng(seed)
    units = [
        Unit(int(b), 3 * rng.random(), 2 * rng.random(), 4 * rng.random(), rng.random())
        for b in rng.choice(model.n_bus, size=3, replace=False)
    ]
    bare, helped = indices(model), indices(model, units)
    assert (helped.rate <= bare.rate + 1e-12).all()
    assert (helped.hours <= bare.hours + 1e-12).all()
    # Units that do nothing change nothing.
    idle = indices(model, [(0, 0.0), (1, 1.0, 0.0, 0.0, 0.0)])
    np.testing.assert_array_equal(idle.hours, bare.hours)


def test_sequential_monte_carlo_agrees():
    """Failures drawn one after another in 40,000 years; events of a component may not overlap."""
    model = read_reliability("rbts2")
    rng = np.random.default_rng(6)
    years = 40_000
    single = indices(model)
    customers = model.customers.sum()
    interruptions = hours = 0.0
    for name, rate in zip(single.fault_name, single.fault_rate, strict=True):
        kind, label = name.split(" ")
        k = model.branch_id.index(label) if kind == "branch" else model.find(label)
        repair = float((model.repair_h if kind == "branch" else model.bus_repair_h)[k])
        fault = one_fault(model, kind, k)
        count = 0
        t = rng.exponential(8760 / rate)
        while t < years * 8760:
            count += 1
            t += repair + rng.exponential(8760 / rate)
        interruptions += count * fault[0]
        hours += count * fault[1]
    assert interruptions / customers / years == pytest.approx(single.saifi, rel=0.01)
    assert hours / customers / years == pytest.approx(single.saidi_h, rel=0.03)


def one_fault(model, kind, k):
    """Customers and customer hours of one fault, by paths."""
    rate, bus_rate = np.zeros(model.n_branch), np.zeros(model.n_bus)
    (rate if kind == "branch" else bus_rate)[k] = 1.0
    often, hours = by_paths(replace(model, rate=rate, bus_rate=bus_rate))
    return often @ model.customers, hours @ model.customers


# Islands


def test_an_island_is_interrupted_until_it_is_isolated():
    """A unit at C of 5 MW: after 1 h it carries B and C for a fault of S-A, C for one of A-B."""
    model = feeder()
    found = indices(model, [(model.find("C"), 5.0)])
    assert at(model, found.rate) == {"A": 0.6, "B": 0.6, "C": 0.6}
    assert at(model, found.hours) == {"A": 1.4, "B": 0.2 * (1 + 5 + 1), "C": 0.2 * (1 + 1 + 5)}


def test_an_island_behind_a_breaker_is_not_interrupted():
    model = replace(
        feeder(), device=np.array([[BREAKER, NOTHING], [BREAKER, NOTHING], [BREAKER, NOTHING]])
    )
    found = indices(model, [(model.find("C"), 5.0)])
    assert at(model, found.rate) == {"A": 0.2, "B": 0.2, "C": 0.2}
    assert at(model, found.hours) == {"A": 1.0, "B": 1.0, "C": 1.0}
    later = indices(replace(model, islanding_h=0.5), [(model.find("C"), 5.0)])
    assert at(model, later.rate) == {"A": 0.2, "B": 0.4, "C": 0.6}
    assert at(model, later.hours) == {"A": 1.0, "B": 1.1, "C": 1.2}


def test_a_tie_brings_a_unit_to_another_part():
    model = network(
        "SABC",
        [
            ("S", "A", 1, 5, ("b", "")),
            ("A", "B", 0, 0, ("s", "")),
            ("A", "C", 0, 0, ("s", "")),
            ("B", "C", 0, 0, ("s", "s"), False, 2.0),
        ],
        customers=dict.fromkeys("ABC", 1),
        p_mw=dict.fromkeys("ABC", 1.0),
    )
    found = indices(model, [(model.find("C"), 2.0)])
    assert at(model, found.hours) == {"A": 5, "B": 2, "C": 1}


def test_what_is_left_in_a_storage_serves_the_island_that_follows():
    """C is cut off at once; B joins it when A-B is isolated after 1 h, repaired after 5 h."""
    model = network(
        "SABC",
        [
            ("S", "A", 0, 0, ("b", "")),
            ("A", "B", 1, 5, ("b", "s")),
            ("B", "C", 0, 0, ("b", "")),
        ],
        customers=PEOPLE,
        p_mw=LOADS,
        priority={"A": 2, "B": 2, "C": 1},
    )
    found = indices(model, [(model.find("C"), 0.0, 3.0, 6.0)])
    assert at(model, found.hours) == {"A": 0, "B": 5, "C": 5 - 6 / 3}
    assert at(model, found.rate) == {"A": 0, "B": 1, "C": 1}


def test_priority_goes_before_size_and_customers():
    """3 MW for B (2 MW) and C (3 MW), which have as many customers per MW."""
    units = [(3, 3.0)]
    small_first, c_first = feeder(), feeder(priority={"A": 2, "B": 2, "C": 1})
    b_carried = indices(small_first, units)
    c_carried = indices(c_first, units)
    assert at(small_first, b_carried.hours) == {"A": 1.4, "B": 1.4, "C": 0.2 * (5 + 1 + 5)}
    assert at(c_first, c_carried.hours) == {"A": 1.4, "B": 2.2, "C": 1.4}


def test_storage_carries_for_as_long_as_it_lasts():
    """4 h after isolation; 3 MW for C need 12 MWh without generation."""
    model = feeder(priority={"C": 1, "B": 2, "A": 3})
    c = model.find("C")

    def hours(*unit):
        return indices(model, [(c, *unit)]).hours[c] / 0.2

    assert hours(0.0, 3.0, 12.0) == pytest.approx(1 + 1 + 5)
    assert hours(0.0, 3.0, 6.0) == pytest.approx(3 + 3 + 5)
    assert hours(0.0, 2.9, 12.0) == pytest.approx(5 + 5 + 5)  # MW short
    assert hours(2.0, 1.0, 2.0) == pytest.approx(3 + 3 + 5)  # 1 MW short, 2 MWh
    assert hours(2.0, 0.0, 0.0) == pytest.approx(15)
    assert hours(2.0, 1.0, 4.0) == pytest.approx(7)


def test_energy_of_what_is_carried_is_not_missing():
    model = feeder(priority={"C": 1, "B": 2, "A": 3})
    c = model.find("C")
    bare, helped = indices(model), indices(model, [(c, 0.0, 3.0, 6.0)])
    assert bare.ens_mwh[c] - helped.ens_mwh[c] == pytest.approx(0.2 * 2 * 6.0)
    assert bare.saifi == helped.saifi  # interrupted all the same


def test_an_uncertain_unit_counts_with_its_availability():
    model = feeder()
    c = model.find("C")
    none, sure = indices(model), indices(model, [(c, 5.0)])
    half = indices(model, [(c, 5.0, 0.0, 0.0, 0.3)])
    np.testing.assert_allclose(half.hours, 0.7 * none.hours + 0.3 * sure.hours)


def test_profiles_decide_when_a_load_is_carried():
    """Sun in every other hour, isolation after 1 h, repair after 5 h: two of four hours."""
    model = feeder(unit_factor=np.array([1.0, 0.0]))
    c = model.find("C")
    found = indices(model, [(c, 3.0)])
    bare = indices(model)
    saved = (bare.hours - found.hours)[[model.find("B"), c]]
    # B takes the 3 MW for a fault of S-A, C for one of A-B.
    assert saved == pytest.approx([0.2 * 2, 0.2 * 2])
    # Stored from 6 MW of sun: B is carried throughout, C beside it in sun, alone throughout.
    stored = indices(model, [(c, 6.0, 3.0, 3.0)])
    saved = (bare.hours - stored.hours)[[model.find("B"), c]]
    assert saved == pytest.approx([0.2 * 4, 0.2 * (2 + 4)])


def test_load_factors_weigh_energy():
    factors = np.array([0.5, 1.0, 1.5, 0.2])
    flat, shaped = feeder(), feeder(load_factor=factors)
    a, b = indices(flat), indices(shaped)
    np.testing.assert_allclose(b.hours, a.hours)
    np.testing.assert_allclose(b.ens_mwh, factors.mean() * a.ens_mwh)
    # 3 MW carry B in an hour of 1.5, and C in an hour of at most 1.
    c = shaped.find("C")
    helped = indices(shaped, [(c, 3.0)])
    lost = (b.hours - helped.hours) / 0.2
    assert lost[shaped.find("B")] == pytest.approx(4.0)
    # C: alone after a fault of A-B, not in an hour of 1.5; after one of S-A beside B, 5 MW f <= 3.
    assert lost[c] == pytest.approx(4 * 3 / 4 + 4 * 2 / 4)


def in_small_steps(loads, supply, storage, n=1000):
    """Carry loads in order, in small steps of time, with energy set aside for those before.

    A load that was dropped is connected again at a full hour, or when loads before it change.

    Parameters
    ----------
    supply : MW hour by hour;  n : steps of an hour
    """
    supply, dt = np.repeat(supply, n), 1 / n
    steps = len(supply)
    demand = np.zeros(steps)
    found = []
    for mw in loads:
        net = supply - demand
        needed = np.zeros(steps + 1)
        for k in reversed(range(steps)):
            needed[k] = max(0.0, needed[k + 1] - min(net[k], storage[0]) * dt)
        held, on, dropped = storage[1], np.zeros(steps, dtype=bool), False
        for k in range(steps):
            dropped = dropped and bool(k % n) and net[k] == net[k - 1]
            after = min(storage[1], held + min(net[k] - mw, storage[0]) * dt)
            if not dropped and net[k] - mw >= -storage[0] - 1e-9 and after >= needed[k + 1] - 1e-9:
                on[k], held = True, after
            else:
                dropped, held = True, min(storage[1], held + min(net[k], storage[0]) * dt)
        demand = demand + mw * on
        found.append(on.sum() * dt)
    return found


@pytest.mark.parametrize("seed", range(60))
def test_carrying_agrees_with_small_steps(seed):
    rng = np.random.default_rng(seed)
    supply = rng.choice([0.0, 1.0, 2.0, 3.0], size=6)
    loads = rng.choice([0.5, 1.0, 1.5, 2.0], size=4)
    storage = (float(rng.choice([0.0, 1.0, 2.0])), float(rng.choice([0.0, 2.0, 5.0])))
    segments = [Segment(1.0, 1.0, float(mw)) for mw in supply]
    carried, held = carry(segments, loads.tolist(), Storage(*storage, storage[1]))
    expected = in_small_steps(loads, supply, storage)
    assert [c.hours for c in carried] == pytest.approx(expected, abs=0.02)
    assert 0 <= held <= storage[1] + 1e-9
    for c in carried:
        assert c.throughout == (c.hours == pytest.approx(6, abs=1e-9))


# What cannot be


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ((9, 1.0), "position 9"),
        ((-1, 1.0), "position -1"),
        ((1, -1.0), "p_mw must be at least 0"),
        ((1, math.nan), "p_mw must be at least 0"),
        ((1, 1.0, 1.0, -2.0), "storage_mwh must be at least 0"),
        ((1, 1.0, 0.0, 0.0, 1.5), "availability must lie in [0, 1], found 1.5"),
    ],
)
def test_impossible_units(unit, message):
    with pytest.raises(InputError, match=r"unit 2") as caught:
        indices(feeder(), [(1, 1.0), unit])
    assert message in str(caught.value)


def test_too_many_uncertain_units():
    units = [(3, 1.0, 0.0, 0.0, 0.5)] * 11
    with pytest.raises(InputError, match="11 units"):
        indices(feeder(), units)


def test_too_many_uncertain_ties():
    ties = [("C", "T", 0, 0, ("s", "s"), False, 2.0, 0.5)] * 11
    with pytest.raises(InputError, match="11 ties"):
        indices(feeder(*ties))
