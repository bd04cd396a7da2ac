"""Schedules of learning rates that are plain data, so that they can be saved."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LinearDecay:
    """From ``start`` to ``end`` over the training.

    Attributes:
        start, end: the values at its beginning and end.
    """

    start: float
    end: float

    def __call__(self, remaining: float) -> float:
        """The value where so much of the training remains, from 1 to 0."""
        return self.end + (self.start - self.end) * remaining
