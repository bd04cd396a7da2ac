"""Calls a class or a factory that gives an environment of any API, as a Gymnasium environment."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import gymnasium as gym
from gymnasium.vector import VectorEnv

from mmrl.env_apis.old_gym import OldApiEnv, call, is_old_gym, takes_seed, wrap_old_gym
from mmrl.env_apis.parallel import AgentGroup, AgentTurns, is_parallel, is_turn_based
from mmrl.errors import UserError


class Creator:
    """An entry point for ``gymnasium.make``: what it makes is a Gymnasium environment.

    A factory that takes no ``render_mode`` is called without, if what it makes has that mode.

    Args:
        target: a class, or a function that makes an environment.
        name: of the environment, for errors.
    """

    def __init__(self, target: Callable[..., Any], name: str) -> None:
        self.target, self.name = target, name

    @property
    def metadata(self) -> Any:
        """That of the class; a function has none."""
        return self.target.metadata  # type: ignore[attr-defined]  # hasattr() is then false

    def __deepcopy__(self, memo: dict[int, Any]) -> Creator:
        """Gymnasium copies specifications; what makes environments stays the same."""
        return self

    def __call__(self, **kwargs: Any) -> gym.Env[Any, Any]:
        """Make an environment.

        Raises:
            UserError: what is made is no environment, or of an API that cannot be adapted.
        """
        made = call(self.target, kwargs)
        return as_gymnasium(made, self.name, kwargs.get("render_mode"))


class Copies:
    """Makes copies of one environment object, which itself is never stepped.

    Args:
        env: the object; copied at once, so that later steps in it change nothing.

    Raises:
        Exception: whatever copying it raises.
    """

    def __init__(self, env: Any) -> None:
        self._env = copy.deepcopy(env)

    @property
    def metadata(self) -> Any:
        """That of the object."""
        return self._env.metadata

    def __call__(self) -> Any:
        """A copy; an object takes no arguments."""
        return copy.deepcopy(self._env)


def as_gymnasium(made: Any, name: str, render_mode: str | None = None) -> gym.Env[Any, Any]:
    """An environment of another API as a Gymnasium environment.

    Args:
        made: of Gymnasium; of the old package ``gym``, wrapped by Shimmy; with the methods of Gym
            0.21; or with those of PettingZoo's ``ParallelEnv``, whose agents act in turn.
        name: of it, for errors.
        render_mode: that was asked for.

    Raises:
        UserError: it is of none of these.
    """
    if isinstance(made, VectorEnv):
        raise UserError(f"environment {name!r} is a batch of environments: give a single one")
    if isinstance(made, gym.Env):
        return made if takes_seed(made) else OldApiEnv(made, render_mode)
    if is_old_gym(made):
        return wrap_old_gym(made, render_mode)
    if is_turn_based(made):
        raise UserError(
            f"environment {name!r} is turn-based (PettingZoo's AEC API): give its parallel_env, or "
            "pettingzoo.utils.aec_to_parallel(env)"
        )
    if is_parallel(made):
        return AgentTurns(AgentGroup(made))
    lacking = [
        one
        for one in ("reset", "step", "observation_space", "action_space")
        if not hasattr(made, one)
    ]
    if lacking:
        raise UserError(
            f"environment {name!r}: {type(made).__name__} is no environment, it has no "
            f"{lacking[0]}; give a gymnasium.Env, its class, or a function that makes one"
        )
    return OldApiEnv(made, render_mode)


def is_gymnasium_class(target: Any) -> bool:
    """Whether this is a class of Gymnasium environments, which needs no adapting."""
    return isinstance(target, type) and issubclass(target, gym.Env) and takes_seed(target)
