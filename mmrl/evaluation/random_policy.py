"""A policy that chooses uniformly at random, for any action space."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array
from numpy.typing import NDArray

from mmrl.action_masks import sample_valid
from mmrl.contract import ACTION_MASK
from mmrl.seeding import action_seed


class RandomPolicy:
    """An actor that samples the action space: the baseline of every success rate.

    Discrete and bounded spaces are sampled uniformly, unbounded ones as Gymnasium does. The actions
    of an episode follow from its seed alone, whatever the batch; they are independent of what the
    environment draws with the same seed. Where there are action masks, only valid ones are sampled.
    """

    def attach(self, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
        """As :func:`mmrl.agent.attach_environment`."""
        self._space = env.single_action_space
        self._spaces = [copy.deepcopy(self._space) for _ in seeds]
        for space, seed in zip(self._spaces, seeds, strict=True):
            space.seed(action_seed(seed))

    def act(self, observation: Mapping[str, Any], *, deterministic: bool) -> NDArray[Any]:
        """Sampled actions of N environments, batched as ``gymnasium.vector`` batches them.

        Args:
            observation: only its action masks, if any, have an influence.
            deterministic: has none.
        """
        masks = observation.get(ACTION_MASK, [None] * len(self._spaces))
        samples = [sample_valid(*one) for one in zip(self._spaces, masks, strict=True)]
        batch: Any = create_empty_array(self._space, len(samples))
        return concatenate(self._space, samples, batch)  # type: ignore[return-value]  # a Dict's is a dict
