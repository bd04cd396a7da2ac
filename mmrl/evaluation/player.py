"""Plays single episodes and records them step by step, for people to look at."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, Self, TypeVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from mmrl.action_labels import action_label, action_names, all_labels, first_action
from mmrl.agent import Actor, begin_episodes, policy_outputs
from mmrl.contract import (
    ACHIEVED,
    ALTERNATIVES,
    INSTRUCTION_OPTION,
    batch_of_one,
    was_successful,
)
from mmrl.env_sets import WeightedEnvironment, draw
from mmrl.errors import UserError
from mmrl.language import kind_of
from mmrl.records import EVALUATION, EpisodeBuilder, EpisodeRecord
from mmrl.seeding import forked_rng
from mmrl.text_output import shortened
from mmrl.wrappers.actions import own_action
from mmrl.wrappers.adapters import make_reporting_env
from mmrl.wrappers.episode_limit import MAX_EPISODE_STEPS, EpisodeLimit, declared_limit
from mmrl.wrappers.error_context import ErrorContext, environment_name

Env = TypeVar("Env")
_MAX_STEPS: Final = 1_000  # of an episode that declares no limit


class EpisodePlayer:
    """Plays episodes of an environment and records them; each kind of trouble is warned of once.

    The whole scene is recorded beside what the agent sees where the environment renders arrays
    uint8 [H, W, 3]. The environment is made for the first episode and kept until :meth:`close`, or
    until it fails: closing one may end others that share a display with it.

    Args:
        env_id, env_args: which environment; of several, an episode's is drawn by its seed.
        max_episode_steps: longer episodes are cut there, which are not successful then; None cuts
            those that last 1,000 steps, or as many as the environment declares, up to 10,000.
        source: of the records.

    Raises:
        UserError: a limit below 1.
    """

    def __init__(
        self,
        env_id: str,
        env_args: dict[str, Any] | None = None,
        *,
        max_episode_steps: int | None = None,
        source: str = EVALUATION,
    ) -> None:
        self._env_id, self._env_args = env_id, env_args or {}
        self._source = source
        self._given = max_episode_steps
        self._limit = EpisodeLimit(max_episode_steps)
        self._is_warned = False
        self._envs: dict[str, gym.Env[Any, Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the environments, if there are any; the next episode makes its one anew."""
        envs, self._envs = self._envs, {}
        for env in envs.values():
            with suppress(Exception):  # the records are made; closing cannot spoil them
                env.close()

    def play(
        self,
        actor: Actor,
        *,
        seed: int,
        deterministic: bool = False,
        instruction: str | None = None,
        checkpoint: int | None = None,
    ) -> EpisodeRecord:
        """Play one episode.

        Args:
            actor: the agent.
            seed: of the episode.
            deterministic: take the most probable action instead of sampling.
            instruction: instead of the episode's own, which stays the same scene; the environment
                has to take one, see :data:`mmrl.contract.INSTRUCTION_OPTION`.
            checkpoint: environment steps that the agent was trained for.

        Raises:
            UserError: an environment that cannot be made or fails, that takes no instruction or
                not this one, or an actor that does not fit.
        """
        member = draw(self._env_id, seed)
        builder = EpisodeBuilder(
            self._source,
            member.env,
            env_args=member.args(self._env_args),
            seed=seed,
            checkpoint=checkpoint,
        )
        with self._environment(member) as env:
            options = _with_instruction(env, instruction)
            success = self._play(env, actor, seed, deterministic, options, builder)
            kind = kind_of(env.metadata, builder.instruction)
            return builder.build(success, instruction_kind=kind)

    def play_alternatives(
        self, actor: Actor, *, seed: int, count: int = 1, deterministic: bool = False
    ) -> list[EpisodeRecord]:
        """Play one scene with its own instruction, and with others that it could have.

        Args:
            actor: the agent.
            seed: of the scene.
            count: how many others, at most.
            deterministic: take the most probable action instead of sampling.

        Returns:
            One record for each; empty where the environment names no other instruction, see
            :data:`mmrl.contract.ALTERNATIVES`.

        Raises:
            UserError: as :meth:`play`.
        """
        with self._environment(draw(self._env_id, seed)) as env:
            if not env.has_wrapper_attr(ALTERNATIVES) or _option(env) is None:
                return []
            env.reset(seed=seed)
            others = list(env.get_wrapper_attr(ALTERNATIVES)())
        chosen = np.random.default_rng(seed).permutation(len(others))[:count].tolist()
        given = [None, *(others[k] for k in chosen)] if others else []
        return [
            self.play(actor, seed=seed, deterministic=deterministic, instruction=one)
            for one in given
        ]

    @contextmanager
    def _environment(self, member: WeightedEnvironment) -> Iterator[gym.Env[Any, Any]]:
        """An environment, which reports what is achieved if it can."""
        if member.env not in self._envs:
            make = partial(make_reporting_env, member.env, ACHIEVED, **member.args(self._env_args))
            self._envs[member.env] = ErrorContext(rendering(make))
        try:
            yield self._envs[member.env]
        except BaseException:
            self.close()
            raise

    def _play(
        self,
        env: gym.Env[Any, Any],
        actor: Actor,
        seed: int,
        deterministic: bool,
        options: dict[str, Any] | None,
        builder: EpisodeBuilder,
    ) -> bool | None:
        """Play an episode: its success, None where it is not known."""
        observation, _ = env.reset(seed=seed, options=options)
        begin_episodes(actor, 1)
        longest = self._given or min(declared_limit(env) or _MAX_STEPS, MAX_EPISODE_STEPS)
        names, builder.actions = action_names(env), action_list(env)
        scene = self._render(env, renders=env.render_mode == "rgb_array")
        builder.add_observation(observation, scene)
        while True:
            batch = batch_of_one(observation)
            with forked_rng(seed + builder.steps + 1):  # to look must not change what is learnt
                outputs = policy_outputs(actor, batch)
                actions = actor.act(batch, deterministic=deterministic)
            action = first_action(actions, env.action_space)
            observation, reward, terminated, truncated, info = env.step(action)
            builder.add_step(
                action,
                float(reward),
                label=action_label(*own_action(env, action), names),
                info=info,
            )
            builder.add_outputs(outputs, [0])
            scene = self._render(env, renders=scene is not None)
            builder.add_observation(observation, scene)
            if terminated or truncated:
                return was_successful(info)
            if builder.steps >= longest:
                self._limit.cut(env, longest)
                return False

    def _render(self, env: gym.Env[Any, Any], *, renders: bool) -> NDArray[np.uint8] | None:
        """What the environment renders; None where that is not possible, or was not before."""
        if not renders:
            return None
        scene, reason = rendered(env)
        if scene is None and not self._is_warned:
            self._is_warned = True
            warnings.warn(
                f"environment {environment_name(env)}: {reason}; clips show the observations only",
                stacklevel=2,
            )
        return scene


def action_list(env: gym.Env[Any, Any]) -> list[str]:
    """The names of all actions of an environment, as :func:`~mmrl.action_labels.all_labels`; of a
    ``Discrete`` those that the environment itself gets.
    """
    space, names = env.action_space, action_names(env)
    if isinstance(space, gym.spaces.Discrete):
        return [action_label(*own_action(env, k), names) for k in range(int(space.n))]
    return all_labels(space, names)


def rendering(make: Callable[..., Env]) -> Env:
    """An environment, or a batch, that renders arrays; one that does not, where it cannot.

    Args:
        make: makes it, and takes ``render_mode``.
    """
    try:
        with warnings.catch_warnings():  # that it declares no such mode
            warnings.filterwarnings("ignore", ".*not in the possible render_modes")
            return make(render_mode="rgb_array")
    except Exception:  # an environment that cannot render is shown by its observations
        return make()


def rendered(env: gym.Env[Any, Any]) -> tuple[NDArray[np.uint8] | None, str]:
    """A copy of what an environment renders, uint8 [H, W, 3]; or None, and the reason."""
    try:
        scene: Any = env.render()
    except Exception as error:
        return None, shortened(f"render() raised {type(error).__name__}: {error}")
    if not _is_frame(scene):
        return None, f"render() gave {_what(scene)} instead of an array uint8 [H, W, 3]"
    return scene.copy(), ""


def _is_frame(scene: Any) -> bool:
    return (
        isinstance(scene, np.ndarray)
        and scene.dtype == np.uint8
        and scene.ndim == 3
        and scene.shape[2] == 3
        and scene.size > 0
    )


def _what(scene: Any) -> str:
    if isinstance(scene, np.ndarray):
        return f"an array {scene.dtype} of shape {list(scene.shape)}"
    return "None" if scene is None else f"a {type(scene).__name__}"


def _option(env: gym.Env[Any, Any]) -> str | None:
    """The option of ``reset`` by which an environment takes an instruction; None without one."""
    option: str | None = (env.metadata or {}).get(INSTRUCTION_OPTION)
    return option


def _with_instruction(env: gym.Env[Any, Any], instruction: str | None) -> dict[str, Any] | None:
    """The options of ``reset`` for an instruction.

    Raises:
        UserError: the environment takes none.
    """
    if instruction is None:
        return None
    option = _option(env)
    if option is None:
        raise UserError(
            f"environment {environment_name(env)} takes no instruction: it needs an option of "
            f"reset() for it, named in metadata[{INSTRUCTION_OPTION!r}]"
        )
    return {option: instruction}
