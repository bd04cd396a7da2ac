"""Records episodes of a batch that is played for something else, such as an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from mmrl.action_labels import action_label, action_names, all_labels
from mmrl.agent import Actor, PolicyOutputs, policy_outputs
from mmrl.evaluation.player import action_list, rendered
from mmrl.language import kind_of
from mmrl.records import EpisodeBuilder, EpisodeRecord
from mmrl.wrappers.actions import own_action
from mmrl.wrappers.single_environments import are_single, each


class BatchRecorder:
    """Records the first episodes of the batches that are played.

    Args:
        add: takes a function that makes the record, when its episode has ended.
        count: how many.
        source, env_id, env_args, checkpoint: as of :class:`~mmrl.records.EpisodeRecord`.
    """

    def __init__(
        self,
        add: Callable[[Callable[[], EpisodeRecord]], None],
        count: int,
        *,
        source: str,
        env_id: str,
        env_args: Mapping[str, Any] | None = None,
        checkpoint: int | None = None,
    ) -> None:
        self._add, self._left = add, count
        self._how: dict[str, Any] = {"env_args": env_args, "checkpoint": checkpoint}
        self._source, self._env_id = source, env_id
        self._builders: dict[int, EpisodeBuilder] = {}
        self._outputs = PolicyOutputs()

    def of(self, env_id: str, env_args: Mapping[str, Any], count: int) -> BatchRecorder:
        """A recorder of another environment's episodes, of which so many are recorded."""
        how = {**self._how, "env_args": env_args}
        return BatchRecorder(self._add, count, source=self._source, env_id=env_id, **how)

    @property
    def left(self) -> int:
        """How many are still to be recorded."""
        return self._left

    @property
    def is_done(self) -> bool:
        """Whether all were recorded."""
        return not self._left and not self._builders

    def begin(
        self,
        env: VectorEnv[Any, Any, Any],
        observation: Mapping[str, Any],
        seeds: Sequence[int],
        wanted: int,
    ) -> None:
        """N episodes begin, of which the first ``wanted`` count."""
        self._env = env
        count = min(self._left, wanted)
        self._left -= count
        rows = range(count)
        self._builders = {
            e: EpisodeBuilder(self._source, self._env_id, seed=seeds[e], **self._how) for e in rows
        }
        actions = _actions(env) if count else []
        scenes = _scenes(env, rows)
        for e, builder in self._builders.items():
            builder.actions = actions
            builder.add_observation(_row(observation, e), scenes.get(e))

    def look(self, actor: Actor, observation: Mapping[str, Any]) -> None:
        """Note what an actor's policy computes for the observations that it is about to act on."""
        if self._builders:
            self._outputs = policy_outputs(actor, observation)

    def step(
        self,
        actions: Any,
        observation: Mapping[str, Any],
        rewards: NDArray[np.float64],
        infos: Mapping[str, Any],
        over: NDArray[np.bool_],
    ) -> None:
        """Note a step.

        Args:
            actions: [N, …].
            observation, rewards, infos: of the step, in autoreset mode "SameStep".
            over: of the episodes that end with it, bool [N].
        """
        rows = list(self._builders)
        if not rows:
            return
        labels = _labels(self._env, actions, rows)
        scenes = _scenes(self._env, [e for e in rows if not over[e]])  # others have begun again
        for e, builder in self._builders.items():
            builder.add_step(
                np.array(actions[e]),
                float(rewards[e]),
                label=labels[e],
                info=_info(infos.get("final_info", {}) if over[e] else infos, e),
            )
            builder.add_outputs(self._outputs, [e])
            seen = infos["final_obs"][e] if over[e] else _row(observation, e)
            builder.add_observation(seen, scenes.get(e))

    def end(self, e: int, success: bool | None) -> None:
        """Episode ``e`` has ended, or was cut."""
        builder = self._builders.pop(e, None)
        if builder is not None:
            kind = kind_of(self._env.metadata, builder.instruction)
            self._add(partial(builder.build, success, instruction_kind=kind))


def _row(observation: Mapping[str, Any], e: int) -> dict[str, Any]:
    return {key: values[e] for key, values in observation.items()}


def _info(infos: Mapping[str, Any], e: int) -> dict[str, Any]:
    """The info of environment ``e``."""
    row = {}
    for key, values in infos.items():
        there = infos.get(f"_{key}")
        if key.startswith("_") or (there is not None and not there[e]):
            continue
        with suppress(TypeError, IndexError, KeyError):  # a mapping within an info
            row[key] = values[e]
    return row


def _scenes(env: VectorEnv[Any, Any, Any], rows: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
    """What environments render, uint8 [H, W, 3], by their number; those that do not are absent.

    A batched engine has a method ``render_row(number)`` for it.
    """
    if not len(rows):
        return {}
    engine = getattr(env.unwrapped, "render_row", None)
    if engine is not None:
        return {e: engine(e) for e in rows}
    if not are_single(env):
        return {}
    wanted = set(rows)
    images = each(env, _rendered, [e in wanted for e in range(env.num_envs)])
    return {e: image for e, image in enumerate(images) if image is not None}


def _rendered(env: gym.Env[Any, Any], is_wanted: bool) -> NDArray[np.uint8] | None:
    if not is_wanted or env.render_mode != "rgb_array":
        return None
    return rendered(env)[0]


def _actions(env: VectorEnv[Any, Any, Any]) -> list[str]:
    """As :func:`~mmrl.evaluation.player.action_list`, of the environments of a batch."""
    if are_single(env):
        return each(env, action_list)[0]
    return all_labels(env.single_action_space, action_names(env))


def _labels(env: VectorEnv[Any, Any, Any], actions: Any, rows: Sequence[int]) -> dict[int, str]:
    """The names of the actions of some environments, by their number."""
    if are_single(env):
        wanted = set(rows)
        own = [actions[e] if e in wanted else None for e in range(env.num_envs)]
        return dict(enumerate(each(env, _label, own)))
    names, space = action_names(env), env.single_action_space
    return {e: action_label(actions[e], space, names) for e in rows}


def _label(env: gym.Env[Any, Any], action: Any) -> str:
    return "" if action is None else action_label(*own_action(env, action), action_names(env))
