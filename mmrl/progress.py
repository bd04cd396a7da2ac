"""One progress bar, on standard error; nothing is drawn where that is no terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
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
            TextColumn(f"{{task.completed:,.0f}}/{{task.total:,.0f}} {unit}"),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task = self._progress.add_task(what, total=total, note="")

    def __enter__(self) -> Self:
        """Show it."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave it as it is."""
        self.close()

    def start(self) -> None:
        """Begin to draw; nothing happens where it has begun."""
        self._progress.start()

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """So many more are done.

        Args:
            count: how many.
            note: shown beside the numbers, such as a loss, until there is another.
        """
        self._progress.advance(self._task, count)
        self._write(note)

    def set(self, count: int, note: str | None = None) -> None:
        """So many are done; see :meth:`advance`."""
        self._progress.update(self._task, completed=count)
        self._write(note)

    def _write(self, note: str | None) -> None:
        if note is not None:
            self._progress.update(self._task, note=note)

    def close(self) -> None:
        """Stop drawing, before something else is printed."""
        self._progress.stop()
