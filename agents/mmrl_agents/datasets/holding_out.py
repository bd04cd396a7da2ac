"""Which episodes are learned from, and which are held out to validate with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Split(NamedTuple):
    """Numbers of episodes, int64 each: those that are learned from, and those to validate with."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


class HoldOut:
    """Holds out a share of the episodes of each dataset.

    Args:
        share: of the episodes.
        seed: of the random choice.
    """

    def __init__(self, share: float, seed: int) -> None:
        self._share, self._seed = share, seed
        self._held_out: list[NDArray[np.bool_]] = []

    def add(self, count: int) -> None:
        """Choose which of so many further episodes are held out."""
        rng = np.random.default_rng([self._seed, len(self._held_out)])
        held_out = np.zeros(count, np.bool_)
        held_out[: round(self._share * count)] = True
        self._held_out.append(rng.permutation(held_out))

    def add_copies(self, episodes: NDArray[np.int64]) -> None:
        """Further episodes that are held out where those are that they were made of."""
        self._held_out.append(np.concatenate(self._held_out)[episodes])

    @property
    def split(self) -> Split:
        """Of all episodes."""
        held_out = np.concatenate(self._held_out)
        return Split(np.flatnonzero(~held_out), np.flatnonzero(held_out))
