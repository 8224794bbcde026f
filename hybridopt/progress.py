"""What a run shows while it works: nothing, or bars on stderr."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from rich.console import Console


class Progress(Protocol):
    """Something that can be told how far the work is."""

    def task(self, title: str, total: int) -> AbstractContextManager[Callable[[], None]]:
        """Show a piece of work; call the result after each of its ``total`` steps."""
        ...

    def generations(
        self, generations: int, population: int
    ) -> AbstractContextManager[Callable[[int, int, Any], None]]:
        """Show a search; call the result with generation, plans done in it, and the run."""
        ...

    def enumeration(self, plans: int) -> AbstractContextManager[Callable[[int, int, Any], None]]:
        """Show a search through all plans; call the result with batch, plans done, and the run."""
        ...


class NoProgress:
    """Shows nothing."""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Callable[[], None]]:
        """Ignore a piece of work."""
        yield lambda: None

    @contextmanager
    def generations(
        self, generations: int, population: int
    ) -> Iterator[Callable[[int, int, Any], None]]:
        """Ignore a search."""
        yield lambda *_: None

    @contextmanager
    def enumeration(self, plans: int) -> Iterator[Callable[[int, int, Any], None]]:
        """Ignore a search."""
        yield lambda *_: None


class BarProgress:
    """Bars on a console (stderr); a line per generation where there is no terminal.

    Parameters
    ----------
    console : where to
    population : text of a run's population, printed after every generation
    """

    def __init__(
        self, console: Console, population: Callable[[Any], Iterator[str]] | None = None
    ) -> None:
        self.console, self.population = console, population

    @contextmanager
    def _bar(self) -> Iterator[Any]:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description:<26}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as bar:
            yield bar

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Callable[[], None]]:
        """Show one bar."""
        with self._bar() as bar:
            number = bar.add_task(title, total=total, note="")
            yield lambda: bar.advance(number)

    @contextmanager
    def generations(
        self, generations: int, population: int
    ) -> Iterator[Callable[[int, int, Any], None]]:
        """Show one bar over all generations, with the best plan so far."""
        with self._bar() as bar:
            number = bar.add_task("Search", total=(generations + 1) * population, note="")

            def report(generation: int, done: int, run: Any) -> None:
                start = generation * population
                if done >= 0:
                    bar.update(number, completed=start + min(done, population))
                    return
                bar.update(number, completed=start + population, note=_best(run))
                if self.population is not None:
                    for line in self.population(run):
                        self.console.print(line, highlight=False, soft_wrap=True)
                if not self.console.is_terminal:
                    self.console.print(
                        f"generation {generation}/{generations}: {_best(run)}, "
                        f"{run.distinct} evaluated",
                        highlight=False,
                        soft_wrap=True,
                    )

            yield report

    @contextmanager
    def enumeration(self, plans: int) -> Iterator[Callable[[int, int, Any], None]]:
        """Show one bar over all plans, with the best plan so far."""
        with self._bar() as bar:
            number = bar.add_task("Every plan", total=plans, note="")

            def report(batch: int, done: int, run: Any) -> None:
                if done >= 0:
                    bar.update(number, completed=run.evaluations + done)
                    return
                bar.update(number, completed=run.evaluations, note=_best(run))
                if not self.console.is_terminal:
                    self.console.print(
                        f"batch {batch}: {run.evaluations} of {plans} plans looked at, "
                        f"{run.distinct} evaluated: {_best(run)}",
                        highlight=False,
                        soft_wrap=True,
                    )

            yield report


def _best(run: Any) -> str:
    """The first objectives of the best so far; the others break ties."""
    objectives = [(name, value) for name, value in run.log[-1].items() if name.startswith("best_")]
    return ", ".join(f"{name.removeprefix('best_')} {value:.6g}" for name, value in objectives[:3])
