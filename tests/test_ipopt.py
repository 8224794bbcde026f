"""The compiled solver: statuses, masks, our own residual check, and optimality conditions."""

import numpy as np
import pandapower.networks as nw
import pytest
from pyomo.environ import ConcreteModel, Constraint, Objective, RangeSet, Var

from hybridopt.errors import SolverUnavailableError
from hybridopt.grid import DGSites, Plan, Unit
from hybridopt.solvers.available import require_solver
from hybridopt.solvers.ipopt import CompiledModel
from hybridopt.solvers.status import IPOPT_STATUS, Status

QUIET = {"print_level": 0, "sb": "yes"}

# Ipopt's ApplicationReturnStatus (IpReturnCodes_inc.h of Ipopt 3.14), by hand.
RETURN_CODES = {
    0: "Solve_Succeeded",
    1: "Solved_To_Acceptable_Level",
    2: "Infeasible_Problem_Detected",
    3: "Search_Direction_Becomes_Too_Small",
    4: "Diverging_Iterates",
    5: "User_Requested_Stop",
    6: "Feasible_Point_Found",
    -1: "Maximum_Iterations_Exceeded",
    -2: "Restoration_Failed",
    -3: "Error_In_Step_Computation",
    -4: "Maximum_CpuTime_Exceeded",
    -5: "Maximum_WallTime_Exceeded",
    -10: "Not_Enough_Degrees_Of_Freedom",
    -11: "Invalid_Problem_Definition",
    -12: "Invalid_Option",
    -13: "Invalid_Number_Detected",
    -100: "Unrecoverable_Exception",
    -101: "NonIpopt_Exception_Thrown",
    -102: "Insufficient_Memory",
    -199: "Internal_Error",
}


def test_every_return_code_of_ipopt_has_a_status():
    assert {code: name for code, (_, name) in IPOPT_STATUS.items()} == RETURN_CODES
    good = {code for code, (status, _) in IPOPT_STATUS.items() if status == "optimal"}
    assert good == {0, 6}
    assert IPOPT_STATUS[1][0] is Status.ACCEPTABLE
    assert IPOPT_STATUS[2][0] is Status.INFEASIBLE


@pytest.fixture(scope="module")
def circle():
    """Minimise x + y on x^2 + y^2 <= 2, x - y >= row; optimum (-1, -1)."""
    m = ConcreteModel()
    m.i = RangeSet(0, 1)
    m.x = Var(m.i, bounds=(-5, 5), initialize=0.3)
    m.a = Var(initialize=1.0)
    m.goal = Objective(expr=m.x[0] + m.x[1])
    m.disc = Constraint(expr=m.x[0] ** 2 + m.x[1] ** 2 <= 2)
    m.apart = Constraint(expr=m.a * (m.x[0] - m.x[1]) >= 1)
    model = CompiledModel(m)
    return model, model.columns(m.x, 2), model.columns(m.a), model.rows(m.disc), model.rows(m.apart)


@pytest.fixture
def circle_bounds(circle):
    model, _, a, _, apart = circle
    bounds = model.bounds()
    bounds.fix(a, 1.0)
    bounds.row_on[apart] = False
    return bounds


def test_row_that_is_off_does_not_count(circle, circle_bounds):
    model, x, _, _, apart = circle
    solution = model.solve(circle_bounds, QUIET)
    assert solution.status is Status.OPTIMAL
    np.testing.assert_allclose(solution.x[x], [-1, -1], atol=1e-6)
    assert solution.row_multiplier[apart] == 0
    circle_bounds.row_on[apart] = True
    solution = model.solve(circle_bounds, QUIET)
    assert solution.x[x[0]] - solution.x[x[1]] >= 1 - 1e-6


def test_fixed_variable_is_data(circle, circle_bounds):
    model, x, a, _, apart = circle
    circle_bounds.fix(x[1:], 0.5)
    solution = model.solve(circle_bounds, QUIET)
    assert solution.x[x[1]] == 0.5
    assert solution.x[x[0]] == pytest.approx(-np.sqrt(1.75), rel=1e-6)
    circle_bounds.row_on[apart] = True
    circle_bounds.fix(a, -2.0)
    assert model.solve(circle_bounds, QUIET).x[x[0]] <= 0.0 + 1e-6


def test_nothing_free_is_a_look_at_the_point(circle, circle_bounds):
    model, x, _, _, _ = circle
    circle_bounds.fix(x, 0.5)
    solution = model.solve(circle_bounds, QUIET)
    assert solution.status is Status.OPTIMAL
    assert solution.objective == 1.0
    circle_bounds.fix(x, 2.0)
    solution = model.solve(circle_bounds, QUIET)
    assert solution.status is Status.FAILED
    assert not solution.ok
    assert solution.violation == pytest.approx(3.0)


def test_bounds_are_copies(circle):
    model = circle[0]
    first = model.bounds()
    first.x_min[:] = first.x_max[:] = 7.0
    first.row_on[:] = False
    second = model.bounds()
    assert second.row_on.all()
    assert not (second.x_min == 7.0).any()


def test_infeasible_is_a_value(circle, circle_bounds):
    model, x, _, _, _ = circle
    circle_bounds.x_min[x] = 1.5
    solution = model.solve(circle_bounds, QUIET)
    assert solution.status is Status.INFEASIBLE
    assert not solution.ok
    assert solution.violation > 0.1


def test_iteration_limit_is_a_value(circle, circle_bounds):
    model = circle[0]
    solution = model.solve(circle_bounds, QUIET | {"max_iter": 1})
    assert solution.status is Status.FAILED
    assert solution.message == "Maximum_Iterations_Exceeded"
    assert solution.iterations == 1
    assert not solution.ok


def test_point_that_ipopt_calls_optimal_but_violates_a_row_is_refused(circle, circle_bounds):
    model = circle[0]
    loose = QUIET | {"tol": 0.5, "constr_viol_tol": 1e3, "dual_inf_tol": 1e3, "compl_inf_tol": 1e3}
    loose |= {"nlp_scaling_method": "none", "bound_relax_factor": 0.2}
    solution = model.solve(circle_bounds, loose)
    assert solution.violation > 1e-3
    assert solution.status is Status.FAILED
    assert "violated" in solution.message


def test_a_lying_solver_is_refused(circle, circle_bounds, monkeypatch):
    """Whatever the return code: a point outside the rows is no solution."""
    model = circle[0]

    class Liar:
        def __init__(self, n, m, **_):
            self.n, self.m = n, m

        def add_option(self, *_):
            pass

        def solve(self, x):
            zeros = {"mult_g": np.zeros(self.m), "mult_x_L": 0 * x, "mult_x_U": 0 * x}
            return np.full(self.n, 4.0), {"status": 0, **zeros}

    monkeypatch.setattr("cyipopt.Problem", Liar)
    solution = model.solve(circle_bounds, QUIET)
    assert solution.status is Status.FAILED
    assert solution.violation == pytest.approx(15.0)  # 16 + 16 over 2, relative to 2


def test_point_outside_its_bounds_is_brought_back(circle, circle_bounds):
    model, x, _, disc, _ = circle
    circle_bounds.row_on[disc] = False
    solution = model.solve(circle_bounds, QUIET)
    assert (solution.x[x] >= -5.0).all()


def test_sign_of_row_multipliers(circle, circle_bounds):
    """Lagrangian f + multiplier * row: relaxing an upper bound by e changes f by -multiplier e."""
    model, _, _, disc, _ = circle
    base = model.solve(circle_bounds, QUIET | {"tol": 1e-10})
    circle_bounds.row_max[disc] += 1e-3
    more = model.solve(circle_bounds, QUIET | {"tol": 1e-10})
    slope = (more.objective - base.objective) / 1e-3
    assert slope == pytest.approx(-0.5, rel=1e-3)
    assert slope == pytest.approx(-base.row_multiplier[disc][0], rel=1e-3)


def test_sign_of_variable_multipliers(circle, circle_bounds):
    """Raising a lower bound by e changes f by -x_multiplier e; so does an upper bound."""
    model, x, _, _, _ = circle
    circle_bounds.x_min[x[0]] = -0.5
    base = model.solve(circle_bounds, QUIET | {"tol": 1e-10})
    circle_bounds.x_min[x[0]] += 1e-4
    more = model.solve(circle_bounds, QUIET | {"tol": 1e-10})
    slope = (more.objective - base.objective) / 1e-4
    assert slope > 0.1
    assert slope == pytest.approx(-base.x_multiplier[x[0]], rel=1e-2)
    circle_bounds.x_min[x[0]], circle_bounds.x_max[x[0]] = -5.0, -1.2
    base = model.solve(circle_bounds, QUIET | {"tol": 1e-10})
    circle_bounds.x_max[x[0]] += 1e-4
    more = model.solve(circle_bounds, QUIET | {"tol": 1e-10})
    slope = (more.objective - base.objective) / 1e-4
    assert slope < -0.01
    assert slope == pytest.approx(-base.x_multiplier[x[0]], rel=1e-2)


def test_missing_library_says_how_to_mend_it(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "cyipopt":
            raise ImportError("no module")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SolverUnavailableError, match="make setup"):
        require_solver()


# --- optimality conditions of solved dispatches ---------------------------------------------------


def residuals(model, bounds, solution):
    """Stationarity, primal and dual feasibility, complementarity at a point (largest values)."""
    asl = model._asl
    n_x, n_row = model.n_x, model.n_row
    gradient = np.empty(n_x)
    asl.eval_deriv_f(solution.x, gradient)
    structure = np.empty((2, asl.get_nnz_jac_g()), dtype=np.intc)
    asl.struct_jac_g(structure[0], structure[1])
    values = np.empty(structure.shape[1])
    asl.eval_jac_g(solution.x, values)
    pull = np.bincount(
        structure[1] - 1, values * solution.row_multiplier[structure[0] - 1], minlength=n_x
    )
    free = bounds.x_min < bounds.x_max
    on = bounds.row_on
    left = gradient + pull + solution.x_multiplier
    g = np.empty(n_row)
    asl.eval_g(solution.x, g)
    room_up, room_down = bounds.row_max - g, g - bounds.row_min
    y = solution.row_multiplier
    slack = np.where(y > 0, room_up, room_down)[on]
    x_up, x_down = bounds.x_max - solution.x, solution.x - bounds.x_min
    z = solution.x_multiplier
    x_slack = np.where(z > 0, x_up, x_down)[free]
    with np.errstate(invalid="ignore"):
        products = np.concatenate([abs(y[on]) * abs(slack), abs(z[free]) * abs(x_slack)])
    return {
        "stationarity": float(np.max(abs(left[free]))),
        "primal": float(max(-room_up[on].min(), -room_down[on].min(), 0.0)),
        "complementarity": float(np.nanmax(products)),
        "scale": float(np.max(abs(gradient[free]))),
    }


@pytest.mark.parametrize("name", ["case9", "case_ieee30", "case14", "case118"])
@pytest.mark.parametrize("goal", ["operating_cost", "loss_mwh", "unserved_mwh"])
def test_solved_hour_meets_the_kkt_conditions(name, goal, dispatcher_of):
    net = getattr(nw, name)()
    factor = 1.6 if goal == "unserved_mwh" else 1.0
    d = dispatcher_of(net, [factor])
    model = d.hour.model
    state = d.state(Plan(), np.array([0]))
    if goal != "unserved_mwh":
        state.must_serve[:] = True
    bounds = model.bounds(state, {goal: 1.0})
    solution = model.nlp.solve(bounds, d.settings.options)
    assert solution.ok
    r = residuals(model.nlp, bounds, solution)
    assert r["stationarity"] < 1e-5 * max(1.0, r["scale"])
    assert r["primal"] < 2e-7
    assert r["complementarity"] < 1e-4 * max(1.0, r["scale"])


def test_coupled_hours_meet_the_kkt_conditions(dispatcher_of):
    sites = DGSites(bus=(4, 8), tan_phi=0.48, cost_per_mw=0.2, max_mw=80)
    d = dispatcher_of(nw.case9(), [0.6, 0.9, 1.3], sites)
    model = d.coupled.model
    state = d.state(Plan((), (Unit(4), Unit(8))), np.arange(3), 80.0)
    bounds = model.bounds(state, {"operating_cost": 1.0}, {"plan_cost": 10.0})
    solution = model.nlp.solve(bounds, d.settings.options)
    assert solution.ok
    r = residuals(model.nlp, bounds, solution)
    assert r["stationarity"] < 1e-5 * max(1.0, r["scale"])
    assert r["primal"] < 2e-7
    assert r["complementarity"] < 1e-4 * max(1.0, r["scale"])
    rating = model.value(solution, model.rating) * 100
    assert 0.2 * rating.sum() <= 10.0 + 1e-5


def test_derivatives_of_the_dispatch_model(dispatcher_of):
    """The library's Jacobian and gradient against differences, at a point away from flat."""
    d = dispatcher_of(nw.case9(), [1.0], DGSites(bus=(4,), tan_phi=0.48, cost_per_mw=0.2))
    model = d.hour.model
    state = d.state(Plan((), (Unit(4),)), np.array([0]), 50.0)
    bounds = model.bounds(state, {"operating_cost": 1.0, "loss_mwh": 3.0})
    rng = np.random.default_rng(0)
    x = bounds.x_start + 0.05 * rng.standard_normal(bounds.x_start.size)
    asl, nlp = model.nlp._asl, model.nlp
    structure = np.empty((2, asl.get_nnz_jac_g()), dtype=np.intc)
    asl.struct_jac_g(structure[0], structure[1])
    values = np.empty(structure.shape[1])
    asl.eval_jac_g(x, values)
    direction = rng.standard_normal(x.size)
    forward, backward = (nlp.evaluate_rows(x + h * direction) for h in (1e-6, -1e-6))
    along = np.bincount(structure[0] - 1, values * direction[structure[1] - 1], nlp.n_row)
    np.testing.assert_allclose((forward - backward) / 2e-6, along, rtol=1e-5, atol=1e-3)


# --- what a point is worth, whatever Ipopt calls it -----------------------------------------------


def answering(x, code, row=0.0, low=0.0, high=0.0):
    """A stand-in for cyipopt's problem that gives one answer."""

    class Answer:
        def __init__(self, n, m, **_):
            self.n, self.m = n, m

        def add_option(self, *_):
            pass

        def solve(self, _start):
            sides = {"mult_x_L": np.full(self.n, low), "mult_x_U": np.full(self.n, high)}
            return np.array(x), {"status": code, "mult_g": np.full(self.m, row), **sides}

    return Answer


def test_an_acceptable_point_that_meets_the_conditions_is_optimal(
    circle, circle_bounds, monkeypatch
):
    """At (-1, -1) the gradient (1, 1) is taken up by 1/2 times the disc's (-2, -2)."""
    model = circle[0]
    monkeypatch.setattr("cyipopt.Problem", answering([-1.0, -1.0], 1, row=0.5))
    solution = model.solve(circle_bounds, QUIET)
    assert solution.status is Status.OPTIMAL
    assert solution.message.startswith("Solved_To_Acceptable_Level")
    monkeypatch.setattr("cyipopt.Problem", answering([-1.0, -1.0], 1, row=0.501))
    assert model.solve(circle_bounds, QUIET).status is Status.ACCEPTABLE  # not stationary
    monkeypatch.setattr("cyipopt.Problem", answering([-0.5, -0.5], 1, row=1.0))
    assert model.solve(circle_bounds, QUIET).status is Status.ACCEPTABLE  # not complementary


def test_a_bound_missed_by_rounding_is_better_than_a_steep_row_missed(monkeypatch):
    m = ConcreteModel()
    m.x = Var(bounds=(-5, 1), initialize=0.0)
    m.goal = Objective(expr=m.x)
    m.steep = Constraint(expr=1e6 * m.x == 1e6 + 1e-4)
    model = CompiledModel(m)
    monkeypatch.setattr("cyipopt.Problem", answering([1 + 1e-10], 0))
    free = model.bounds()
    assert model.solve(free, QUIET, feasible=1e-11).x[0] == 1 + 1e-10
    monkeypatch.setattr("cyipopt.Problem", answering([1 + 1e-3], 0))
    free.row_on[:] = False
    assert model.solve(free, QUIET).x[0] == 1.0  # brought back where nothing speaks against it
