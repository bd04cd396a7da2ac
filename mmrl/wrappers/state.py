"""The exact state of a batch of environments, for bit-exact resume.

A batch has a state if it has ``get_state()`` and ``set_state(state)``, or if each environment of
Gymnasium's ``SyncVectorEnv`` has them; ``np_random`` and time limits are handled here. States are
plain data, see :mod:`mmrl.experiment.plain_data`, and come back with the types that they had.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
from gymnasium.vector import SyncVectorEnv, VectorEnv
from gymnasium.wrappers import TimeLimit

from mmrl.wrappers.error_context import EnvironmentFailedError

State = Any


def batch_state(env: VectorEnv[Any, Any, Any]) -> State | None:
    """The state of a batch; None where it has none."""
    if hasattr(env, "get_state"):
        return env.get_state()
    if isinstance(env, SyncVectorEnv):
        states = [_state(one) for one in env.envs]
        return None if any(one is None for one in states) else states
    return None


def set_batch_state(env: VectorEnv[Any, Any, Any], state: State) -> None:
    """Restore a state that :func:`batch_state` gave of a batch like this one.

    Raises:
        ValueError: it is the state of another batch.
    """
    if isinstance(env, SyncVectorEnv):
        for one, its_state in zip(env.envs, state, strict=True):
            _set_state(one, its_state)
    else:
        env.set_state(state)  # type: ignore[attr-defined]  # it had get_state()


def try_state(env: VectorEnv[Any, Any, Any], save: Callable[[State], State]) -> str | None:
    """Test whether a batch's state can be saved and restored; one of its environments is reset.

    Args:
        env: the batch.
        save: what becomes of a state that is saved and read again; it raises where it cannot be.

    Returns:
        Why it cannot; None where it can.
    """
    try:
        if hasattr(env, "get_state"):
            env.reset(seed=0)
            env.set_state(save(env.get_state()))  # type: ignore[attr-defined]
        elif isinstance(env, SyncVectorEnv) and _stateful(env.envs[0]) is not None:
            env.envs[0].reset(seed=0)
            _set_state(env.envs[0], save(_state(env.envs[0])))
        else:
            return "has no get_state() and set_state(state)"
    except EnvironmentFailedError:
        raise
    except Exception as error:  # of any kind, from the environment
        return f"cannot have its state saved and restored ({type(error).__name__}: {error})"
    return None


def _layers(env: gym.Env[Any, Any]) -> list[Any]:
    """An environment's wrappers, the outermost first, and the environment."""
    layers: list[Any] = [env]
    while isinstance(layers[-1], gym.Wrapper):
        layers.append(layers[-1].env)
    return layers


def _stateful(env: gym.Env[Any, Any]) -> Any | None:
    """The outermost layer with ``get_state`` and ``set_state``, for all within it."""
    layers = _layers(env)
    return next(
        (one for one in layers if hasattr(one, "get_state") and hasattr(one, "set_state")), None
    )


def _limits(env: gym.Env[Any, Any]) -> list[Any]:
    return [one for one in _layers(env) if isinstance(one, TimeLimit)]


def _state(env: gym.Env[Any, Any]) -> State | None:
    stateful = _stateful(env)
    if stateful is None:
        return None
    return {
        "state": stateful.get_state(),
        "np_random": env.unwrapped.np_random.bit_generator.state,
        "elapsed": [one._elapsed_steps for one in _limits(env)],
    }


def _set_state(env: gym.Env[Any, Any], state: State) -> None:
    env.reset()  # Gymnasium's wrappers want to have seen one
    stateful = _stateful(env)
    if stateful is None:
        raise ValueError(f"{env} has no set_state() any more")
    stateful.set_state(state["state"])
    env.unwrapped.np_random.bit_generator.state = state["np_random"]
    for limit, elapsed in zip(_limits(env), state["elapsed"], strict=True):
        limit._elapsed_steps = elapsed
