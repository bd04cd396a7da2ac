"""Demonstrations in memory, from which minibatches of steps and of sequences are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from mmrl.data import Demonstration
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl_agents.datasets.store import Column, EpisodeBuffer


class Sequences(NamedTuple):
    """Steps of episodes as a memory reads them.

    Attributes:
        rows: numbers of steps in the buffer, int64 [T, N].
        starts: whether an episode begins there, bool [T, N].
        padding: which steps are there to fill up only, bool [T, N].
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.bool_]
    padding: NDArray[np.bool_]


class DemonstrationBuffer(EpisodeBuffer):
    """The steps of demonstrations, end to end.

    Args:
        sensors, preprocessing: as of :class:`EpisodeBuffer`.
    """

    def __init__(self, sensors: Mapping[str, spaces.Box], preprocessing: Preprocessing) -> None:
        super().__init__(sensors, preprocessing)
        self._learned, self._is_partial = Column((), np.bool_), False

    @property
    def learned(self) -> NDArray[np.bool_]:
        """Which steps are learned from, bool [S]; the others are there for a memory."""
        return self._learned.values

    @property
    def is_partial(self) -> bool:
        """Whether there are steps that are not learned from."""
        return self._is_partial

    def add(self, demonstration: Demonstration) -> None:
        """Add an episode, which has at least one step; where a person corrected an agent in it, the
        person's steps are learned from.
        """
        by_person = demonstration.by_person
        self._learned.extend(
            np.ones(len(demonstration), np.bool_) if by_person is None else by_person
        )
        self._is_partial = self._is_partial or (by_person is not None and not by_person.all())
        self._store.add(demonstration.observations, demonstration.instructions)
        self._add_actions(demonstration.actions)

    def observations(self, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """The observations of steps by their numbers, by key, tensors [n, …]."""
        return self._store.read(rows)

    def chunks(
        self, rows: NDArray[np.int64], size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The steps from some steps on, within their episodes.

        Args:
            rows: numbers of steps, int64 [n].
            size: how many steps K, the first included.

        Returns:
            Their numbers, int64 [n, K], and whether there are so many, bool [n, K]; beyond an
            episode's end, its last step is repeated.
        """
        ends = self.starts[np.searchsorted(self.starts, rows, side="right")][:, None]
        ahead = rows[:, None] + np.arange(size)
        return np.minimum(ahead, ends - 1), ahead < ends

    def sample_sequences(
        self, episodes: NDArray[np.int64], count: int, length: int, rng: np.random.Generator
    ) -> Sequences:
        """Random episodes packed end to end into N = ``count`` sequences of T = ``length`` steps.

        Of an episode that is longer than a sequence a random part is taken, before which the
        memory is empty; the last episode of a sequence is cut.
        """
        columns = [self._pack(episodes, length, rng) for _ in range(count)]
        rows, starts = (np.stack(one, 1) for one in zip(*columns, strict=True))
        return Sequences(rows, starts, np.zeros_like(starts))

    def _pack(
        self, episodes: NDArray[np.int64], length: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        rows, cuts = np.empty(length, np.int64), np.zeros(length, np.bool_)
        at = 0
        while at < length:
            episode = int(episodes[rng.integers(len(episodes))])
            first, end = self._starts[episode], self._starts[episode + 1]
            if end - first > length:
                first += int(rng.integers(end - first - length + 1))
            taken = min(end - first, length - at)
            rows[at : at + taken] = np.arange(first, first + taken)
            cuts[at] = True
            at += taken
        return rows, cuts

    def whole(self, episodes: NDArray[np.int64], length: int) -> Sequences:
        """Whole episodes packed end to end, in order, into sequences of at least ``length`` steps,
        which are padded to the same length.
        """
        longest = max(length, int(np.diff(self.starts)[episodes].max()))
        columns: list[list[int]] = []
        for episode in episodes.tolist():
            steps = range(self._starts[episode], self._starts[episode + 1])
            if not columns or len(columns[-1]) + len(steps) > longest:
                columns.append([])
            columns[-1] += steps
        rows = np.full((longest, len(columns)), -1)
        for row, packed in zip(rows.T, columns, strict=True):
            row[: len(packed)] = packed
        padding = rows < 0
        return Sequences(np.maximum(rows, 0), np.isin(rows, self.starts[:-1]) | padding, padding)
