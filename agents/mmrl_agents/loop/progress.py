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
        success: share of successes among the last episodes; None before the first, and where it is
            not known.
        speed: environment steps a second.
        mean_return: of the last episodes; None before the first.
    """

    steps: int
    success: float | None
    speed: int
    mean_return: float | None = None

    def __str__(self) -> str:
        if self.success is not None:
            measure = f"success {self.success:>6.1%}"
        elif self.mean_return is not None:
            measure = f"return {self.mean_return:>7.2f}"
        else:
            measure = f"success {'-':>6}"
        return f"{measure}  {self.speed:,} steps/s"


Show = Callable[[Progress], bool | None]
"""Called with the progress of a training; returns whether it should stop after the update."""


class TrainingProgressBar:
    """A bar with speed and success rate, or return where success is not known; plain lines where
    there is no terminal.

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
        self._bar.set(min(now.steps, self._total), " ".join(str(now).split()))
        lines = _LINES * now.steps // self._total
        if not self._bar.console.is_terminal and lines > self._lines:
            self._lines = lines
            print(f"{now.steps:>10,} {self._unit}  {now}", file=sys.stderr)

    def close(self) -> None:
        """Leave the terminal in order."""
        self._bar.close()
