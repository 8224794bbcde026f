"""Networks and cases that several tests use."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandapower as pp
import pytest

from hybridopt.case import Horizon
from hybridopt.dispatch import Dispatcher
from hybridopt.grid import DGSites, Grid
from hybridopt.network import prepare
from hybridopt.network_grid import grid_from_net
from hybridopt.settings import Settings


@pytest.fixture
def empty_net() -> Callable[..., Any]:
    """Make a net of n buses at 20 kV, and nothing else."""

    def make(n: int, vm: tuple[float, float] = (0.9, 1.1)) -> Any:
        net = pp.create_empty_network(sn_mva=10.0)
        for _ in range(n):
            pp.create_bus(net, 20.0, min_vm_pu=vm[0], max_vm_pu=vm[1])
        return net

    return make


@pytest.fixture
def add_line() -> Callable[..., int]:
    """Add a line given by its impedance in pu of 10 MVA and 20 kV."""

    def add(net: Any, f: int, t: int, r: float, x: float, max_i_ka: float = 99999.0) -> int:
        z_base = 20.0**2 / 10.0
        return int(
            pp.create_line_from_parameters(net, f, t, 1.0, r * z_base, x * z_base, 0.0, max_i_ka)
        )

    return add


@pytest.fixture
def dispatcher_of() -> Callable[..., Dispatcher]:
    """Make the dispatcher of a net (or Grid) for given load factors."""

    def make(
        net: Any,
        factors: Any = (1.0,),
        sites: DGSites | None = None,
        profile: Any = None,
        **settings: Any,
    ) -> Dispatcher:
        grid = net if isinstance(net, Grid) else grid_from_net(prepare(net))[0]
        factor = np.array(factors, dtype=float)
        if factor.ndim == 1:
            factor = np.tile(factor[:, None], (1, grid.n_bus))
        horizon = Horizon(
            load_factor=factor,
            dg_profile=np.ones(len(factor)) if profile is None else np.array(profile, dtype=float),
            hours=np.arange(1, len(factor) + 1),
        )
        return Dispatcher(grid, sites or DGSites(), horizon, Settings(**settings))

    return make
