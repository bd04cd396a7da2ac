"""The episodes of a dataset as an environment, so that adapters apply to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import gymnasium as gym
import numpy as np

from mmrl.contract import INSTRUCTION
from mmrl.data.dataset import EpisodeDataset
from mmrl.data.episode import Demonstration, RecordedEpisode, Trajectory
from mmrl.errors import UserError
from mmrl.wrappers.actions import adapt_actions
from mmrl.wrappers.adapt.config import AdapterConfig
from mmrl.wrappers.making import adapt


class ReplayedEnv(gym.Env[Any, Any]):
    """Gives what was recorded, whatever the actions are; ``expert_action`` is the recorded one.

    ``reset(options={"episode": k})`` chooses the episode; with ``"labels": False``, its actions are
    those that were taken, even if an expert has labelled them.

    Args:
        dataset: of the episodes.
    """

    def __init__(self, dataset: EpisodeDataset) -> None:
        self.observation_space = dataset.spaces.recorded
        self.action_space = dataset.spaces.action
        self._dataset = dataset
        self.episode: RecordedEpisode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode.

        Raises:
            UserError: it cannot be read.
        """
        super().reset(seed=seed)
        chosen = options or {}
        self.episode = self._dataset.recorded(
            chosen.get("episode", 0), labels=chosen.get("labels", True)
        )
        self._at = 0
        return _row(self.episode.observations, 0), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """The next step that was recorded."""
        reward = float(self.episode.rewards[self._at])
        self._at += 1
        is_over = self._at == len(self.episode.rewards)
        terminated = is_over and self.episode.terminated
        observation = _row(self.episode.observations, self._at)
        return observation, reward, terminated, is_over and not terminated, {}

    def expert_action(self) -> Any:
        """What was done in this step, or what an expert would have done."""
        return self.episode.actions[self._at]


class AdaptedEpisodes:
    """The episodes of a dataset in the contract's form, by the rules of ``env_adapter``.

    Args:
        dataset: recorded with other software.
        config: of the adapter; None finds out by itself.

    Raises:
        UserError: nothing of its observations can be used.
    """

    def __init__(self, dataset: EpisodeDataset, config: AdapterConfig | None) -> None:
        self._replayed = ReplayedEnv(dataset)
        bins = None if config is None else config.discrete_actions
        self._env = adapt_actions(adapt(self._replayed, config), bins)[0]

    @property
    def action_space(self) -> gym.Space[Any]:
        """Of the actions, as agents take them."""
        return self._env.action_space

    def demonstration(self, index: int, keys: Iterable[str]) -> Demonstration:
        """As :meth:`EpisodeDataset.demonstration`."""
        seen, actions = self._replay(index, labels=True)
        steps = len(actions)
        return Demonstration(
            {key: _stacked(key, seen)[:steps] for key in keys},
            _instructions(seen)[:steps],
            np.asarray(actions),
            self._replayed.episode.success,
        )

    def trajectory(self, index: int, keys: Iterable[str]) -> Trajectory:
        """As :meth:`EpisodeDataset.trajectory`; what it achieved is not known."""
        seen, actions = self._replay(index, labels=False)
        episode = self._replayed.episode
        return Trajectory(
            {key: _stacked(key, seen) for key in keys},
            _instructions(seen),
            np.asarray(actions),
            episode.rewards,
            episode.terminated,
            episode.success,
            ((),) * len(actions),
        )

    def _replay(self, index: int, *, labels: bool) -> tuple[list[Any], list[Any]]:
        """The T + 1 observations and T actions of an episode, adapted."""
        observation, _ = self._env.reset(options={"episode": index, "labels": labels})
        action = self._env.get_wrapper_attr("expert_action")
        seen, actions = [observation], []
        for _ in range(len(self._replayed.episode.rewards)):
            actions.append(action())
            observation, *_ = self._env.step(actions[-1])
            seen.append(observation)
        return seen, actions


def _instructions(seen: list[Any]) -> tuple[str, ...]:
    return tuple(one.get(INSTRUCTION, "") for one in seen)


def _stacked(key: str, seen: list[Any]) -> np.ndarray[Any, Any]:
    """One of the entries of all observations.

    Raises:
        UserError: they lack it.
    """
    if key not in seen[0]:
        raise UserError(
            f"the dataset lacks {key!r}, which the environment has: it has {', '.join(seen[0])}"
        )
    return np.array([one[key] for one in seen], seen[0][key].dtype)


def _row(observations: Any, at: int) -> Any:
    """One of the observations, nested as they are."""
    if isinstance(observations, dict):
        return {key: _row(one, at) for key, one in observations.items()}
    if isinstance(observations, tuple):
        return tuple(_row(one, at) for one in observations)
    return observations[at]
