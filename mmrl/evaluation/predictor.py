"""Plays and records episodes of any agent with stable-baselines3's ``predict``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from mmrl.action_labels import action_label, action_names
from mmrl.contract import IS_SUCCESS, read_success
from mmrl.errors import UserError
from mmrl.evaluation.player import action_list, rendered, rendering
from mmrl.records import EVALUATION, EpisodeBuilder, EpisodeRecord

_MAX_STEPS: Final = 10_000
INSTRUCTIONS: Final = ("mission", "instruction")
"""Attributes of environments that hold an instruction beside the observations."""


class Predictor(Protocol):
    """An agent as of stable-baselines3."""

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """The action for one observation of the environment, and the state of a memory."""
        ...


class PredictorPlayer:
    """Plays episodes of an agent with ``predict`` in the environment as it is, and records them.

    Args:
        env: id of a Gymnasium environment, a factory, an environment, or a vector environment of
            stable-baselines3 with one environment, such as one that stacks frames.
        env_args: of an id or a factory.
        max_episode_steps: longer episodes are cut there; 10,000, if None.

    Raises:
        UserError: no such environment, or several in one.
    """

    def __init__(
        self,
        env: Any,
        env_args: dict[str, Any] | None = None,
        *,
        max_episode_steps: int | None = None,
    ) -> None:
        self._args = env_args or {}
        self._longest = max_episode_steps or _MAX_STEPS
        self._env = _made(env, self._args)
        self._is_given = isinstance(env, gym.Env) or hasattr(env, "step_async")
        spec = self._env.spec
        self._env_id = str(spec.id) if spec is not None else type(self._env.unwrapped).__name__
        self._names = action_names(self._env)

    def play(
        self, predictor: Predictor, *, seed: int, deterministic: bool = False
    ) -> EpisodeRecord:
        """Play one episode.

        Args:
            predictor: the agent.
            seed: of the episode.
            deterministic: take the most probable action instead of sampling.

        Raises:
            UserError: an environment that fails.
        """
        env = self._env
        builder = EpisodeBuilder(EVALUATION, self._env_id, env_args=self._args, seed=seed)
        builder.actions = action_list(env)
        try:
            observation, _ = env.reset(seed=seed)
            builder.add_observation(observation, self._scene(), self._instruction())
            state, is_over = None, False
            info: dict[str, Any] = {}
            while not is_over and builder.steps < self._longest:
                start = np.array([builder.steps == 0])
                action, state = predictor.predict(
                    observation, state=state, episode_start=start, deterministic=deterministic
                )
                if isinstance(env.action_space, gym.spaces.Discrete):
                    action = int(action)
                observation, reward, terminated, truncated, info = env.step(action)
                label = action_label(action, env.action_space, self._names)
                builder.add_step(action, float(cast("Any", reward)), label=label, info=info)
                builder.add_observation(observation, self._scene(), self._instruction())
                is_over = bool(terminated or truncated)
            success = read_success(info.get(IS_SUCCESS, info.get("success")))
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"environment {self._env_id} (seed {seed}, step {builder.steps}): "
                f"{type(error).__name__}: {error}"
            ) from error
        return builder.build(success)

    def close(self) -> None:
        """Close the environment, unless it was given as an object."""
        if not self._is_given:
            self._env.close()

    def _scene(self) -> NDArray[np.uint8] | None:
        return rendered(self._env)[0] if self._env.render_mode == "rgb_array" else None

    def _instruction(self) -> str:
        for name in INSTRUCTIONS:
            if self._env.has_wrapper_attr(name):
                value = self._env.get_wrapper_attr(name)
                if isinstance(value, str):
                    return value
        return ""


def _made(env: Any, env_args: dict[str, Any]) -> gym.Env[Any, Any]:
    if hasattr(env, "step_async"):
        if env.num_envs != 1:
            raise UserError(f"a vector environment of {env.num_envs}: give one of 1 environment")
        return _OnlyEnv(env)
    if isinstance(env, gym.Env):
        return env
    make: Callable[..., gym.Env[Any, Any]]
    if isinstance(env, str):

        def make(**more: Any) -> gym.Env[Any, Any]:
            return gym.make(env, **more)
    elif callable(env):
        make = env
    else:
        raise UserError(f"env is {env!r}: give an id, a factory or an environment")
    try:
        return rendering(lambda **more: make(**more, **env_args))
    except (gym.error.Error, TypeError, ImportError) as error:
        raise UserError(f"environment {env}: {error}") from error


class _OnlyEnv(gym.Env[Any, Any]):
    """The only environment of one of stable-baselines3's vector environments."""

    def __init__(self, env: Any) -> None:
        self._vec = env
        self.observation_space, self.action_space = env.observation_space, env.action_space
        self.render_mode = getattr(env, "render_mode", None)
        specs = env.get_attr("spec")
        self.spec = specs[0] if specs else None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        self._vec.seed(seed)
        return _only(self._vec.reset()), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step; the last observation of an episode is that of the episode."""
        observation, rewards, dones, infos = self._vec.step(np.asarray(action)[None])
        info, is_over = infos[0], bool(dones[0])
        seen = info["terminal_observation"] if is_over else _only(observation)
        is_cut = bool(info.get("TimeLimit.truncated", False))
        return seen, float(rewards[0]), is_over and not is_cut, is_cut, info

    def render(self) -> Any:
        """What the environment renders."""
        return self._vec.render()

    def close(self) -> None:
        """Close it."""
        self._vec.close()


def _only(observations: Any) -> Any:
    if isinstance(observations, dict):
        return {key: one[0] for key, one in observations.items()}
    return observations[0]
