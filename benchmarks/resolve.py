"""One hour solved again at another load: by bounds, Pyomo rebuilt, CasADi and pandapower."""

from __future__ import annotations

import argparse
import json
import logging
import platform
import statistics
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pandapower.networks as nw
from pyomo.contrib.pynumero.asl import AmplInterface

from benchmarks.resolve_page import write_page
from benchmarks.resolve_peers import CasadiModel, Parts, Runopp, solve_pyomo
from hybridopt import load_case
from hybridopt.case import Horizon
from hybridopt.dispatch import Dispatcher
from hybridopt.grid import DGSites, Plan
from hybridopt.hours import FULL_SERVICE, UNSERVED
from hybridopt.network import prepare, read_network
from hybridopt.network_grid import grid_from_net
from hybridopt.settings import Settings
from hybridopt.solvers.ipopt import WITHIN
from hybridopt.solvers.reduced import Reduced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FACTORS = (1.0, 0.99, 0.98, 0.97, 0.96, 0.95)
AGREE = 1e-5  # relative
BUILT_IN = ("case9", "case_ieee30", "case30", "case118")
PGLIB = Path("tests/data/pglib")
HOURS = (1, 2, 4, 8, 12, 24)
CALLBACKS = ("objective", "gradient", "constraints", "jacobian", "hessian", "intermediate")
EVALUATIONS = ("eval_f", "eval_deriv_f", "eval_g", "eval_jac_g", "eval_hes_lag")


class Case:
    """A network, our dispatcher and its peers, all with the same equations and options."""

    def __init__(self, name: str, net: Any) -> None:
        self.name = name
        net = prepare(net)
        self.grid = grid_from_net(net, branch_limit="power")[0]
        factor = np.tile(np.array(FACTORS)[:, None], (1, self.grid.n_bus))
        ones, hours = np.ones(len(FACTORS)), np.arange(1, len(FACTORS) + 1)
        horizon = Horizon(load_factor=factor, dg_profile=ones, hours=hours)
        self.ours = Dispatcher(self.grid, DGSites(), horizon, Settings(), thorough=True)
        options = self.ours.settings.options | WITHIN | FULL_SERVICE[0]
        parts = Parts(self.grid)
        self.casadi = _casadi(parts, options)
        self.runopp = Runopp(net, self.grid)
        self.methods: dict[str, Callable[[int], float]] = {"hybridopt": self.solve}
        if self.casadi is not None:
            casadi = self.casadi
            self.methods["CasADi"] = lambda level: casadi.solve(FACTORS[level])
        self.methods["Pyomo rebuilt"] = lambda level: solve_pyomo(parts, FACTORS[level], options)
        self.methods["runopp"] = lambda level: self.runopp.solve(FACTORS[level])

    def solve(self, level: int) -> float:
        """One load level as `hybridopt dispatch` solves it, read into physical units."""
        at = np.array([level])
        results = self.ours.solve_levels(Plan(), at)
        self.iterations = results[level].iterations
        return self.ours.read(Plan(), results, at, at + 1).operating_cost

    @property
    def iterations_of_peer(self) -> int | None:
        """Ipopt's iterations in CasADi's last solve."""
        return None if self.casadi is None else self.casadi.iterations


def _casadi(parts: Parts, options: Any) -> CasadiModel | None:
    try:
        return CasadiModel(parts, options)
    except ImportError:  # it comes with `make setup`, not with the package
        return None


@dataclass
class Clock:
    """Where the time of our solves goes.

    Attributes
    ----------
    callbacks, asl : s, inside what Ipopt calls back, and of that inside the ASL library
    """

    callbacks: float = 0.0
    asl: float = 0.0
    calls: dict[str, list[float]] = field(default_factory=dict)
    inside: bool = False

    def callback(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """Time a method of the problem that Ipopt sees."""

        def timed(*args: Any) -> Any:
            began, self.inside = time.perf_counter(), True
            found = method(*args)
            spent, self.inside = time.perf_counter() - began, False
            self.callbacks += spent
            self.calls.setdefault(name, []).append(spent)
            return found

        return timed

    def evaluation(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Time a function of the ASL library, where Ipopt asked for it."""

        def timed(*args: Any) -> Any:
            began = time.perf_counter()
            found = method(*args)
            if self.inside:
                self.asl += time.perf_counter() - began
            return found

        return timed


@contextmanager
def clocked() -> Iterator[Clock]:
    """Time callbacks and the ASL library inside the block."""
    clock = Clock()
    timed = {name: clock.callback(name, getattr(Reduced, name)) for name in CALLBACKS}
    asl = {name: clock.evaluation(getattr(AmplInterface, name)) for name in EVALUATIONS}
    with patch.multiple(Reduced, **timed), patch.multiple(AmplInterface, **asl):
        yield clock


def shares(case: Case, repeat: int) -> dict[str, Any]:
    """Shares of a re-solve's wall time, and the time of each callback in ms."""
    ours = case.ours
    before, began = ours.solve_s, time.perf_counter()
    with clocked() as clock:
        for _ in range(repeat):
            for level in range(len(FACTORS)):
                case.solve(level)
    wall, inside = time.perf_counter() - began, ours.solve_s - before
    return {
        "cyipopt": (inside - clock.callbacks) / wall,
        "asl": clock.asl / wall,
        "callbacks_python": (clock.callbacks - clock.asl) / wall,
        "own": (wall - inside) / wall,
        "callback_ms": {k: 1e3 * statistics.median(v) for k, v in clock.calls.items()},
    }


def measure(case: Case, repeat: int, most_s: float) -> dict[str, Any]:
    """Time every method in turn at every load; the first call of each warms up and is compared."""
    costs = {name: method(0) for name, method in case.methods.items()}
    own = costs["hybridopt"]
    for name in costs.keys() - {"runopp"}:
        if not abs(costs[name] / own - 1) <= AGREE:
            raise AssertionError(f"{case.name}: {name} finds {costs[name]}, hybridopt {own}")
    times: dict[str, list[float]] = {name: [] for name in case.methods}
    began = time.perf_counter()
    for round_ in range(repeat):
        for level in range(len(FACTORS)):
            if round_ and time.perf_counter() - began > most_s:
                break
            for name, method in case.methods.items():  # in turn: drift hits all alike
                start = time.perf_counter()
                method(level)
                times[name].append(time.perf_counter() - start)
    rows = {}
    for name, seconds in times.items():
        low, middle, high = np.percentile(seconds, [25, 50, 75])
        pairs = [s / ours for s, ours in zip(seconds, times["hybridopt"], strict=True)]
        rows[name] = {
            "median_s": float(middle),
            "quartiles_s": [float(low), float(high)],
            "ratio": statistics.median(pairs),
            "cost": costs[name],
            "difference": costs[name] / own - 1,
        }
    return {
        "case": case.name,
        "buses": case.grid.n_bus,
        "compile_s": case.ours.compile_s,
        "iterations": case.iterations,
        "iterations_casadi": case.iterations_of_peer,
        "runopp_init": case.runopp.init,
        "solves": len(times["hybridopt"]),
        "methods": rows,
        "shares": shares(case, 2 if case.grid.n_bus < 1000 else 1),
    }


def coupled_hours(repeat: int) -> list[dict[str, Any]]:
    """Time of IEEE 30 over some hours of the case's load curve, a ramp limit linking them."""
    grid = grid_from_net(prepare(nw.case_ieee30()))[0]
    ramp = grid.ramp_up.copy()
    ramp[0] = 10.0 / grid.base_mva  # MW per hour, on the unit that follows the load
    grid = replace(grid, ramp_up=ramp, ramp_down=ramp)
    curve = load_case("ieee30").horizon.load_factor
    rows = []
    for n in HOURS:
        ones, hours = np.ones(n), np.arange(1, n + 1)
        horizon = Horizon(load_factor=curve[:n], dg_profile=ones, hours=hours)
        dispatcher = Dispatcher(grid, DGSites(), horizon, Settings(merge_equal_hours=False))
        solver, times = dispatcher.coupled, []
        for _ in range(repeat + 1):
            began = time.perf_counter()
            state = dispatcher.state(Plan(), np.arange(n))
            stages = [UNSERVED, {"operating_cost": 1.0}]
            result = solver.solve_running(state, stages, None, True)
            times.append(time.perf_counter() - began)
            if not result.solution.ok:
                raise RuntimeError(f"{n} hours: {result.solution.message}")
        rows.append(
            {
                "hours": n,
                "compile_s": dispatcher.compile_s,
                "median_s": statistics.median(times[1:]),
                "iterations": result.iterations,
            }
        )
    return rows


def cases(pglib: Path) -> Iterator[Case]:
    """All cases, the PGLib files of a folder last, smallest first."""
    for name in BUILT_IN:
        yield Case(name, getattr(nw, name)())
    files = {path.stem: path for folder in (PGLIB, pglib) for path in folder.glob("*.m")}
    for path in sorted(files.values(), key=lambda path: path.stat().st_size):
        yield Case(path.stem, read_network(str(path)))


def machine() -> dict[str, str]:
    """What the times depend on."""
    import cyipopt

    found = {"machine": platform.machine(), "Python": platform.python_version()}
    found["Ipopt"] = ".".join(map(str, cyipopt.IPOPT_VERSION))
    for name in ("cyipopt", "pyomo", "casadi", "pandapower"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def show(row: dict[str, Any]) -> None:
    """Print one case as it is done."""
    share = row["shares"]
    print(f"{row['case']}: {row['buses']} buses, {row['iterations']} iterations")
    for name, found in row["methods"].items():
        low, high = (1e3 * x for x in found["quartiles_s"])
        print(
            f"  {name:<15}{1e3 * found['median_s']:>10.1f} ms ({low:.1f}-{high:.1f})"
            f"{found['ratio']:>8.2f}   cost {found['cost']:.4f} ({found['difference']:+.1e})"
        )
    print(
        f"  cyipopt {share['cyipopt']:.0%}, ASL {share['asl']:.0%}, "
        f"own in callbacks {share['callbacks_python']:.1%}, own around {share['own']:.1%}",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write what the options ask for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks resolve", description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="rounds over all loads (default 5)")
    parser.add_argument("--most", type=float, default=60.0, help="s for one case (default 60)")
    parser.add_argument("--pglib", type=Path, default=PGLIB, help="folder with more .m files")
    parser.add_argument("--json", type=Path, default=Path("results/resolve.json"))
    parser.add_argument("--page", type=Path, help="write this page, its figures beside it")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")  # pandapower's own, once per call
    logging.getLogger("pyomo.core").setLevel(logging.ERROR)  # values 1e-10 beyond their bounds
    rows = []
    for case in cases(options.pglib):
        rows.append(measure(case, options.repeat, options.most))
        show(rows[-1])
    hours = coupled_hours(options.repeat)
    for row in hours:
        print(f"{row['hours']:>3} coupled hours: {1e3 * row['median_s']:.1f} ms")
    answer = {"machine": machine(), "cases": rows, "coupled_hours": hours}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(answer, indent=2) + "\n")
    print(f"written to {options.json}")
    if options.page:
        write_page(options.page, answer)


if __name__ == "__main__":
    main()
