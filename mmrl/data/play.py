"""Plays a batch of episodes, one a seed, and records them; by an expert, at random, or an agent."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from mmrl.action_masks import sample_valid
from mmrl.agent import Actor, begin_episodes
from mmrl.contract import ACHIEVED, ACTION_MASK, DESCRIPTION
from mmrl.data.recorder import Recording
from mmrl.errors import UserError
from mmrl.seeding import action_seed, seed_torch
from mmrl.wrappers.episode_limit import EpisodeLimit
from mmrl.wrappers.error_context import CheckedBatch, environment_name
from mmrl.wrappers.optional_methods import find_expert


class Source(Protocol):
    """Chooses the actions of recorded episodes. One that has an attribute ``labels`` after
    :meth:`actions`, an expert's actions [N] for the same observations, has them recorded.
    """

    def begin(self, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
        """Get ready for N episodes that begin now, all at once."""
        ...

    def actions(
        self, env: VectorEnv[Any, Any, Any], observation: Mapping[str, Any]
    ) -> NDArray[Any]:
        """Actions [N, ...] for a batch of observations."""
        ...


def play(
    env: VectorEnv[Any, Any, Any],
    source: Source,
    seeds: Sequence[int],
    wanted: int,
    on_episodes: Callable[[int], None] | None = None,
    *,
    limit: EpisodeLimit | None = None,
) -> list[Recording]:
    """Play one episode a seed, all at once, until the wanted ones are over.

    An episode depends on its seed and on the batch that it is in, not on other batches.

    Args:
        env: N environments that restart within the step that ends an episode.
        source: of the actions.
        seeds: N of them.
        wanted: the first so many episodes are recorded.
        on_episodes: called with how many more have ended.
        limit: where episodes are cut that do not end, as truncated and not successful; of unknown
            success, where that of an episode that ended is not known.

    Returns:
        The recordings, in the order of the seeds.

    Raises:
        UserError: an environment that fails.
    """
    limit = limit or EpisodeLimit()
    batch = CheckedBatch(env)
    observation, infos = batch.reset(list(seeds))
    longest = limit.of(env)
    source.begin(env, seeds)
    recordings = [Recording(seed) for seed in seeds[:wanted]]
    for e, recording in enumerate(recordings):
        recording.add_observation(_row(observation, e), _entry(infos, DESCRIPTION, e) or "")
    running = list(range(wanted))
    while running:
        actions = source.actions(env, observation)
        labels = getattr(source, "labels", None)
        observation, rewards, terminated, truncated, infos = batch.step(actions)
        over = terminated | truncated
        success, known = batch.were_successful(infos) if over.any() else (over, over)
        for e in running:
            recording = recordings[e]
            recording.actions.append(np.array(actions[e]))  # a source may reuse its array
            if labels is not None:
                recording.expert_actions.append(np.array(labels[e]))
            recording.rewards.append(float(rewards[e]))
            recording.terminated.append(bool(terminated[e]))
            recording.truncated.append(bool(truncated[e]))
            recording.success = bool(success[e]) if over[e] and known[e] else None
            last = infos["final_obs"][e] if over[e] else None
            info = infos.get("final_info", {}) if over[e] else infos
            recording.achieved.append(tuple(_entry(info, ACHIEVED, e) or ()))
            recording.add_observation(
                _row(observation, e) if last is None else last, _entry(info, DESCRIPTION, e) or ""
            )
        ended = len(running)
        running = [e for e in running if not over[e]]
        cut = [e for e in running if len(recordings[e].rewards) >= longest]
        if cut:
            limit.cut(env, longest, len(cut))
            for e in cut:
                recordings[e].truncated[-1], recordings[e].success = True, False
            running = [e for e in running if e not in cut]
        ended -= len(running)
        if ended and on_episodes is not None:
            on_episodes(ended)
    if any(one.is_over and one.success is None for one in recordings):
        for one in recordings:
            one.success = one.success or None  # the environment does not say that it was not
    return recordings


def _row(observation: Mapping[str, Any], e: int) -> dict[str, Any]:
    """The observation of environment ``e``."""
    return {key: values[e] for key, values in observation.items()}


def _entry(infos: Mapping[str, Any], key: str, e: int) -> Any:
    """An entry of the infos of environment ``e``; None where it is absent."""
    if key not in infos or not infos.get(f"_{key}", np.ones(e + 1, np.bool_))[e]:
        return None
    return infos[key][e]


class ExpertSource:
    """The expert that an environment brings: ``expert_actions()`` of a batch, int [N], or
    ``expert_action()`` of a single environment.
    """

    def begin(self, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
        """An expert needs no preparation.

        Raises:
            UserError: the environment has none.
        """
        expert = find_expert(env)
        if expert is not None:
            self._expert = expert
            return
        raise UserError(
            f"environment {environment_name(env)!r} brings no expert: it has neither "
            "expert_actions nor expert_action. Collect by random, or by a run folder of "
            "'mmrl train'"
        )

    def actions(
        self, env: VectorEnv[Any, Any, Any], observation: Mapping[str, Any]
    ) -> NDArray[Any]:
        """What the experts would do now, [N]."""
        return self._expert()


class RandomSource:
    """Random actions, seeded by the episode and independent of what the environment draws."""

    def begin(self, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
        """Seed a generator an episode."""
        self._spaces = [copy.deepcopy(env.single_action_space) for _ in seeds]
        for space, seed in zip(self._spaces, seeds, strict=True):
            space.seed(action_seed(seed))

    def actions(
        self, env: VectorEnv[Any, Any, Any], observation: Mapping[str, Any]
    ) -> NDArray[Any]:
        """Samples of the action space, [N]; of the valid actions, where there are masks."""
        masks = observation.get(ACTION_MASK, [None] * len(self._spaces))
        samples = [sample_valid(*one) for one in zip(self._spaces, masks, strict=True)]
        return np.stack([np.asarray(sample) for sample in samples])


class ActorSource:
    """A trained agent, which samples its actions as in training; sampling is seeded anew for every
    batch of episodes, by the seed of its first.

    Args:
        actor: the agent.
    """

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def begin(self, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
        """Notify the agent that episodes begin."""
        seed_torch(seeds[0])
        begin_episodes(self._actor, len(seeds))

    def actions(
        self, env: VectorEnv[Any, Any, Any], observation: Mapping[str, Any]
    ) -> NDArray[Any]:
        """What the agent does, [N]."""
        return self._actor.act(observation, deterministic=False)


class ExpertLabelledSource:
    """An agent, or at random the expert instead, whose every step is labelled with the expert's
    action: the data of DAgger (Ross et al., 2011).

    Args:
        actor: the agent; None where the expert takes all steps.
        beta: the probability that a step is the expert's.

    Attributes:
        labels: the expert's actions in the last step, [N].
    """

    labels: NDArray[Any]

    def __init__(self, actor: Actor | None, beta: float = 0.0) -> None:
        self._expert = ExpertSource()
        self._agent = None if actor is None else ActorSource(actor)
        self._beta = beta

    def begin(self, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
        """Notify the agent that episodes begin, and find the expert.

        Raises:
            UserError: the environment has none.
        """
        self._rng = np.random.default_rng(action_seed(seeds[0]))
        self._expert.begin(env, seeds)
        if self._agent is not None:
            self._agent.begin(env, seeds)

    def actions(
        self, env: VectorEnv[Any, Any, Any], observation: Mapping[str, Any]
    ) -> NDArray[Any]:
        """The agent's actions, or the expert's, [N]."""
        self.labels = np.array(self._expert.actions(env, observation))
        if self._agent is None:
            return self.labels
        chosen = np.array(self._agent.actions(env, observation))
        by_expert = self._rng.random(len(chosen)) < self._beta
        chosen[by_expert] = self.labels[by_expert]
        return chosen
