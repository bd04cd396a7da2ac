"""An undo log: what a rollout has overwritten so far, so that a checkpoint can leave it out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray


class UndoLog:
    """How to undo, in reverse order, what has changed since :meth:`begin`.

    Whoever changes something records how to restore it, before. Nothing is recorded until it
    begins, or after it has ended.
    """

    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] = []
        self._once: set[str] = set()
        self.is_recording = False

    @property
    def count(self) -> int:
        """How many changes are recorded."""
        return len(self._steps)

    def begin(self) -> None:
        """Record from now on; what was recorded before stays as it is."""
        self._clear()
        self.is_recording = True

    def end(self) -> None:
        """Keep all changes, and record no more."""
        self._clear()
        self.is_recording = False

    def record(self, restore: Callable[[], object]) -> None:
        """Record how to undo one change."""
        if self.is_recording:
            self._steps.append(restore)

    def record_once(self, name: str, make: Callable[[], Callable[[], object]]) -> None:
        """Record, at the first change of what has this name, what ``make`` then returns."""
        if self.is_recording and name not in self._once:
            self._once.add(name)
            self._steps.append(make())

    def record_rows(self, array: NDArray[Any], rows: NDArray[np.int64]) -> None:
        """Record the rows of an array, which are about to be overwritten."""
        if self.is_recording:
            self._steps.append(partial(array.__setitem__, rows, array[rows].copy()))

    def record_attributes(self, owner: Any, *names: str) -> None:
        """Record attributes that are about to be replaced."""
        for name in names:
            self.record(partial(setattr, owner, name, getattr(owner, name)))

    def undo(self) -> None:
        """Restore everything as it was when it began; changes after that are recorded anew."""
        for restore in reversed(self._steps):
            restore()
        self._clear()

    def _clear(self) -> None:
        self._steps, self._once = [], set()
