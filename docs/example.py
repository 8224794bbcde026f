"""From a pandapower net and an event to the report: python docs/example.py [FOLDER]."""

import sys

import pandapower.networks

from hybridopt import load_case, run_study, write_results


def main(folder: str) -> None:
    """Study a net with an event, and write its report."""
    net = pandapower.networks.case14()
    net.load.loc[net.load.bus == 2, "p_mw"] *= 1.2  # any net of your own; it is left alone
    case = {
        "event": {"external_grids": [0], "lines": ["1-4", "3-4"]},
        "resources": {
            "lines": {"damaged": True, "cost": 3.0},
            "dg": {"max_units": 1, "cost_per_mw": 0.2, "operating_cost_per_mwh": 60.0},
        },
        "budget": 25.0,
    }
    study = run_study(load_case(case, net=net), seed=1)
    print(study.dispatch.units_frame().head())
    print(study.net.gen[["name", "bus", "p_mw", "vm_pu", "slack"]])
    print(write_results(study, folder, force=True))


if __name__ == "__main__":  # processes are spawned: they import this file
    main(sys.argv[1] if len(sys.argv) > 1 else "results/example")
