"""The level buffer: which levels are kept, and the probability that each is replayed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Level = tuple[int, ...]
"""The seed that generates a scene, and the seeds of the edits that follow, if any."""


class Levels:
    """A level buffer with scores (Jiang et al., 2021a).

    A level is drawn with P = (1 − ρ) · P_S + ρ · P_C: P_S is proportional to (1 / rank)^(1/β),
    where the highest score has rank 1, and P_C to how many episodes have begun since it was drawn.

    Args:
        size: how many are kept.
        temperature: β.
        staleness: ρ.

    Attributes:
        begun: episodes of all levels that have begun so far.
    """

    def __init__(self, size: int, temperature: float, staleness: float) -> None:
        self._size, self._temperature, self._staleness = size, temperature, staleness
        self.begun = 0
        self._names: list[Level] = []
        self._place: dict[Level, int] = {}
        self._scores = np.zeros(size)
        self._best = np.zeros(size)
        self._last = np.zeros(size, np.int64)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, level: Level) -> bool:
        return level in self._place

    @property
    def names(self) -> tuple[Level, ...]:
        """All levels, in no particular order."""
        return tuple(self._names)

    @property
    def scores(self) -> NDArray[np.float64]:
        """Of :attr:`names`, in their order, [len]."""
        return self._scores[: len(self)]

    def best(self, level: Level) -> float:
        """The highest return that was reached on a level; −∞ if it is not in the buffer."""
        return float(self._best[self._place[level]]) if level in self else float("-inf")

    def probabilities(self) -> NDArray[np.float64]:
        """Of :attr:`names`, in their order, [len]; there is at least one."""
        by_score = np.empty(len(self))
        by_score[np.argsort(-self.scores, kind="stable")] = np.arange(1, len(self) + 1)
        by_score = by_score ** (-1 / self._temperature)
        by_age = (self.begun - self._last[: len(self)]).astype(np.float64)
        if not by_age.any():
            by_age[:] = 1
        return (1 - self._staleness) * by_score / by_score.sum() + (
            self._staleness * by_age / by_age.sum()
        )

    def draw(self, generator: np.random.Generator) -> Level:
        """One of the levels, by :meth:`probabilities`; it has been begun with this."""
        chosen = int(generator.choice(len(self), p=self.probabilities()))
        self.begun += 1
        self._last[chosen] = self.begun
        return self._names[chosen]

    def update(self, level: Level, score: float, best: float, begun: int) -> None:
        """Update the score of a level. A new one is kept where there is room, or in place of the
        one that is least likely to be drawn, if that has a lower score.

        Args:
            level: which.
            score: of the episode.
            best: the highest return that was reached on the level.
            begun: as :attr:`begun` was when the episode had begun.
        """
        place = self._place.get(level)
        if place is None:
            place = self._free(score)
            if place is None:
                return
            self._place[level] = place
            self._names[place] = level
            self._last[place] = begun
        self._scores[place], self._best[place] = score, best

    def _free(self, score: float) -> int | None:
        """A place for a new level of some score; None where all others have a higher score."""
        if len(self) < self._size:
            self._names.append(())
            return len(self) - 1
        weakest = int(np.argmin(self.probabilities()))
        if self._scores[weakest] >= score:
            return None
        del self._place[self._names[weakest]]
        return weakest

    def get_state(self) -> dict[str, Any]:
        """All that is kept, as plain data."""
        return {
            "begun": self.begun,
            "names": [list(name) for name in self._names],
            "scores": self.scores.copy(),
            "best": self._best[: len(self)].copy(),
            "last": self._last[: len(self)].copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Resume from a state.

        Raises:
            ValueError: it holds more levels than are kept here.
        """
        count = len(state["names"])
        if count > self._size:
            raise ValueError(f"{count} levels were kept, and now there is room for {self._size}")
        self.begun = state["begun"]
        self._names = [tuple(name) for name in state["names"]]
        self._place = {name: place for place, name in enumerate(self._names)}
        for name in ("scores", "best", "last"):
            getattr(self, f"_{name}")[:count] = state[name]
