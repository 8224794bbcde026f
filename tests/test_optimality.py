"""Optimality conditions from results alone, prices by differences, a day solved by other means."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandapower as pp
import pandapower.networks as nw
import pytest

import hybridopt.cases
from hybridopt.grid import NewLine, Plan
from hybridopt.network import prepare, read_network
from hybridopt.network_grid import grid_from_net
from hybridopt.network_scenario import load_case
from hybridopt.progress import NoProgress
from hybridopt.result_prices import binding_frame
from hybridopt.single_dispatch import dispatch_scenario

PGLIB = Path(__file__).parent / "data" / "pglib"
DAY = Path(hybridopt.cases.__file__).parent / "ieee30_day" / "case.toml"
BUILT_IN = ["case14", "case_ieee30", "case30", "case118"]
FILES = [f"pglib_opf_case{name}" for name in ("5_pjm", "14_ieee", "30_ieee", "118_ieee")]


def grid_of(name, **keys):
    path = PGLIB / f"{name}.m"
    net = read_network(str(path)) if path.exists() else getattr(nw, name)()
    return grid_from_net(prepare(net), **keys)[0]


@pytest.fixture
def dispatch_of(dispatcher_of):
    def solve(grid, factor=1.0):
        factors = np.broadcast_to(np.asarray(factor, dtype=float), (1, grid.n_bus))
        return dispatcher_of(grid, factors).dispatch(Plan())

    return solve


@pytest.fixture(scope="module")
def day():
    scenario = load_case(str(DAY))
    return scenario, dispatch_scenario(scenario, Plan(), NoProgress()).dispatch


# --- conditions of Karush, Kuhn and Tucker --------------------------------------------------------


def flows(grid, vm, va):
    """Power and squared current into both ends of every branch, pu, for real or complex steps."""
    ends = []
    for here, far, y_self, y_far in (
        (grid.branch_from, grid.branch_to, grid.y_ff, grid.y_ft),
        (grid.branch_to, grid.branch_from, grid.y_tt, grid.y_tf),
    ):
        e, f = vm * np.cos(va), vm * np.sin(va)
        i_re = y_self.real * e[here] - y_self.imag * f[here]
        i_re = i_re + y_far.real * e[far] - y_far.imag * f[far]
        i_im = y_self.real * f[here] + y_self.imag * e[here]
        i_im = i_im + y_far.real * f[far] + y_far.imag * e[far]
        on = grid.branch_usable()
        p, q = e[here] * i_re + f[here] * i_im, f[here] * i_re - e[here] * i_im
        ends.append((here, np.where(on, p, 0), np.where(on, q, 0), i_re**2 + i_im**2))
    return ends


def drawn(grid, vm, va):
    """Power that leaves each bus through branches and shunts, MW and Mvar."""
    g, b = grid.shunt()
    p, q = g * vm**2, -b * vm**2
    for here, p_in, q_in, _ in flows(grid, vm, va):
        np.add.at(p, here, p_in)
        np.add.at(q, here, q_in)
    return p * grid.base_mva, q * grid.base_mva


def loadings(grid, vm, va):
    """Loading of both ends of every branch, MVA (of current at 1 pu where currents are limited)."""
    tiny = 1e-30  # idle branches: the derivative of a root at zero
    return [
        np.sqrt(np.where(grid.rate_is_power, p**2 + q**2, i2) + tiny) * grid.base_mva
        for _, p, q, i2 in flows(grid, vm, va)
    ]


def network_part(d, t, vm, va):
    """Terms of the Lagrangian of hour t that depend on the voltages, currency per hour."""
    grid, prices = d.grid, d.prices
    p, q = drawn(grid, vm, va)
    at_from, at_to = loadings(grid, vm, va)
    rate_from, rate_to = grid.rate_from * grid.base_mva, grid.rate_to * grid.base_mva
    rated = np.isfinite(grid.rate_from) & grid.branch_usable()
    rate_from, rate_to = (np.where(rated, rate, 1.0) for rate in (rate_from, rate_to))
    fuller = at_from.real / rate_from >= at_to.real / rate_to
    over = np.where(fuller, at_from - rate_from, (at_to - rate_to) * rate_from / rate_to)
    over = np.where(rated, over, 0) / grid.rate_share
    angle = va[grid.branch_from] - va[grid.branch_to]
    return (
        prices.energy[t] @ p
        + prices.reactive[t] @ q
        + prices.vm[t] @ vm
        + prices.branch[t] @ over
        + prices.angle[t] @ angle
    )


def slope_by_voltages(d, t):
    """Derivatives of :func:`network_part` by vm and va, by complex steps: exact to rounding."""
    vm, va = d.vm_pu[t], np.deg2rad(d.va_degree[t])
    step, n = 1e-30, len(vm)
    by_vm, by_va = np.empty(n), np.empty(n)
    for b in range(n):
        shift = np.zeros(n, dtype=complex)
        shift[b] = 1j * step
        by_vm[b] = network_part(d, t, vm + shift, va.astype(complex)).imag / step
        by_va[b] = network_part(d, t, vm.astype(complex), va + shift).imag / step
    return by_vm, by_va


def worst_room(price, value, low, high):
    """Largest product of a limit's price and the room that is left to it."""
    room = np.where(price > 0, high - value, value - low)
    return np.max(np.where(price != 0, abs(price) * np.where(price != 0, abs(room), 0), 0))


def marginal_cost(grid, p_mw):
    slope = [
        np.polynomial.Polynomial(c).deriv()(p) for c, p in zip(grid.gen_cost, p_mw, strict=True)
    ]
    return np.array(slope, dtype=float)


def check_voltages(d, t):
    """Stationarity by voltages, and their limits."""
    grid, prices = d.grid, d.prices
    by_vm, by_va = slope_by_voltages(d, t)
    # the derivative of a bus's power by its own voltage is its largest entry
    size = abs(grid.y_ff).max() * grid.base_mva * abs(prices.energy[t]).max()
    free = grid.vm_min < grid.vm_max
    assert abs(by_vm[free]).max() < 1e-8 * size
    assert abs(by_va).max() < 1e-8 * size
    assert np.all(d.vm_pu[t] >= grid.vm_min - 1e-7)
    assert np.all(d.vm_pu[t] <= grid.vm_max + 1e-7)
    assert worst_room(prices.vm[t], d.vm_pu[t], grid.vm_min, grid.vm_max) < 1e-8 * size_of_cost(d)


def size_of_cost(d):
    return max(1.0, d.operating_cost)


def check_branches(d, t):
    """Loadings and angles within their limits; what does not bind costs nothing."""
    grid, prices = d.grid, d.prices
    vm, va = d.vm_pu[t], np.deg2rad(d.va_degree[t])
    on = grid.branch_usable() & np.isfinite(grid.rate_from)
    share = np.maximum(
        *(
            s / r
            for s, r in zip(
                loadings(grid, vm, va),
                (grid.rate_from * grid.base_mva, grid.rate_to * grid.base_mva),
                strict=True,
            )
        )
    )
    assert np.all(share[on] <= 1 + 1e-6)
    assert np.all(prices.branch[t] >= -1e-9)
    room = np.where(on, (1 - share) * grid.rate_from * grid.base_mva, 0.0)
    room = np.where(np.isfinite(room), room, 0.0)
    assert np.max(prices.branch[t] * abs(room), initial=0) < 1e-8 * size_of_cost(d)
    angle = va[grid.branch_from] - va[grid.branch_to]
    closed = grid.branch_usable()
    assert np.all((angle <= grid.angle_max + 1e-7) | ~closed)
    assert np.all((angle >= grid.angle_min - 1e-7) | ~closed)
    found = worst_room(prices.angle[t], angle, grid.angle_min, grid.angle_max)
    assert found < 1e-8 * size_of_cost(d)


def check_balance(d, t):
    grid = d.grid
    p, q = drawn(grid, d.vm_pu[t], np.deg2rad(d.va_degree[t]))
    p_load, q_load = grid.demand()
    np.add.at(p, d.unit_bus, -d.p_mw[t])
    np.add.at(q, d.unit_bus, -d.q_mvar[t])
    np.add.at(p, d.store_bus, d.store_p_mw[t])
    np.add.at(q, d.store_bus, d.store_q_mvar[t])
    scale = np.divide(d.demand_mw[t], p_load * grid.base_mva, where=p_load != 0, out=None)
    scale = np.where(p_load != 0, scale, np.max(scale[p_load != 0]))
    assert abs(p + d.demand_mw[t]).max() < 1e-4
    assert abs(q + scale * q_load * grid.base_mva).max() < 1e-4


def check_units(d, t, extra=0.0, p_max=None, linked=()):
    """Stationarity by power, and its limits; ``linked`` units have ramps as well.

    Parameters
    ----------
    extra : currency per MWh on top of each unit's cost;  p_max : (n_gen,), MW
    """
    grid, prices, base = d.grid, d.prices, d.grid.base_mva
    p, q, at = d.p_mw[t], d.q_mvar[t], d.unit_bus
    p_max = grid.p_max * base if p_max is None else p_max
    size = max(abs(prices.energy[t]).max(), 1e-3)
    left = marginal_cost(grid, p) + extra - prices.energy[t, at] + prices.p[t]
    free = (grid.p_min * base < p_max) & ~np.isin(np.arange(len(p)), linked)
    assert abs(left[free]).max() < 1e-8 * size
    left_q = prices.q[t] - prices.reactive[t, at]
    assert abs(left_q[grid.q_min < grid.q_max]).max() < 1e-8 * size
    assert np.all(p >= grid.p_min * base - 1e-5)
    assert np.all(p <= p_max + 1e-5)
    assert np.all(q >= grid.q_min * base - 1e-5)
    assert np.all(q <= grid.q_max * base + 1e-5)
    assert worst_room(prices.p[t], p, grid.p_min * base, p_max) < 1e-8 * size_of_cost(d)
    found = worst_room(prices.q[t], q, grid.q_min * base, grid.q_max * base)
    assert found < 1e-8 * size_of_cost(d)


def check_conditions(d, t):
    for check in (check_voltages, check_branches, check_units):
        check(d, t)


@pytest.mark.parametrize("name", [*BUILT_IN, *FILES])
def test_an_hour_meets_the_conditions_of_an_optimum(name, dispatch_of):
    d = dispatch_of(grid_of(name))
    assert d.status == ("optimal",)
    assert d.unserved_mw[0] == 0
    check_balance(d, 0)
    check_conditions(d, 0)


@pytest.mark.parametrize("name", ["energy", "reactive", "vm", "p", "q", "branch"])
def test_wrong_prices_would_be_found(name, dispatch_of):
    """The conditions above are sharp: a price of the other sign breaks them."""
    d = dispatch_of(grid_of("pglib_opf_case118_ieee"))
    wrong = replace(d, prices=replace(d.prices, **{name: -getattr(d.prices, name)}))
    with pytest.raises(AssertionError):
        check_conditions(wrong, 0)


# --- the day with storage and ramps ---------------------------------------------------------------


def day_data():
    """The case file, read by nothing of ours."""
    return tomllib.loads(DAY.read_text(encoding="utf-8"))


def unit_at(d, label):
    """Position of the unit at a bus of the file (labels start at 1)."""
    (found,) = np.flatnonzero(d.unit_bus == d.grid.bus_id.index(label))
    return int(found)


def day_terms(d):
    """Import price of each unit and largest power of each unit, (24, n_gen)."""
    data, grid = day_data(), d.grid
    extra = np.zeros((24, grid.n_gen))
    extra[:, [k == "ext_grid" for k in d.unit_kind]] = np.array(data["costs"]["import_price"])[
        :, None
    ]
    p_max = np.tile(grid.p_max * grid.base_mva, (24, 1))
    for label, share in data["availability"].items():
        p_max[:, unit_at(d, int(label))] *= share
    return extra, p_max


def test_each_hour_of_the_day_meets_the_conditions(day):
    _, d = day
    extra, p_max = day_terms(d)
    linked = [unit_at(d, int(label)) for label in day_data()["limits"]["ramps"]]
    for t in range(24):
        check_balance(d, t)
        check_voltages(d, t)
        check_branches(d, t)
        check_units(d, t, extra[t], p_max[t], linked)


def test_what_ramps_cost_adds_up_over_the_day(day):
    """The multiplier of a ramp follows from the hours before it, and binds where the ramp does."""
    _, d = day
    extra, _ = day_terms(d)
    bound = 0
    for label, limit in day_data()["limits"]["ramps"].items():
        g = unit_at(d, int(label))
        p = d.p_mw[:, g]
        cost = [marginal_cost(d.grid, d.p_mw[t])[g] for t in range(24)] + extra[:, g]
        left = cost - d.prices.energy[:, d.unit_bus[g]] + d.prices.p[:, g]
        multiplier = np.cumsum(left)  # of the ramp into the next hour, by its upper limit
        assert multiplier[-1] == pytest.approx(0.0, abs=1e-6)
        step = np.diff(p)
        assert np.all(abs(step) <= limit + 1e-5)
        room = np.where(multiplier[:-1] > 0, limit - step, limit + step)
        assert abs(multiplier[:-1] * room).max() < 1e-4
        bound += int(np.sum(abs(multiplier[:-1]) > 1e-2))
    assert bound > 3  # else nothing is tested


def test_storage_trades_where_the_prices_say_so(day):
    """What a stored MWh is worth lies between selling and buying it, and moves at full or empty."""
    _, d = day
    (unit,) = day_data()["storage"]
    eta_in, eta_out = unit["charge_efficiency"], unit["discharge_efficiency"]
    power, energy = d.store_p_mw[:, 0], d.store_energy_mwh[:, 0]
    price = d.prices.energy[:, d.store_bus[0]]
    near, low, high = 1e-3, price * eta_out, price / eta_in
    buys, sells = power > near, power < -near
    least, most = np.where(buys, high, low), np.where(sells, low, high)
    least = np.where(sells & (power < -unit["charge_mw"] + near), -np.inf, least)
    most = np.where(buys & (power > unit["charge_mw"] - near), np.inf, most)
    low_now, high_now = -np.inf, np.inf
    runs = 0
    for t in range(24):
        low_now, high_now = max(low_now, least[t]), min(high_now, most[t])
        assert low_now <= high_now + 1e-3
        if energy[t] < near:  # empty: worth may fall, not rise
            low_now, runs = -np.inf, runs + 1
        elif energy[t] > unit["energy_mwh"] - near:  # full: worth may rise, not fall
            high_now, runs = np.inf, runs + 1
    assert runs > 0
    assert buys.any()
    assert sells.any()
    before = np.concatenate([[unit["start_energy_mwh"]], energy[:-1]])
    change = np.where(power > 0, eta_in * power, power / eta_out)
    np.testing.assert_allclose(energy - before, change, atol=2e-3)
    assert energy[-1] >= unit["start_energy_mwh"] - 1e-5
    inside = abs(d.store_q_mvar[:, 0]) < unit["max_q_mvar"] - near
    assert abs(d.prices.reactive[inside, d.store_bus[0]]).max(initial=0) < 1e-4


# --- prices are derivatives -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["case30", FILES[0], pytest.param(FILES[3], marks=pytest.mark.slow)]
)
def test_the_price_of_energy_is_what_a_little_more_load_costs(name, dispatch_of):
    """Factors scale P and Q of a bus together, so the price of Q counts with its share."""
    grid = grid_of(name)
    d = dispatch_of(grid)
    p, q = (part * grid.base_mva for part in grid.demand())
    loaded = np.flatnonzero(p > 0)
    energy = d.prices.energy[0, loaded]
    buses = {int(loaded[energy.argmin()]), int(loaded[energy.argmax()]), int(loaded[0])}
    assert np.ptp(energy) > 0.1  # else any bus would do
    for b in buses:
        costs = []
        for more in (0.01, -0.01):
            factor = np.ones(grid.n_bus)
            factor[b] += more / p[b]
            costs.append(dispatch_of(grid, factor).operating_cost)
        expected = d.prices.energy[0, b] + d.prices.reactive[0, b] * q[b] / p[b]
        assert (costs[0] - costs[1]) / 0.02 == pytest.approx(expected, rel=1e-3)


def check_limit_price(grid, kind, k, d, dispatch_of):
    """Compare a price with the cost of two dispatches, a little more and a little less room."""
    price, step, costs = getattr(d.prices, kind)[0, k], 1e-4, []
    limits = [f"{kind}_max" if price > 0 else f"{kind}_min"]
    if kind == "branch":
        limits = ["rate_from", "rate_to"]
    for sign in (1, -1):
        changed = {limit: getattr(grid, limit).copy() for limit in limits}
        for values in changed.values():
            values[k] += sign * step
        costs.append(dispatch_of(replace(grid, **changed)).operating_cost)
    per_unit = step * grid.base_mva if kind in ("p", "q", "branch") else step
    assert (costs[1] - costs[0]) / (2 * per_unit) == pytest.approx(price, rel=5e-3)


BINDING = [("case30", "vm"), ("case30", "branch"), ("case_ieee30", "q")]
BINDING += [(FILES[0], kind) for kind in ("vm", "p", "q", "branch")]
BINDING += [
    pytest.param(FILES[3], kind, marks=pytest.mark.slow) for kind in ("vm", "p", "q", "branch")
]


@pytest.mark.parametrize(("name", "kind"), BINDING)
def test_the_price_of_a_limit_is_what_a_little_more_room_saves(name, kind, dispatch_of):
    grid = grid_of(name)
    d = dispatch_of(grid)
    price = getattr(d.prices, kind)[0]
    k = int(abs(price).argmax())
    assert abs(price[k]) > 0.1  # it binds
    check_limit_price(grid, kind, k, d, dispatch_of)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_price_of_an_angle_limit(sign, dispatch_of):
    """No network here has an angle limit that binds: one is made, at either end of its range."""
    grid = grid_of("case_ieee30")
    va = np.deg2rad(dispatch_of(grid).va_degree[0])
    angle = va[grid.branch_from] - va[grid.branch_to]
    k = int(np.argmax(sign * angle))
    side = "angle_max" if sign > 0 else "angle_min"
    limit = getattr(grid, side).copy()
    limit[k] = 0.7 * angle[k]
    grid = replace(grid, **{side: limit})
    d = dispatch_of(grid)
    assert sign * d.prices.angle[0, k] > 1
    check_conditions(d, 0)
    check_limit_price(grid, "angle", k, d, dispatch_of)


def test_a_branch_price_belongs_to_the_limit_it_stands_beside(dispatch_of):
    """Lines loaded to 80 %: the table's value is the limit, so its price is that of the limit."""

    def solve(more_mva=0.0):
        net = nw.case30()
        net.line["max_loading_percent"] = 80.0
        mva = np.sqrt(3) * net.bus.vn_kv[net.line.from_bus].array
        net.line["max_i_ka"] *= 1.25
        net.line.loc[9, "max_i_ka"] += more_mva / mva[9]
        return dispatch_of(grid_from_net(prepare(net))[0])

    d = solve()
    check_conditions(d, 0)
    costs = [solve(more).operating_cost for more in (-0.01, 0.01)]
    by_rating = (costs[0] - costs[1]) / 0.02
    assert by_rating > 0.5
    assert d.prices.branch[0, 9] == pytest.approx(by_rating, rel=5e-3)
    frame = binding_frame(d).query("limit == 'max_loading'").set_index("name")
    row = frame.loc[d.grid.branch_name[9]]
    assert row.value == pytest.approx(d.grid.rate_from[9] * d.grid.base_mva)
    assert row.price_per_unit == pytest.approx(by_rating / 0.8, rel=5e-3)


def test_a_new_lines_limit_has_the_price_of_the_same_line_in_the_grid(dispatcher_of):
    """A plan's line of 2 km is the grid's line of 1 km at half its admittance."""
    grid, k = grid_of("case30"), 9
    charging = {"y_ff": grid.y_ff.copy(), "y_tt": grid.y_tt.copy()}
    for y in charging.values():
        y[k] = -grid.y_ft[k]
    out = grid.branch_in_service.copy()
    out[k] = False
    limit = grid.rate_from.copy()
    limit[k] *= 0.9
    grid = replace(grid, **charging, rate_from=limit, rate_to=limit)
    asked = dispatcher_of(replace(grid, branch_in_service=out))
    built = asked.dispatch(Plan(new_lines=(NewLine(k, 2.0),)))
    halves = {name: getattr(grid, name).copy() for name in ("y_ff", "y_ft", "y_tf", "y_tt")}
    for y in halves.values():
        y[k] *= 0.5
    own = dispatcher_of(replace(grid, **halves)).dispatch(Plan())
    assert own.unserved_mw[0] == 0
    assert own.prices.branch[0, k] > 0.1
    assert built.prices.branch[0, k] == pytest.approx(own.prices.branch[0, k], rel=1e-4)
    check_conditions(built, 0)


@pytest.mark.parametrize("name", ["case9", "case14", "case30", "case_ieee30", "case118"])
def test_prices_are_those_of_pandapowers_opf(name, dispatch_of):
    net = getattr(nw, name)()
    net.ext_grid["controllable"] = True  # else runopp holds its voltage
    low, high = (net.bus[f"{m}_vm_pu"][net.gen.bus].array for m in ("min", "max"))
    net.gen["vm_pu"] = np.clip(net.gen.vm_pu, low, high)  # else runopp widens the bus's limits
    d = dispatch_of(grid_from_net(prepare(net))[0])
    pp.runopp(net, init="pf" if name == "case_ieee30" else "flat", numba=False, delta=1e-10)
    lam = net.res_bus.loc[list(d.grid.bus_id)]
    largest = abs(lam.lam_p).max()
    np.testing.assert_allclose(d.prices.energy[0], lam.lam_p, atol=1e-4 * largest)
    np.testing.assert_allclose(d.prices.reactive[0], lam.lam_q, atol=1e-4 * largest)


def test_dearest_limits_are_reported_with_their_prices(dispatch_of):
    d = dispatch_of(grid_of("pglib_opf_case5_pjm"))
    frame = binding_frame(d)
    branch = frame[frame.limit == "max_loading"]
    assert branch.price_per_unit.max() == pytest.approx(d.prices.branch.max())
    assert len(branch) == np.sum(d.loading_percent > 99.99)


# --- the day again, by other means ----------------------------------------------------------------


class DayInCasadi:
    """The day in rectangular voltages, from pandapower's tables and admittance matrices."""

    def __init__(self, ca):
        self.ca, self.data, self.net = ca, day_data(), nw.case30()
        pp.runpp(self.net)
        self.ppc = self.net._ppc["internal"]
        self.n, self.base = len(self.net.bus), float(self.net.sn_mva)
        source = self.net.ext_grid.assign(kind="ext_grid", at=0)
        gens = self.net.gen.assign(kind="gen", at=np.arange(len(self.net.gen)))
        columns = ["kind", "at", "bus", "min_p_mw", "max_p_mw", "min_q_mvar", "max_q_mvar"]
        self.units = [*source[columns].itertuples(), *gens[columns].itertuples()]
        self.x, self.low, self.high, self.start = [], [], [], []
        self.g, self.g_low, self.g_high, self.cost = [], [], [], 0.0

    def var(self, n, low, high, start):
        x = self.ca.SX.sym("x", n)
        self.x.append(x)
        for target, value in ((self.low, low), (self.high, high), (self.start, start)):
            target.append(np.broadcast_to(value, n))
        return x

    def row(self, g, low, high):
        self.g.append(g)
        self.g_low.append(np.broadcast_to(low, g.shape[0]))
        self.g_high.append(np.broadcast_to(high, g.shape[0]))

    def current(self, name, e, f):
        """Real and imaginary part of an admittance matrix times the voltages."""
        y = self.ppc[name].tocsc()
        g, b = self.ca.DM(y.real), self.ca.DM(y.imag)
        return g @ e - b @ f, g @ f + b @ e

    def hour(self, t):
        """Powers of the units (MW), of the battery (MW) and its content (MWh)."""
        ca, net, n = self.ca, self.net, self.n
        e, f = self.var(n, -2, 2, 1.0), self.var(n, -2, 2, 0.0)
        self.row(f[0], 0.0, 0.0)
        self.row(e**2 + f**2, net.bus.min_vm_pu.array**2, net.bus.max_vm_pu.array**2)
        i_re, i_im = self.current("Ybus", e, f)
        p_out, q_out = e * i_re + f * i_im, f * i_re - e * i_im
        p = self.var(len(self.units), *self.unit_range(t))
        low, high = (
            np.array([getattr(u, f"{m}_q_mvar") for u in self.units]) for m in ("min", "max")
        )
        q = self.var(len(self.units), low, high, 0.0)
        (unit,) = self.data["storage"]
        power, reactive, size = unit["charge_mw"], unit["max_q_mvar"], unit["energy_mwh"]
        into, out = self.var(1, 0, power, 1.0), self.var(1, 0, power, 1.0)
        q_store = self.var(1, -reactive, reactive, 0.0)
        content = self.var(1, 0 if t < 23 else unit["start_energy_mwh"], size, size / 2)
        at = ca.DM(n, len(self.units))
        for k, u in enumerate(self.units):
            at[int(u.bus), k] = 1
        store = ca.DM(n, 1)
        store[unit["bus"] - 1] = 1
        load = np.zeros((2, n))
        for part, column in zip(load, ("p_mw", "q_mvar"), strict=True):
            np.add.at(
                part, net.load.bus.to_numpy(), net.load[column] * self.data["load"]["curve"][t]
            )
        self.row((at @ p - store @ (into - out) - load[0]) / self.base - p_out, 0, 0)
        self.row((at @ q - store @ q_store - load[1]) / self.base - q_out, 0, 0)
        kv = net.bus.vn_kv[net.line.from_bus].array
        most = net.line.max_i_ka * np.sqrt(3) * kv / self.base
        most = (most * net.line.max_loading_percent / 100).array
        for side in ("Yf", "Yt"):
            re, im = self.current(side, e, f)
            self.row((re**2 + im**2) / most**2, -np.inf, 1.0)
        self.add_cost(p, t)
        return p, into, out, content

    def unit_range(self, t):
        low = np.array([u.min_p_mw for u in self.units])
        high = np.array([u.max_p_mw for u in self.units])
        for label, share in self.data["availability"].items():
            (k,) = [k for k, u in enumerate(self.units) if u.bus == int(label) - 1]
            high[k] *= share[t]
        return low, high, (low + high) / 2

    def add_cost(self, p, t):
        free = {g["generator"] - 1 for g in self.data["costs"]["generators"]}
        table = self.net.poly_cost.set_index(["et", "element"])
        for k, u in enumerate(self.units):
            if u.bus not in free:
                row = table.loc[u.kind, u.at]
                self.cost += row.cp0_eur + row.cp1_eur_per_mw * p[k]
                self.cost += row.cp2_eur_per_mw2 * p[k] ** 2
            if u.kind == "ext_grid":
                self.cost += self.data["costs"]["import_price"][t] * p[k]

    def solve(self):
        (unit,) = self.data["storage"]
        before, content = None, unit["start_energy_mwh"]
        for t in range(24):
            p, into, out, now = self.hour(t)
            gained = unit["charge_efficiency"] * into - out / unit["discharge_efficiency"]
            self.row(now - content - gained, 0, 0)
            for label, limit in self.data["limits"]["ramps"].items() if t else ():
                (k,) = [k for k, u in enumerate(self.units) if u.bus == int(label) - 1]
                self.row(p[k] - before[k], -limit, limit)
            before, content = p, now
        problem = {"x": self.ca.vertcat(*self.x), "f": self.cost, "g": self.ca.vertcat(*self.g)}
        quiet = {"print_time": False, "ipopt": {"print_level": 0, "sb": "yes", "tol": 1e-9}}
        solver = self.ca.nlpsol("day", "ipopt", problem, quiet)
        names = {"lbx": self.low, "ubx": self.high, "x0": self.start}
        names |= {"lbg": self.g_low, "ubg": self.g_high}
        answer = solver(**{name: np.concatenate(parts) for name, parts in names.items()})
        assert solver.stats()["success"]
        return float(answer["f"])


@pytest.mark.slow
def test_the_day_costs_what_another_formulation_finds(day):
    """Rectangular voltages, pandapower's matrices, CasADi's derivatives: only Ipopt is shared."""
    _, d = day
    found = DayInCasadi(pytest.importorskip("casadi")).solve()
    assert d.operating_cost == pytest.approx(found, rel=1e-5)
