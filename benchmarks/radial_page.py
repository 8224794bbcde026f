"""The page of the radial kernel, from what its benchmarks measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def write_section(page: Path, name: str, found: Any) -> None:
    """Write one section of the page; the other stays."""
