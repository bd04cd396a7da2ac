"""Recorded episodes in memory, end to end, each distinct instruction once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from mmrl.contract import INSTRUCTION
from mmrl.preprocessing.pipeline import Preprocessing


class ObservationStore:
    """Observations by their numbers; each distinct instruction is encoded once.

    Args:
        sensors: the spaces of images and vectors, by their keys.
        preprocessing: of the instructions.
    """

    def __init__(self, sensors: Mapping[str, spaces.Box], preprocessing: Preprocessing) -> None:
        self._sensors = {key: Column(space.shape, space.dtype) for key, space in sensors.items()}
        self._preprocessing = preprocessing
        self._sentences = Column((), np.int64)
        self._numbers: dict[str, int] = {}
        self._encoded = {
            key: Column(space.shape, space.dtype) for key, space in preprocessing.spaces.items()
        }

    def __len__(self) -> int:
        return len(self._sentences.values)

    def add(self, observations: Mapping[str, NDArray[Any]], instructions: Sequence[str]) -> None:
        """Add N observations: [N, …] by their keys, and N instructions."""
        for key, column in self._sensors.items():
            column.extend(observations[key])
        numbers = [self.sentence(one) for one in instructions]
        self._sentences.extend(np.array(numbers, np.int64))

    def sentence(self, text: str) -> int:
        """The number of a distinct instruction, which is encoded if it is new."""
        if text not in self._numbers:
            self._numbers[text] = len(self._numbers)
            encoded = self._preprocessing.encode({INSTRUCTION: [text]}, 0)
            for key, column in self._encoded.items():
                column.extend(encoded[key][None])
        return self._numbers[text]

    def sentences(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The numbers of the instructions of some observations, int64 [n]."""
        return self._sentences.values[rows]

    def read(
        self, rows: NDArray[np.int64], sentences: NDArray[np.int64] | None = None
    ) -> dict[str, Tensor]:
        """Some observations, by key, tensors [n, …].

        Args:
            rows: their numbers, int64 [n].
            sentences: numbers of other instructions than theirs, int64 [n].
        """
        texts = self.sentences(rows) if sentences is None else sentences
        seen = {key: column.values[rows] for key, column in self._sensors.items()}
        read = {key: column.values[texts] for key, column in self._encoded.items()}
        return {key: torch.from_numpy(one) for key, one in {**seen, **read}.items()}


class EpisodeBuffer:
    """The steps of episodes, end to end; each distinct instruction is encoded once.

    Args:
        sensors: the spaces of images and vectors, by their keys.
        preprocessing: of the instructions.
    """

    def __init__(self, sensors: Mapping[str, spaces.Box], preprocessing: Preprocessing) -> None:
        self._store = ObservationStore(sensors, preprocessing)
        self._actions: Column | None = None
        self._starts = [0]

    def __len__(self) -> int:
        return self._starts[-1]

    @property
    def episodes(self) -> int:
        """How many there are."""
        return len(self._starts) - 1

    @property
    def starts(self) -> NDArray[np.int64]:
        """The first step of each episode, and the number of all steps, int64 [E + 1]."""
        return np.array(self._starts)

    @property
    def actions(self) -> NDArray[Any]:
        """The actions of all steps, [S] or [S, A]."""
        assert self._actions is not None
        return self._actions.values

    def sample(
        self, episodes: NDArray[np.int64], count: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Random steps of some episodes, each step as probable as any other, int64 [count]."""
        first = self.starts[episodes]
        lengths = self.starts[episodes + 1] - first
        ends, flat = np.cumsum(lengths), rng.integers(int(lengths.sum()), size=count)
        where = np.searchsorted(ends, flat, side="right")
        return first[where] + flat - (ends - lengths)[where]

    def _add_actions(self, actions: NDArray[Any]) -> None:
        """End an episode that has these actions, [T] or [T, A]."""
        if self._actions is None:
            self._actions = Column(actions.shape[1:], actions.dtype)
        self._actions.extend(actions)
        self._starts.append(len(self) + len(actions))


class Column:
    """An array that grows at its end.

    Args:
        shape: of one row.
        dtype: of its values.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self._room = np.empty((256, *shape), dtype)
        self._count = 0

    @property
    def values(self) -> NDArray[Any]:
        """All rows, without a copy."""
        return self._room[: self._count]

    def extend(self, rows: NDArray[Any]) -> None:
        """Add rows at the end."""
        needed = self._count + len(rows)
        if needed > len(self._room):
            room = np.empty((max(needed, 2 * len(self._room)), *self._room.shape[1:]),
                            self._room.dtype)  # fmt: skip
            room[: self._count] = self.values
            self._room = room
        self._room[self._count : needed] = rows
        self._count = needed
