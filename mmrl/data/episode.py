"""Recorded episodes: as they were, as imitation and offline reinforcement learning read them, and
many end to end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Episode:
    """One episode of T steps.

    Attributes:
        images: uint8 [T + 1, H, W, 3], from the reset to the last one.
        instruction: of the episode.
        actions: int64 [T], or float [T, A].
        rewards: float64 [T].
        success: of the episode; None where it is not known.
        seed: of the episode; -1 where it is not recorded.
        achieved: for each step the instructions that it achieved first, by the environment's
            verifier; T empty tuples where it has none.
        descriptions: of each image, T + 1 sentences; "" where there is none.
        env_id: of the environment; "" where it is not recorded.
        terminated: whether its last step ended it, and not a limit of steps.
    """

    images: NDArray[np.uint8]
    instruction: str
    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    success: bool | None
    seed: int
    achieved: tuple[tuple[str, ...], ...]
    descriptions: tuple[str, ...]
    env_id: str
    terminated: bool = True

    def __len__(self) -> int:
        return len(self.rewards)


@dataclass(frozen=True)
class Demonstration:
    """What a demonstrator did in T steps, or would have done.

    Attributes:
        observations: images and vectors before each step, by their keys, [T, …].
        instructions: T.
        actions: [T], or [T, A].
        success: of the episode; None where it is not known.
        by_person: which steps a person took, who corrected an agent, bool [T]; None where all are
            of one demonstrator.
    """

    observations: dict[str, NDArray[Any]]
    instructions: tuple[str, ...]
    actions: NDArray[Any]
    success: bool | None
    by_person: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.actions)


@dataclass(frozen=True)
class Trajectory:
    """An episode of T steps as offline reinforcement learning reads it, whoever acted.

    Attributes:
        observations: images and vectors from the reset to the last one, by their keys, [T + 1, …].
        instructions: T + 1.
        actions: those that were taken, [T], or [T, A].
        rewards: float64 [T].
        terminated: whether its last step ended it; a truncated one would have continued.
        success: of the episode; None where it is not known.
        achieved: as of :class:`Episode`, T tuples.
    """

    observations: dict[str, NDArray[Any]]
    instructions: tuple[str, ...]
    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    terminated: bool
    success: bool | None
    achieved: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.rewards)


@dataclass(frozen=True)
class RecordedEpisode:
    """An episode of T steps in the spaces in which it was recorded.

    Attributes:
        observations: T + 1 of each part, nested as the space is.
        actions: of T steps; an expert's labels, where there are some.
        rewards: float64 [T].
        terminated: whether its last step ended it, and not a limit of steps.
        success: of the episode; None where it is not known.
    """

    observations: Any
    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    terminated: bool
    success: bool | None


@dataclass(frozen=True)
class Columns:
    """E episodes of S steps in all, end to end; episode k has the steps ``starts[k]`` to
    ``starts[k + 1] - 1``, and the images and descriptions from ``starts[k] + k`` on, one more.

    Attributes:
        starts: int64 [E + 1].
        images: uint8 [S + E, H, W, 3]; None where they were not read.
        instructions: E.
        actions: int64 [S], or float [S, A].
        rewards: float64 [S].
        success: bool [E]; false where it is not known.
        known: whether it is known, bool [E].
        seeds: int64 [E]; -1 where they are not recorded.
        achieved: S tuples of sentences.
        descriptions: S + E sentences.
    """

    starts: NDArray[np.int64]
    images: NDArray[np.uint8] | None
    instructions: tuple[str, ...]
    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    success: NDArray[np.bool_]
    known: NDArray[np.bool_]
    seeds: NDArray[np.int64]
    achieved: tuple[tuple[str, ...], ...]
    descriptions: tuple[str, ...]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps of each episode, int64 [E]."""
        return np.diff(self.starts)
