"""Branch physics: flows and limits in polar voltages.

With ``i_from = y_ff v_from + y_ft v_to`` and the angle ``d = va_from - va_to`` (MATPOWER manual,
section 3; Zimmerman, Murillo-Sanchez, Thomas 2011).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyomo.environ import cos, sin

if TYPE_CHECKING:
    from collections.abc import Callable


def flow_from(y_self: complex, y_mutual: complex, vm: Any, vm_far: Any, d: Any) -> tuple[Any, Any]:
    """Power entering a branch at one end, ``s = v conj(y_self v + y_mutual v_far)``.

    Parameters
    ----------
    y_self, y_mutual : pu
        Two-port admittances seen from this end.
    vm, vm_far : pu
        Voltage magnitude at this end and at the far end (Pyomo expressions).
    d : rad
        Angle at this end minus angle at the far end.

    Returns
    -------
    p, q : pu, positive into the branch
    """
    g, b = y_mutual.real, y_mutual.imag
    p = y_self.real * vm**2 + vm * vm_far * (g * cos(d) + b * sin(d))
    q = -y_self.imag * vm**2 + vm * vm_far * (g * sin(d) - b * cos(d))
    return p, q


def current_squared(y_self: complex, y_mutual: complex, vm: Any, vm_far: Any, d: Any) -> Any:
    """Squared current at one end: ``|y_self v + y_mutual v_far|^2``, pu."""
    cross = y_self * y_mutual.conjugate()
    return (
        abs(y_self) ** 2 * vm**2
        + abs(y_mutual) ** 2 * vm_far**2
        + 2 * vm * vm_far * (cross.real * cos(d) - cross.imag * sin(d))
    )


def limit(is_power: bool, rate: float) -> Callable[..., Any]:
    """Left-hand side of a branch limit, scaled so that the right-hand side is 1.

    ``|i|^2 / rate^2 <= 1`` for a current rating (kA), ``vm^2 |i|^2 / rate^2 <= 1`` for an
    apparent-power rating (MVA), both in per unit.
    """

    def loading_squared(y_self: complex, y_mutual: complex, vm: Any, vm_far: Any, d: Any) -> Any:
        current = current_squared(y_self, y_mutual, vm, vm_far, d)
        return (vm**2 * current if is_power else current) / rate**2

    return loading_squared
