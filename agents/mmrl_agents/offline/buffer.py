"""Recorded transitions in memory, from which minibatches are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from mmrl.data import Trajectory
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.training.task import Batch
from mmrl_agents.datasets.store import Column, EpisodeBuffer

_OBSERVATION: Final = "observation/"
_NEXT: Final = "next_observation/"
_ACTIONS: Final = "actions"
_REWARDS: Final = "rewards"
_CONTINUES: Final = "continues"


class Transitions(NamedTuple):
    """A minibatch of B transitions.

    Attributes:
        observations: before the step, by key, [B, …].
        actions: that were taken, [B] or [B, A].
        rewards: float [B].
        continues: 0 where the step terminated its episode, else 1, also where it was truncated;
            float [B].
        next_observations: after the step, by key, [B, …].
    """

    observations: dict[str, Tensor]
    actions: Tensor
    rewards: Tensor
    continues: Tensor
    next_observations: dict[str, Tensor]

    def pack(self) -> Batch:
        """All of it by name, as the trainer wants it."""
        return {
            **{_OBSERVATION + key: one for key, one in self.observations.items()},
            **{_NEXT + key: one for key, one in self.next_observations.items()},
            _ACTIONS: self.actions,
            _REWARDS: self.rewards,
            _CONTINUES: self.continues,
        }

    @classmethod
    def unpack(cls, batch: Batch) -> Self:
        """The inverse of :meth:`pack`."""
        return cls(
            _under(_OBSERVATION, batch),
            batch[_ACTIONS],
            batch[_REWARDS],
            batch[_CONTINUES],
            _under(_NEXT, batch),
        )


class TransitionBuffer(EpisodeBuffer):
    """The steps of trajectories, end to end; relabelled copies share their images.

    Args:
        sensors, preprocessing: as of :class:`EpisodeBuffer`.
    """

    def __init__(self, sensors: Mapping[str, spaces.Box], preprocessing: Preprocessing) -> None:
        super().__init__(sensors, preprocessing)
        self._rows = Column((), np.int64)  # of the observation before a step; the next one follows
        self._sentences = Column((2,), np.int64)  # of the observations before and after it
        self._rewards, self._continues = Column((), np.float32), Column((), np.float32)

    @property
    def rewards(self) -> NDArray[np.float32]:
        """The rewards of all steps, [S]."""
        return self._rewards.values

    def add(self, trajectory: Trajectory) -> None:
        """Add a trajectory, which has at least one step."""
        first, steps = len(self._store), len(trajectory)
        self._store.add(trajectory.observations, trajectory.instructions)
        rows = np.arange(first, first + steps)
        sentences = np.stack([self._store.sentences(rows), self._store.sentences(rows + 1)], 1)
        continues = np.ones(steps, np.float32)
        continues[-1] = not trajectory.terminated
        self._extend(rows, sentences, trajectory.actions, trajectory.rewards, continues)

    def add_relabelled(self, episode: int, steps: int, sentence: str, reward: float) -> None:
        """Add the beginning of a trajectory once more, as if it had been given another instruction,
        which its last step achieves: it gets a reward and terminates there.

        Args:
            episode: the number of the trajectory.
            steps: how many of its steps are kept.
            sentence: the instruction.
            reward: of the last step.
        """
        first = self._starts[episode]
        kept = slice(first, first + steps)
        rewards, continues = self.rewards[kept].copy(), np.ones(steps, np.float32)
        rewards[-1], continues[-1] = reward, 0.0
        sentences = np.full((steps, 2), self._store.sentence(sentence))
        self._extend(self._rows.values[kept], sentences, self.actions[kept], rewards, continues)

    def transitions(self, steps: NDArray[np.int64]) -> Transitions:
        """Transitions by the numbers of their steps, int64 [B]."""
        rows, sentences = self._rows.values[steps], self._sentences.values[steps]
        return Transitions(
            self._store.read(rows, sentences[:, 0]),
            self._action_tensor(steps),
            torch.from_numpy(self._rewards.values[steps]),
            torch.from_numpy(self._continues.values[steps]),
            self._store.read(rows + 1, sentences[:, 1]),
        )

    def _action_tensor(self, steps: NDArray[np.int64]) -> Tensor:
        actions = torch.from_numpy(self.actions[steps])
        return actions.float() if actions.is_floating_point() else actions

    def _extend(
        self,
        rows: NDArray[np.int64],
        sentences: NDArray[np.int64],
        actions: NDArray[Any],
        rewards: NDArray[Any],
        continues: NDArray[np.float32],
    ) -> None:
        self._rows.extend(rows)
        self._sentences.extend(sentences)
        self._rewards.extend(rewards)
        self._continues.extend(continues)
        self._add_actions(actions)


def _under(prefix: str, batch: Batch) -> dict[str, Tensor]:
    """The entries whose names begin so, without that beginning."""
    return {key.removeprefix(prefix): one for key, one in batch.items() if key.startswith(prefix)}
