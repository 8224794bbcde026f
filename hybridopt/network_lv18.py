"""The low-voltage network of reference D: 18 buses, two feeders behind one transformer."""

from __future__ import annotations

from typing import Any

import pandapower as pp

FEEDERS = (range(3, 10), range(10, 19))  # buses, each feeder beginning at bus 2
LENGTH_KM = 0.1
LOAD_MW, GENERATION_MW = 0.003, 0.002  # until profiles replace them


def lv18_net() -> Any:
    """Build the network.

    Bus 1 at 20 kV with the external grid (1.02 pu), a 0.4 MVA transformer to bus 2, 100 m of NAYY
    4x50 SE between neighbours: 2-3-...-9 and 2-10-...-18. A household and a generator stand at
    each of the 17 buses at 0.4 kV. The index of a bus is its number in the reference.
    """
    net = pp.create_empty_network(name="lv18")
    pp.create_bus(net, 20.0, name="1", index=1, geodata=(0.0, 1.0), type="b")
    for bus in range(2, 19):
        feeder = bus >= FEEDERS[1].start
        step = 0 if bus == 2 else bus - FEEDERS[feeder].start + 1
        place = (float(step), 0.0 if bus == 2 else (-1.0 if feeder else 1.0))
        pp.create_bus(net, 0.4, name=str(bus), index=bus, geodata=place, type="n")
    net.bus["min_vm_pu"], net.bus["max_vm_pu"] = 0.95, 1.05
    pp.create_ext_grid(net, 1, vm_pu=1.02, name="grid")
    pp.create_transformer(net, 1, 2, "0.4 MVA 20/0.4 kV", name="1-2")
    for buses in FEEDERS:
        for before, bus in zip([2, *buses], buses, strict=False):
            pp.create_line(net, before, bus, LENGTH_KM, "NAYY 4x50 SE", name=f"{before}-{bus}")
    for bus in range(2, 19):
        pp.create_load(net, bus, LOAD_MW, 0.0, name=f"household {bus}")
        pp.create_sgen(net, bus, GENERATION_MW, 0.0, name=f"generator {bus}", type="PV")
    return net
