"""Operating costs of generators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def polynomial(coefficients: Sequence[float], p_mw: Any) -> Any:
    """Cost per hour ``c0 + c1 p + c2 p^2 + ...`` (Diaz Vargas et al. 2024, section 4.3).

    Parameters
    ----------
    coefficients : ascending powers, currency per hour, per MWh, per MW^2 h, ...
    p_mw : MW, a Pyomo expression or a number

    Returns
    -------
    currency per hour
    """
    return sum((c * p_mw**k if k else c) for k, c in enumerate(coefficients) if c != 0 or k == 0)
