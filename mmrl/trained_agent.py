"""A trained agent in Python: it predicts actions for observations, and plays episodes for clips."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from mmrl.agent import (
    Actor,
    PolicyOutputs,
    action_probabilities,
    begin_episodes,
    policy_outputs,
)
from mmrl.contract import ACTION_MASK, EVAL_SEED_START, IMAGE, SPEECH, batch_of_one
from mmrl.env_apis.registration import EnvLike, env_id_of, is_same_name
from mmrl.errors import UserError
from mmrl.experiment.run import Run
from mmrl.viz.clips import Clip, record_clip
from mmrl.wrappers.adapt.config import ADAPTER


class TrainedAgent:
    """An agent of a run, which acts on observations of :mod:`mmrl.contract`.

    Args:
        actor: the agent itself.
        run: where it was trained.
    """

    def __init__(self, actor: Actor, run: Run) -> None:
        self.actor = actor
        self.run = run

    def predict(
        self,
        observation: Mapping[str, Any],
        *,
        deterministic: bool = False,
        action_masks: Any = None,
    ) -> int | NDArray[Any]:
        """The action for one observation, or the actions [B, …] for a batch.

        An agent with a memory remembers the observations of earlier calls: call :meth:`begin`
        where an episode begins.

        Args:
            observation: as an environment of :func:`mmrl.make_env` gives it, such as ``image``
                uint8 [H, W, 3] and ``instruction``, a sentence; or a batch, such as ``image`` uint8
                [B, H, W, 3] and B sentences. ``speech`` is needed by an agent with speech input.
            deterministic: take the most probable action instead of sampling.
            action_masks: [n], or [B, n] for a batch, 1 for each valid action, of an agent that was
                trained with masks; the observation may have them as ``action_mask``.

        Raises:
            UserError: no such observation, or an agent that was trained without masks.
        """
        if not isinstance(observation, Mapping) or not observation:
            raise UserError(
                f"the observation is {observation!r}: give a mapping, as an environment of "
                "mmrl.make_env gives it"
            )
        if action_masks is not None:
            observation = self._with_masks(observation, action_masks)
        if IMAGE not in observation:
            return self._predict_states(observation, deterministic)
        image = np.asarray(observation[IMAGE])
        if image.dtype != np.uint8 or image.ndim not in (3, 4) or image.shape[-1] != 3:
            raise UserError(
                f"the observation's image is {image.dtype} {list(image.shape)}: it must be uint8 "
                "[H, W, 3], or [B, H, W, 3] for a batch"
            )
        if image.ndim == 4:
            return self.act({**observation, IMAGE: image}, deterministic=deterministic)
        batch = batch_of_one({**observation, IMAGE: image})
        action = np.asarray(self.act(batch, deterministic=deterministic)[0])
        return action if action.ndim else int(action)

    @cached_property
    def _has_masks(self) -> bool:
        info = self.run.env_info
        return info is None or ACTION_MASK in info.observation_space.spaces

    def _with_masks(self, observation: Mapping[str, Any], masks: Any) -> dict[str, Any]:
        if not self._has_masks:
            raise UserError(
                "action_masks: this agent was trained without action masks; leave them out"
            )
        return {**observation, ACTION_MASK: np.asarray(masks).astype(np.bool_).astype(np.int8)}

    def _predict_states(
        self, observation: Mapping[str, Any], deterministic: bool
    ) -> int | NDArray[Any]:
        """As :meth:`predict`, of vectors float32 [K] or [B, K] without an image."""
        if any(isinstance(one, np.ndarray) and one.ndim == 2 for one in observation.values()):
            return self.act(observation, deterministic=deterministic)
        action = np.asarray(self.act(batch_of_one({**observation}), deterministic=deterministic)[0])
        return action if action.ndim else int(action)

    def act(self, observation: Mapping[str, Any], *, deterministic: bool) -> NDArray[Any]:
        """As :meth:`mmrl.agent.Actor.act`."""
        return self.actor.act(observation, deterministic=deterministic)

    def begin(self, count: int = 1) -> None:
        """Forget earlier observations: so many episodes begin."""
        begin_episodes(self.actor, count)

    def probabilities(self, observation: Mapping[str, Any]) -> NDArray[np.float32] | None:
        """As :func:`mmrl.agent.action_probabilities`."""
        return action_probabilities(self.actor, observation)

    def policy_outputs(self, observation: Mapping[str, Any]) -> PolicyOutputs:
        """As :func:`mmrl.agent.policy_outputs`."""
        return policy_outputs(self.actor, observation)

    def clip(
        self,
        env: EnvLike | None = None,
        *,
        env_args: dict[str, Any] | None = None,
        seed: int = EVAL_SEED_START,
        deterministic: bool = False,
        max_episode_steps: int | None = None,
    ) -> Clip:
        """Play one episode and draw it; a notebook shows the clip, ``clip.save(path)`` writes it.

        Args:
            env, env_args: where, as of :func:`train`; the environment of the training, if None.
            seed: of the episode.
            deterministic: take the most probable action instead of sampling.
            max_episode_steps: a longer episode is cut there.

        Raises:
            UserError: an environment that fails, or does not fit the agent.
        """
        name, args = env_of(self.run, env, env_args)
        return record_clip(
            self.actor,
            name,
            args,
            seed=seed,
            deterministic=deterministic,
            max_episode_steps=max_episode_steps,
        )


def env_of(
    run: Run, env: EnvLike | None, env_args: dict[str, Any] | None
) -> tuple[str, dict[str, Any]]:
    """The environment of a run with more arguments, or another one. What is given in Python under
    the name of the run's own stands for it, and has its arguments; an object is made already, and
    has only how it is adapted.
    """
    own, args = run.config["env"], dict(run.config.get("env_args", {}))
    given = env_args or {}
    if env is None:
        return own, {**args, **given}
    name = env_id_of(env)
    if isinstance(env, str) or not is_same_name(name, own):
        return name, given
    if isinstance(env, gym.Env) or not callable(env):
        args = {key: args[key] for key in (ADAPTER, SPEECH) if key in args}
    return name, {**args, **given}
