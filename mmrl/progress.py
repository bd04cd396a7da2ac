"""One progress bar, on standard error; nothing is drawn where that is no terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class ProgressBar:
    """Shown within a ``with`` block.

    Args:
        what: is done, such as "evaluating".
        total: how many there are.
        unit: of the numbers, such as "episodes".

    Attributes:
        console: where the bar is, and where lines can be printed above it.
    """

    def __init__(self, what: str, total: int, unit: str = "") -> None:
        self.console = Console(stderr=True)
        self._progress = Progress(
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task = self._progress.add_task(what, total=total, note="")

    def __enter__(self) -> Self:
        """Show it."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave it as it is."""
        self.close()

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """So many more are done.

        Args:
            count: how many.
            note: shown beside the numbers, such as a loss, until there is another.
        """
        self._progress.advance(self._task, count)
        if note is not None:
            self._progress.update(self._task, note=note)

    def set(self, count: int) -> None:
        """So many are done."""
        self._progress.update(self._task, completed=count)

    def close(self) -> None:
        """Stop drawing, before something else is printed."""
        self._progress.stop()
