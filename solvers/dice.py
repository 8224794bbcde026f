"""Random numbers of a run, for operators that draw from one source for all.

DEAP's operators draw from Python's global ``random``, which any other thread may use at the same
time; a run could then not be repeated. Here they draw from :data:`dice`, which each thread lends to
one run at a time.
"""

from __future__ import annotations

import random
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from deap.tools import crossover, emo, mutation, selection

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Dice(threading.local):
    """Stands for the module ``random``: inside :func:`own_random` for a run's own numbers."""

    lent: random.Random | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(random if self.lent is None else self.lent, name)


dice = _Dice()
for _module in (crossover, emo, mutation, selection):
    _module.random = dice


@contextmanager
def own_random(rng: random.Random) -> Iterator[None]:
    """Let what draws from :data:`dice` in this thread draw from ``rng``."""
    theirs, dice.lent = dice.lent, rng
    try:
        yield
    finally:
        dice.lent = theirs
