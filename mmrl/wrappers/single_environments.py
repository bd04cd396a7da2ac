"""Batches of single environments, in this process or in others, and what to ask each of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
from gymnasium.vector import SyncVectorEnv, VectorEnv

Function = Callable[..., Any]
"""Takes a single environment, the wrappers around it included, and further arguments."""


class SingleEnvironments(VectorEnv[Any, Any, Any], ABC):
    """A batch of single environments that are not in reach, such as those in other processes."""

    @abstractmethod
    def each(self, function: Function, *columns: Sequence[Any]) -> list[Any]:
        """What a function gives of each environment.

        Args:
            function: that is called where the environment is.
            columns: further arguments: for each, one value an environment.

        Raises:
            Exception: as the function.
        """


def are_single(env: gym.Env[Any, Any] | VectorEnv[Any, Any, Any]) -> bool:
    """Whether an environment is a batch of single ones, and no engine of its own."""
    return isinstance(env.unwrapped, SyncVectorEnv | SingleEnvironments)


def each(env: VectorEnv[Any, Any, Any], function: Function, *columns: Sequence[Any]) -> list[Any]:
    """As :meth:`SingleEnvironments.each`, of a batch for which :func:`are_single` holds."""
    batch: Any = env.unwrapped
    if isinstance(batch, SingleEnvironments):
        return batch.each(function, *columns)
    return [function(*row) for row in zip(batch.envs, *columns, strict=True)]
