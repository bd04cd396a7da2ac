"""A reference policy: the one that a learning policy is kept near to."""

from __future__ import annotations

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from mmrl_agents.buffers.rollout import MultimodalRolloutBuffer
from mmrl_agents.networks.policy import MultimodalPolicy


class ReferencePolicy:
    """A frozen policy that evaluates the actions of rollouts, with a memory of its own.

    Args:
        policy: it; its weights stay as they are.
        num_envs: environments of a rollout.

    Attributes:
        state: of its memory after the last rollout, float [N, S].
    """

    def __init__(self, policy: MultimodalPolicy, num_envs: int) -> None:
        self._policy = policy.requires_grad_(False)
        self._policy.set_training_mode(False)
        self.state: Tensor = self._policy.begin(num_envs)

    @torch.no_grad()
    def log_probs(self, rollout: MultimodalRolloutBuffer) -> NDArray[np.float32]:
        """Log-probabilities of the actions of a rollout that follows the last one, float32 [T, N].

        Args:
            rollout: full.
        """
        policy, starts = self._policy, torch.from_numpy(rollout.episode_starts > 0)
        observations = {key: one.flatten(0, 1) for key, one in rollout.observations.items()}
        starts = starts.to(policy.device)
        distribution, self.state = policy.unroll(observations, self.state, starts)
        actions = torch.from_numpy(rollout.actions).flatten(0, 1).to(policy.device)
        if isinstance(policy.action_space, spaces.Discrete):
            actions = actions.long().flatten()
        return distribution.log_prob(actions).unflatten(0, starts.shape).cpu().numpy()
