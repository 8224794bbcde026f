"""Run the benchmarks: ``python -m benchmarks [--repeat N] [--out FILE.json]``."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from pathlib import Path

from benchmarks.dispatch_24h import Setting


def main() -> None:
    """Time every method in turn, several rounds, and print medians and ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks.json"))
    options = parser.parse_args()
    methods = Setting().methods()
    values = {name: method() for name, method in methods.items()}  # warm-up, and the answers
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(options.repeat):
        for name, method in methods.items():  # in turn, so that drift hits all alike
            began = time.perf_counter()
            method()
            times[name].append(time.perf_counter() - began)
    first = next(iter(methods))
    print(f"24 h dispatch of one IEEE 30 plan, median of {options.repeat} rounds")
    print(f"{'method':<46}{'s':>8}{'ratio':>8}{'cost per day':>16}")
    rows = []
    for name, seconds in times.items():
        pairs = [s / ours for s, ours in zip(seconds, times[first], strict=True)]
        row = {
            "method": name,
            "median_s": statistics.median(seconds),
            "min_s": min(seconds),
            "max_s": max(seconds),
            "ratio_to_ours": statistics.median(pairs),
            "operating_cost": values[name],
        }
        rows.append(row)
        print(f"{name:<46}{row['median_s']:>8.3f}{row['ratio_to_ours']:>8.1f}{values[name]:>16.3f}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    options.out.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
