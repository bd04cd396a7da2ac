"""A limit for episodes that do not end by themselves."""

from __future__ import annotations

import warnings
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from gymnasium.wrappers import TimeLimit

from mmrl.errors import UserError
from mmrl.wrappers.error_context import environment_name
from mmrl.wrappers.single_environments import are_single, each

MAX_EPISODE_STEPS: Final = 10_000
"""Where an episode is cut, unless the environment declares a longer limit of its own."""

Env = gym.Env[Any, Any] | VectorEnv[Any, Any, Any]


class EpisodeLimit:
    """Where episodes are cut; the first one that is cut is warned about.

    Args:
        max_episode_steps: where every longer episode is cut; None cuts at
            :data:`MAX_EPISODE_STEPS`, or where the environment declares that its episodes end, if
            that is later.

    Attributes:
        reached: how many episodes were cut.
        steps: where the last one was cut.

    Raises:
        UserError: a limit below 1.
    """

    def __init__(self, max_episode_steps: int | None = None) -> None:
        if max_episode_steps is not None and max_episode_steps < 1:
            raise UserError(f"max_episode_steps={max_episode_steps}: must be at least 1")
        self._given = max_episode_steps
        self.reached, self.steps = 0, 0

    def of(self, env: Env) -> int:
        """The limit in an environment, or a batch of them, that has been reset."""
        if self._given is not None:
            return self._given
        return max(MAX_EPISODE_STEPS, declared_limit(env) or 0)

    def cut(self, env: Env, steps: int, count: int = 1) -> None:
        """Note that ``count`` episodes are cut after so many steps, and warn of the first."""
        if not self.reached:
            warnings.warn(
                f"environment {environment_name(env)}: an episode did not end within {steps:,} "
                "steps; it was stopped there, and counts as truncated and not successful. "
                "--max-episode-steps of 'mmrl eval', 'mmrl collect' and 'mmrl clip' "
                "(max_episode_steps in Python) sets another limit",
                stacklevel=3,
            )
        self.reached, self.steps = self.reached + count, steps


def declared_limit(env: Env) -> int | None:
    """The longest limit of steps that an environment, its registration or a wrapper declares."""
    if isinstance(env, VectorEnv) and are_single(env):
        return each(env, declared_limit)[0]
    one: Any = env
    limits = [
        getattr(one.unwrapped, "max_steps", None),
        one.spec.max_episode_steps if one.spec else None,
    ]
    while isinstance(one, gym.Wrapper):
        if isinstance(one, TimeLimit):
            limits.append(one._max_episode_steps)
        one = one.env
    known = [int(limit) for limit in limits if isinstance(limit, int | np.integer) and limit > 0]
    return max(known, default=None)
