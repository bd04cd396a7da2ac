"""Something that acts: all that evaluation and pictures ask of an agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Actor(Protocol):
    """Acts on observations of the contract."""

    def act(self, observation: Mapping[str, Any], *, deterministic: bool) -> NDArray[Any]:
        """A batch of observations → actions [B].

        Args:
            observation: ``image`` uint8 [B, H, W, 3], ``instruction`` B sentences, and whatever
                else the environment gives, such as ``speech`` float32 [B, T].
            deterministic: take the most probable action instead of sampling.
        """
        ...


def action_probabilities(
    actor: Actor, observation: Mapping[str, Any]
) -> NDArray[np.float32] | None:
    """How inclined an actor is to each action, float32 [B, A]; None where it cannot tell.

    An actor tells by a method ``probabilities`` of a batch of observations.
    """
    tell = getattr(actor, "probabilities", None)
    return None if tell is None else tell(observation)
