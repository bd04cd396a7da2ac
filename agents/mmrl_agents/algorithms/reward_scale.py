"""Reward scaling (Engstrom et al., 2020): rewards in units of the spread of discounted returns.

Shapes: T steps of a rollout, N environments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmrl_agents.team import ALONE, Team


class RewardScale:
    """The running standard deviation of discounted returns, where it is above 1; otherwise 1.

    Actor and critic share their features. Where returns are in the hundreds, the critic's loss
    leaves nothing for the actor to learn, and ReLUs die on its way to the mean; rewards up to 1
    stay what they are. As in SB3's ``VecNormalize``, a return is R ← γ R + r, from 0 where an
    episode begins.

    Args:
        num_envs: N.
        gamma: γ.
        team: of workers, which share the statistics.

    Attributes:
        value: what rewards are divided by, at least 1.
        returns: the discounted return so far in each environment, float64 [N].
    """

    def __init__(self, num_envs: int, gamma: float, team: Team = ALONE) -> None:
        self._gamma, self._team = gamma, team
        self._count, self._mean, self._squares = 0.0, 0.0, 0.0  # sum of squared deviations
        self.returns = np.zeros(num_envs)

    @property
    def has_begun(self) -> bool:
        """Whether a rollout has been counted."""
        return self._count > 0

    @property
    def value(self) -> float:
        """As of the rollouts so far."""
        return max(1.0, (self._squares / self._count) ** 0.5) if self._count else 1.0

    @property
    def mean(self) -> float:
        """The mean of discounted returns, in units of :attr:`value`; 0 where rewards stay as they
        are.
        """
        return self._mean / self.value if self.value > 1 else 0.0

    def update(self, rewards: NDArray[np.float32], ends: NDArray[np.bool_]) -> None:
        """Count a rollout.

        Args:
            rewards: float32 [T, N].
            ends: whether the episode ended with the step, bool [T, N].
        """
        returns = np.empty(rewards.shape)
        for t in range(len(rewards)):
            self.returns = returns[t] = self._gamma * self.returns + rewards[t]
            self.returns = self.returns * ~ends[t]
        count, mean, variance = self._team.moments(torch.from_numpy(returns))
        self._merge(float(count), float(mean), float(variance * count))

    def _merge(self, count: float, mean: float, squares: float) -> None:
        """Merge the moments of new returns into those of all (Chan et al., 1979)."""
        total, moved = self._count + count, mean - self._mean
        self._squares += squares + moved**2 * self._count * count / total
        self._mean += moved * count / total
        self._count = total

    def get_state(self) -> dict[str, float]:
        """The statistics, as plain data."""
        return {"count": self._count, "mean": self._mean, "squares": self._squares}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Resume from what :meth:`get_state` gave."""
        self._count, self._mean = float(state["count"]), float(state["mean"])
        self._squares = float(state["squares"])
