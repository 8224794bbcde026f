"""Loads that depend on voltage."""

from __future__ import annotations

from typing import Any


def voltage_factor(z: float, i: float, vm: Any) -> Any:
    """Power drawn over nominal power: ``1 - z - i + i vm + z vm^2`` (the ZIP model).

    Parameters
    ----------
    z, i : shares of constant impedance and of constant current
    vm : pu
    """
    if z == 0.0 and i == 0.0:
        return 1.0
    return (1.0 - z - i) + i * vm + z * vm**2
