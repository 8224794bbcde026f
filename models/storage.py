"""Storage: what one hour leaves to the next."""

from __future__ import annotations

from typing import Any


def energy_balance(
    energy: Any, energy_before: Any, p_in: Any, p_out: Any, dt: Any, eta_in: float, eta_out: float
) -> Any:
    """Content at the end of an hour minus what it follows from: 0 in every feasible point.

    ``e_t - e_(t-1) - dt (eta_in p_in - p_out / eta_out)``, the usual linear model of a battery
    (for instance Pandzic, Bobanac 2019, IEEE Trans. Power Syst. 34(6), equation 1).

    Parameters
    ----------
    energy, energy_before : pu times hours
    p_in, p_out : pu, both at least 0, taken from and given to the grid
    dt : h
    eta_in, eta_out : 1

    Returns
    -------
    pu times hours
    """
    return energy - energy_before - dt * (eta_in * p_in - p_out * (1 / eta_out))
