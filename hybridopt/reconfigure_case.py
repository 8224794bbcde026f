"""A case file as the input of a reconfiguration: its network, its event's lines, its curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.errors import Finding, InputError
from hybridopt.network_feeder import feeder_from_net

if TYPE_CHECKING:
    from hybridopt.network_scenario import Scenario


def feeder_case(scenario: Scenario) -> tuple[str, Any, tuple[str, ...], Any]:
    """Name, net, branches that the event takes out (by the feeder's names), factors (24, n_load).

    Raises
    ------
    InputError
        The event takes out something that is no branch, or the network is no feeder.
    """
    name, grid = scenario.case.name, scenario.grid
    event = scenario.event
    if event.gens or event.loads or event.buses or event.shunts:
        message = "takes out more than branches, which is all that a reconfiguration knows"
        raise InputError([Finding(f"{name} [event]", message)])
    feeder = feeder_from_net(scenario.net, name)
    keys = zip(feeder.branch_kind, feeder.branch_index.tolist(), strict=True)
    known = dict(zip(keys, feeder.branch_name, strict=True))
    fault = tuple(
        str(known[grid.branch_kind[m], int(grid.branch_index[m])]) for m in event.branches
    )
    at = [scenario.net_bus_position[int(bus)] for bus in scenario.net.load.bus]
    return name, scenario.net, fault, scenario.horizon.load_factor[:, at]
