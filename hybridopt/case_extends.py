"""How a case takes over what it doesn't say itself from the case that it extends."""

from collections.abc import Iterator
from typing import Any

from hybridopt.case_place import KeyPath

# Either of the two groups: who gives a key of one group drops what was inherited of the other.
_EITHER_OR: tuple[tuple[KeyPath, tuple[str, ...], tuple[str, ...]], ...] = (
    (("load",), ("curve",), ("classes", "shares", "default_shares")),
    (("resources", "lines"), ("cost",), ("cost_per_km",)),
    (("resources", "dg"), ("operating_cost_per_mwh",), ("operating_cost",)),
    (
        ("resources", "dg"),
        ("investment",),
        ("cost_per_mw", "operating_cost_per_mwh", "operating_cost"),
    ),
    (("resources", "dg"), ("sizes_mw",), ("min_mw", "max_mw")),
    (("resources", "dg"), ("genes",), ("sizes_mw", "min_mw", "max_mw")),
    (("restore", "travel"), ("matrix",), ("depot", "speed_km_per_h", "km_per_unit")),
)
# Tables that count as one value, because their entries add up to one.
_WHOLE: tuple[KeyPath, ...] = (("load", "shares", "*"), ("load", "default_shares"))


def inherit(child: dict[str, Any], parent: dict[str, Any]) -> list[KeyPath]:
    """Put into the child what it doesn't give itself; tables are merged, lists are not.

    Returns
    -------
    taken : paths of the keys that the child has from its parent now
    """
    for table, one, other in _EITHER_OR:
        given, inherited = get(child, table), get(parent, table)
        if isinstance(given, dict) and isinstance(inherited, dict):
            for mine, theirs in ((one, other), (other, one)):
                if any(key in given for key in mine):
                    for key in theirs:
                        inherited.pop(key, None)
    taken: list[KeyPath] = []
    _merge(child, parent, (), taken)
    return taken


def _merge(
    child: dict[str, Any], parent: dict[str, Any], path: KeyPath, taken: list[KeyPath]
) -> None:
    for key, value in parent.items():
        here = (*path, key)
        if key not in child:
            child[key] = value
            taken.append(here)
        elif (
            isinstance(value, dict)
            and isinstance(child[key], dict)
            and not any(fits(here, whole) for whole in _WHOLE)
        ):
            _merge(child[key], value, here, taken)


def find_contradictions(data: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Give the path and a message of every key whose alternative is given too."""
    for table, one, other in _EITHER_OR:
        given = get(data, table)
        if isinstance(given, dict) and any(key in given for key in one):
            for key in other:
                if key in given:
                    yield (*table, key), f"give either {' and '.join(one)} or {key}, not both"


def fits(path: KeyPath, pattern: KeyPath) -> bool:
    """Tell whether a path fits a pattern, whose ``*`` stands for any key."""
    return len(path) == len(pattern) and all(
        want in {"*", part} for part, want in zip(path, pattern, strict=True)
    )


def get(data: Any, path: KeyPath) -> Any:
    """Give what stands at a path, or None."""
    for key in path:
        if isinstance(data, dict):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
        else:
            return None
    return data
