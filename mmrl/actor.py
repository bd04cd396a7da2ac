"""Something that acts: all that evaluation and pictures ask of an agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Actor(Protocol):
    """Acts on observations of the contract."""

    def act(
        self, images: NDArray[np.uint8], instructions: Sequence[str], *, deterministic: bool
    ) -> NDArray[Any]:
        """Pictures uint8 [B, H, W, 3] and B sentences → actions [B]."""
        ...


def action_probabilities(
    actor: Actor, images: NDArray[np.uint8], instructions: Sequence[str]
) -> NDArray[np.float32] | None:
    """How inclined an actor is to each action, float32 [B, A]; None where it cannot tell.

    An actor tells by a method ``probabilities`` of pictures uint8 [B, H, W, 3] and B sentences.
    """
    tell = getattr(actor, "probabilities", None)
    return None if tell is None else tell(images, instructions)
