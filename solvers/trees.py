"""Spanning trees of a network: encodings, counting, and all of them.

A tree is its open branches. Buses that are sources count as one. Nothing here knows of electricity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")


def _compiled(function: Function) -> Function:
    return cast("Function", njit(cache=True, nogil=True)(function))


@_compiled
def _find(parent: Any, node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@_compiled
def kruskal(ends: Any, n_node: int, priority: Any) -> Any:
    """Spanning trees of least total priority (Kruskal), as the branches they leave open.

    Parameters
    ----------
    ends : (n_branch, 2) nodes, sources merged into one
    priority : (n, n_branch), closed first where it is least (random keys of n trees)

    Returns
    -------
    (n, k) open branches, ascending; k is the number of loops
    """
    parent = np.empty(n_node, np.int64)
    n, n_branch = priority.shape
    most = 0
    found = np.empty((n, n_branch), np.int64)
    for c in range(n):
        for node in range(n_node):
            parent[node] = node
        is_open = np.zeros(n_branch, np.bool_)
        for branch in np.argsort(priority[c]):
            a, b = _find(parent, ends[branch, 0]), _find(parent, ends[branch, 1])
            if a == b:
                is_open[branch] = True
            else:
                parent[a] = b
        k = 0
        for branch in range(n_branch):
            if is_open[branch]:
                found[c, k] = branch
                k += 1
        most = k
    return found[:, :most].copy()
