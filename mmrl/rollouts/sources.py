"""Who acts in the rollouts: the environment's expert, chance, or a trained agent."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.vector import SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from mmrl.actor import Actor, begin_episodes
from mmrl.errors import UserError


class ExpertSource:
    """The expert that an environment brings: ``expert_actions()`` of a batch, int [N], or
    ``expert_action()`` of a single environment.
    """

    def begin(self, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
        """An expert needs no preparation.

        Raises:
            UserError: the environment has none.
        """
        inner = env.unwrapped
        if hasattr(inner, "expert_actions"):
            return
        if isinstance(inner, SyncVectorEnv):
            try:
                inner.get_attr("expert_action")
            except AttributeError:
                pass
            else:
                return
        spec = inner.envs[0].spec if isinstance(inner, SyncVectorEnv) else env.spec
        name = spec.id if spec else str(inner)
        raise UserError(
            f"environment {name!r} brings no expert: it has neither expert_actions nor "
            "expert_action. Collect by random, or by a run folder of 'mmrl train'"
        )

    def actions(
        self, env: VectorEnv[Any, Any, Any], observation: Mapping[str, Any]
    ) -> NDArray[Any]:
        """What the experts would do now, [N]."""
        inner: Any = env.unwrapped
        if hasattr(inner, "expert_actions"):
            return np.asarray(inner.expert_actions())
        return np.asarray(inner.call("expert_action"))


class RandomSource:
    """Any action, by the seed of the episode."""

    def begin(self, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
        """Seed a generator an episode."""
        self._spaces = [copy.deepcopy(env.single_action_space) for _ in seeds]
        for space, seed in zip(self._spaces, seeds, strict=True):
            space.seed(seed)

    def actions(
        self, env: VectorEnv[Any, Any, Any], observation: Mapping[str, Any]
    ) -> NDArray[Any]:
        """Samples of the action space, [N]."""
        return np.stack([np.asarray(space.sample()) for space in self._spaces])


class ActorSource:
    """A trained agent, which samples its actions as in training; sampling begins anew with every
    batch of episodes, from the seed of its first.

    Args:
        actor: who acts.
    """

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def begin(self, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
        """Tell the agent that episodes begin."""
        torch.manual_seed(seeds[0])
        begin_episodes(self._actor, len(seeds))

    def actions(
        self, env: VectorEnv[Any, Any, Any], observation: Mapping[str, Any]
    ) -> NDArray[Any]:
        """What the agent does, [N]."""
        return self._actor.act(observation, deterministic=False)
