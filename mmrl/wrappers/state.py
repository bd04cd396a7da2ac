"""The exact state of a batch of environments, for bit-exact resume.

A batch has a state if it has ``get_state()`` and ``set_state(state)``, or if it is one of single
environments that have them, in whichever processes they are; ``np_random`` and time limits are
handled here. States are plain data, see :mod:`mmrl.experiment.plain_data`, and come back with the
types that they had.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
from gymnasium.vector import VectorEnv
from gymnasium.wrappers import TimeLimit

from mmrl.wrappers.error_context import EnvironmentFailedError
from mmrl.wrappers.single_environments import are_single, each

State = Any


def batch_state(env: VectorEnv[Any, Any, Any]) -> State | None:
    """The state of a batch; None where it has none."""
    if hasattr(env, "get_state"):
        return env.get_state()
    if _is_made_of_single(env):
        states = each(env, single_state)
        return None if any(one is None for one in states) else states
    return None


def set_batch_state(env: VectorEnv[Any, Any, Any], state: State) -> None:
    """Restore a state that :func:`batch_state` gave of a batch like this one.

    Raises:
        ValueError: it is the state of another batch.
    """
    if _is_made_of_single(env):
        each(env, set_single_state, state)
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
    if (own := getattr(env, "try_state", None)) is not None:  # of several batches
        reason: str | None = own(save)
        return reason
    try:
        if hasattr(env, "get_state"):
            env.reset(seed=0)
            env.set_state(save(env.get_state()))  # type: ignore[attr-defined]
        elif _is_made_of_single(env) and all(each(env, _has_state)):
            rest = [None] * (env.num_envs - 1)
            state = each(env, _reset_state, [True, *rest])[0]
            each(env, _restore_state, [save(state), *rest])
        else:
            return "has no get_state() and set_state(state)"
    except EnvironmentFailedError:
        raise
    except Exception as error:  # of any kind, from the environment
        return f"cannot have its state saved and restored ({type(error).__name__}: {error})"
    return None


def _is_made_of_single(env: VectorEnv[Any, Any, Any]) -> bool:
    """Whether a batch is one of single environments, and no wrapper is around it."""
    return env.unwrapped is env and are_single(env)


def _has_state(env: gym.Env[Any, Any]) -> bool:
    return _stateful(env) is not None


def _reset_state(env: gym.Env[Any, Any], wanted: bool | None) -> State | None:
    """The state of an environment that is reset for it, if it is wanted."""
    if not wanted:
        return None
    env.reset(seed=0)
    return single_state(env)


def _restore_state(env: gym.Env[Any, Any], state: State | None) -> None:
    if state is not None:
        set_single_state(env, state)


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


def _remembering(env: gym.Env[Any, Any]) -> list[Any]:
    """The wrappers that remember something of an episode."""
    return [one for one in _layers(env) if "wrapper_state" in dir(type(one))]


def single_state(env: gym.Env[Any, Any]) -> State | None:
    """The state of a single environment; None where it has none."""
    stateful = _stateful(env)
    if stateful is None:
        return None
    return {
        "state": stateful.get_state(),
        "np_random": env.unwrapped.np_random.bit_generator.state,
        "elapsed": [one._elapsed_steps for one in _limits(env)],
        "wrappers": [one.wrapper_state() for one in _remembering(env)],
    }


def set_single_state(env: gym.Env[Any, Any], state: State) -> None:
    """Restore a state that :func:`single_state` gave.

    Raises:
        ValueError: it is the state of another environment.
    """
    env.reset()  # Gymnasium's wrappers want to have seen one
    stateful = _stateful(env)
    if stateful is None:
        raise ValueError(f"{env} has no set_state() any more")
    stateful.set_state(state["state"])
    env.unwrapped.np_random.bit_generator.state = state["np_random"]
    for limit, elapsed in zip(_limits(env), state["elapsed"], strict=True):
        limit._elapsed_steps = elapsed
    remembered = state.get("wrappers", [])  # none in states of earlier versions
    for wrapper, one in zip(_remembering(env), remembered, strict=bool(remembered)):
        wrapper.set_wrapper_state(one)
