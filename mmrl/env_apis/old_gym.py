"""Environments of the old Gym API, before Gymnasium: Gym 0.21 and 0.26.

In Gym 0.21, ``reset()`` returns the observation alone and ``step(action)`` four values; in Gym 0.26
both are as Gymnasium's, of another package. Environments of the package ``gym`` are wrapped by
Shimmy (https://shimmy.farama.org), which also turns their spaces into Gymnasium's; others that
only behave like Gym 0.21 are wrapped here.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

import gymnasium as gym
from gymnasium import spaces

from mmrl.errors import UserError

_INSTALL: Final = "pip install 'shimmy[gym-v26]', or 'shimmy[gym-v21]' where it needs gym 0.21"


class OldApiEnv(gym.Env[Any, Any]):
    """An environment whose ``reset`` and ``step`` are those of Gym 0.21, as a Gymnasium one.

    ``done`` becomes ``truncated`` where ``info["TimeLimit.truncated"]`` is true, and ``terminated``
    otherwise, as in Gym 0.26. Seeds go to ``seed(seed)`` where there is such a method. What is new
    already, ``(observation, info)`` or five values, is passed on.

    Args:
        env: with ``reset``, ``step`` and Gymnasium's spaces.
        render_mode: in which it renders, if its ``render`` takes a mode.

    Raises:
        UserError: its spaces are not Gymnasium's; by ``step``, neither four nor five values.
    """

    def __init__(self, env: Any, render_mode: str | None = None) -> None:
        for name in ("observation_space", "action_space"):
            space = getattr(env, name)
            if not isinstance(space, spaces.Space):
                raise UserError(
                    f"environment {type(env).__name__}: its {name} is {space!r}, and no space of "
                    "gymnasium.spaces; make it one"
                )
        self.env = env
        self.observation_space, self.action_space = env.observation_space, env.action_space
        self.metadata = dict(getattr(env, "metadata", None) or {"render_modes": []})
        self.render_mode = render_mode if renders_by_mode(env) else (
            getattr(env, "render_mode", None)
        )  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        """An attribute of the environment, such as ``expert_action``."""
        if name.startswith("_") or name == "env":
            raise AttributeError(name)
        return getattr(self.env, name)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        if seed is not None and hasattr(self.env, "seed"):
            self.env.seed(seed)
        first = self.env.reset()
        is_new = isinstance(first, tuple) and len(first) == 2 and isinstance(first[1], dict)
        return (first[0], first[1]) if is_new else (first, {})

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step."""
        result = tuple(self.env.step(action))
        if len(result) == 5:
            return result
        if len(result) != 4:
            raise UserError(
                f"environment {type(self.env).__name__}: step() returned {len(result)} values; "
                "return observation, reward, terminated, truncated, info"
            )
        observation, reward, done, info = result
        is_cut = bool(info.get("TimeLimit.truncated", False))
        return observation, reward, bool(done) and not is_cut, bool(done) and is_cut, info

    def render(self) -> Any:
        """What the environment renders."""
        if renders_by_mode(self.env):
            return self.env.render(mode=self.render_mode or "rgb_array")
        return self.env.render()

    def close(self) -> None:
        """Close the environment, where it can be."""
        getattr(self.env, "close", lambda: None)()


def takes_seed(env: Any) -> bool:
    """Whether ``reset`` of an environment, or of a class, takes a seed, as since Gym 0.26."""
    return takes(env.reset, "seed")


def renders_by_mode(env: Any) -> bool:
    """Whether ``render`` of an environment takes its mode, as before Gym 0.26."""
    render = getattr(env, "render", None)
    return callable(render) and takes(render, "mode")


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function or class takes an argument of that name, as far as it can be seen."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of a compiled one
        return True
    return name in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


def call(creator: Callable[..., Any], kwargs: Mapping[str, Any]) -> Any:
    """What a creator makes; one that takes no ``render_mode`` is called without.

    Raises:
        TypeError: it takes none, and what it makes does not have the mode that was asked for.
    """
    mode = kwargs.get("render_mode")
    if mode is None or takes(creator, "render_mode"):
        return creator(**kwargs)
    made = creator(**{key: value for key, value in kwargs.items() if key != "render_mode"})
    if not renders_by_mode(made) and getattr(made, "render_mode", None) != mode:
        raise TypeError(f"it takes no render_mode, and has not {mode!r}")
    return made


def is_old_gym(env: Any) -> bool:
    """Whether an environment is of the package ``gym``; nothing is imported."""
    old = getattr(sys.modules.get("gym"), "Env", None)
    return isinstance(old, type) and isinstance(env, old)


def wrap_old_gym(env: Any, render_mode: str | None = None) -> gym.Env[Any, Any]:
    """An environment of the package ``gym`` as a Gymnasium one, by Shimmy.

    Args:
        env: it, of Gym 0.21 or 0.26.
        render_mode: for one of Gym 0.21, whose ``render`` takes it.

    Raises:
        UserError: Shimmy is not installed.
    """
    shimmy = import_shimmy(type(env.unwrapped).__name__)
    env = _unchecked(env)
    if takes_seed(env.unwrapped):
        if not hasattr(env, "render_mode"):
            env.unwrapped.render_mode = None
        wrapped: gym.Env[Any, Any] = shimmy.GymV26CompatibilityV0(env=env)
    else:
        wrapped = shimmy.GymV21CompatibilityV0(env=env, render_mode=render_mode)
    return wrapped


def _unchecked(env: Any) -> Any:
    """An environment without Gym's ``PassiveEnvChecker``, which fails with NumPy 2."""
    outer = env
    while hasattr(outer, "env") and outer is not outer.unwrapped:
        if type(outer.env).__name__ == "PassiveEnvChecker":
            outer.env = outer.env.env
        outer = outer.env
    return env.env if type(env).__name__ == "PassiveEnvChecker" else env


def import_shimmy(name: str) -> Any:
    """The package ``shimmy``.

    Args:
        name: of the environment that needs it.

    Raises:
        UserError: it is not installed.
    """
    try:
        return import_module("shimmy")
    except ImportError as error:
        raise UserError(
            f"environment {name!r} is of the old package 'gym' (before Gymnasium), and needs "
            f"Shimmy: {_INSTALL}"
        ) from error


class OldGymMaker:
    """Makes an environment that is registered with the package ``gym``, without its wrappers.

    Args:
        spec: of ``gym``.
    """

    def __init__(self, spec: Any) -> None:
        self.spec = spec

    def __call__(self, **kwargs: Any) -> Any:
        """The environment, of the old package."""
        registration = import_module("gym.envs.registration")
        entry = self.spec.entry_point
        creator = registration.load(entry) if isinstance(entry, str) else entry
        own = self.spec.kwargs if hasattr(self.spec, "kwargs") else self.spec._kwargs
        return call(creator, {**own, **kwargs})


def old_gym_spec(env_id: str) -> Any | None:
    """How an id is registered with the package ``gym``; None where it is not, or where that
    package was not imported.
    """
    if "gym" not in sys.modules:
        return None
    registry = getattr(sys.modules.get("gym.envs.registration"), "registry", {})
    specs = getattr(registry, "env_specs", registry)  # Gym 0.21 has an object, 0.26 a dictionary
    return specs.get(env_id)


def old_gym_limit(spec: Any) -> int | None:
    """The steps after which episodes of an old environment are truncated; None for no limit."""
    limit = getattr(spec, "max_episode_steps", None)
    return limit if isinstance(limit, int) else None


def api_of(env: gym.Env[Any, Any]) -> tuple[str, ...] | None:
    """A row for people, "what, is, becomes, note", of an environment of the old API; None of any
    other.
    """
    own: Any = env.unwrapped
    if isinstance(own, OldApiEnv):
        return ("API", "reset() → observation, step() → 4 values", "Gymnasium", "adapted")
    if type(own).__module__.startswith("shimmy.openai_gym"):
        version = "0.21" if "V21" in type(own).__name__ else "0.26"
        return ("API", f"gym {version}", "Gymnasium", f"by shimmy's {type(own).__name__}")
    return None
