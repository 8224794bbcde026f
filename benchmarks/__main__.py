"""Run the benchmarks: ``python -m benchmarks [NAME [options]]``; all of them without a name."""

from __future__ import annotations

import sys

from benchmarks import allocation, dispatch_24h, radial, resolve

REGISTRY = {
    "dispatch_24h": dispatch_24h.main,
    "resolve": resolve.main,
    "radial": radial.main,
    "allocation": allocation.main,
}


def main() -> None:
    """Run one benchmark with its options, or all of them."""
    name, *options = sys.argv[1:] or ["all"]
    if name in REGISTRY:
        REGISTRY[name](options)
    elif name == "all":
        for run in REGISTRY.values():
            run([])
    else:
        raise SystemExit(f"no benchmark {name}; there are {', '.join(REGISTRY)} and all")


if __name__ == "__main__":
    main()
