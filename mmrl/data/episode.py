"""One episode as it was lived through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rollout:
    """One episode of T steps.

    Attributes:
        images: uint8 [T + 1, H, W, 3], from the reset to the last one.
        instruction: what was asked.
        actions: int64 [T], or float [T, A].
        rewards: float64 [T].
        success: whether the instruction was carried out.
        seed: of the episode; -1 where the dataset does not say.
        achieved: for each step the instructions that it fulfilled first, as the environment's
            verifier says; T empty ones where it does not.
        descriptions: what is seen in each image, T + 1 sentences; "" where nobody says.
        env_id: of the environment; "" where the dataset does not say.
        terminated: whether its last step ended it, and not a limit of steps.
    """

    images: NDArray[np.uint8]
    instruction: str
    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    success: bool
    seed: int
    achieved: tuple[tuple[str, ...], ...]
    descriptions: tuple[str, ...]
    env_id: str
    terminated: bool = True

    def __len__(self) -> int:
        return len(self.rewards)
