"""Progress of a training in a terminal: a bar, or plain lines."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

from mmrl.progress import ProgressBar

_LINES = 20  # where there is no terminal


class Progress(NamedTuple):
    """The progress of a training.

    Attributes:
        steps: environment steps so far.
        success: share of successes among the last episodes; None before the first.
        speed: environment steps a second.
    """

    steps: int
    success: float | None
    speed: int


Show = Callable[[Progress], bool | None]
"""Called with the progress of a training; returns whether it should stop after the update."""


class TrainingProgressBar:
    """A bar with success rate and speed; plain lines where there is no terminal.

    Args:
        total: environment steps to come.
        what: name of the bar.
        unit: name of the steps.
    """

    def __init__(self, total: int, what: str = "training", unit: str = "steps") -> None:
        self._total, self._unit = total, unit
        self._bar = ProgressBar(what, total, unit)
        self._lines = 0

    def __call__(self, now: Progress) -> None:
        """Show it."""
        self._bar.start()
        success = "-" if now.success is None else f"{now.success:.1%}"
        self._bar.set(min(now.steps, self._total), f"success {success} {now.speed:,} steps/s")
        lines = _LINES * now.steps // self._total
        if not self._bar.console.is_terminal and lines > self._lines:
            self._lines = lines
            line = f"{now.steps:>10,} {self._unit}  success {success:>6}  {now.speed:,} steps/s"
            print(line, file=sys.stderr)

    def close(self) -> None:
        """Leave the terminal in order."""
        self._bar.close()
