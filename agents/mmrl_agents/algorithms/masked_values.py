"""Action masks of algorithms that learn action values: greedy choice, target, exploration."""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BaseModel
from stable_baselines3.common.type_aliases import PyTorchObs
from torch import Tensor

from mmrl.action_masks import sample_valid
from mmrl.contract import ACTION_MASK
from mmrl_agents.networks.masking import mask_values, masked_sizes


class MaskedValues(BaseModel):
    """A network of values, minus infinity for invalid actions.

    SB3 takes the greatest of them, both to act and, with the next observations and their masks, as
    the target.
    """

    @cached_property
    def _mask_sizes(self) -> list[int] | None:
        return masked_sizes(self.observation_space, self.action_space)

    def forward(self, obs: PyTorchObs) -> Tensor:
        """Values [B, n], or quantiles [B, Q, n]."""
        values: Tensor = super().forward(obs)
        return mask_values(values, cast("Any", obs), self._mask_sizes)


class MaskedExploration(OffPolicyAlgorithm):
    """Explores by valid actions, where observations have masks."""

    exploration_rate: float

    @cached_property
    def _has_masks(self) -> bool:
        return masked_sizes(self.observation_space, self.action_space) is not None

    def predict(
        self,
        observation: Any,
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """As in SB3: greedy, but for a share of random actions, which are valid."""
        if not self._has_masks:
            return super().predict(observation, state, episode_start, deterministic)
        if not deterministic and np.random.rand() < self.exploration_rate:
            return self._sample_valid(observation[ACTION_MASK]), state
        return self.policy.predict(observation, state, episode_start, deterministic)

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        if not self._has_masks or self.num_timesteps >= learning_starts:
            return super()._sample_action(learning_starts, action_noise, n_envs)
        actions = self._sample_valid(cast("Any", self._last_obs)[ACTION_MASK])
        return actions, actions

    def _sample_valid(self, masks: NDArray[np.int8]) -> NDArray[Any]:
        """Random valid actions, of one mask [n] or of masks [N, n]."""
        if masks.ndim == 1:
            return np.array(sample_valid(self.action_space, masks))
        return np.array([sample_valid(self.action_space, mask) for mask in masks])
