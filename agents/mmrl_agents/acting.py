"""A trained SB3 algorithm as something that acts on observations of the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.distributions import CategoricalDistribution
from stable_baselines3.common.policies import ActorCriticPolicy

from mmrl.errors import UserError
from mmrl.observation import IMAGE, INSTRUCTION
from mmrl.preprocessing.text import Tokenizer


class SB3Actor:
    """Chooses actions for pictures and sentences.

    Args:
        algorithm: any SB3 algorithm whose policy takes pictures and token ids.
        tokenizer: the one it was trained with.
    """

    def __init__(self, algorithm: BaseAlgorithm, tokenizer: Tokenizer) -> None:
        self.algorithm = algorithm
        self.tokenizer = tokenizer

    def act(
        self, images: NDArray[np.uint8], instructions: Sequence[str], *, deterministic: bool
    ) -> NDArray[Any]:
        """Pictures uint8 [B, H, W, 3] and B sentences → actions [B].

        Raises:
            UserError: pictures of another size than the agent was trained on.
        """
        observation = self._observation(images, instructions)
        actions, _ = self.algorithm.predict(observation, deterministic=deterministic)
        return np.asarray(actions)

    def probabilities(
        self, images: NDArray[np.uint8], instructions: Sequence[str]
    ) -> NDArray[np.float32] | None:
        """Pictures uint8 [B, H, W, 3] and B sentences → probability of each action, float32
        [B, A]; None where the policy has no distribution over discrete actions.

        Raises:
            UserError: pictures of another size than the agent was trained on.
        """
        policy = self.algorithm.policy
        if not isinstance(policy, ActorCriticPolicy):
            return None
        policy.set_training_mode(False)
        observation, _ = policy.obs_to_tensor(self._observation(images, instructions))
        with torch.no_grad():
            distribution = policy.get_distribution(observation)
        if not isinstance(distribution, CategoricalDistribution):
            return None
        return distribution.distribution.probs.float().cpu().numpy()

    def _observation(
        self, images: NDArray[np.uint8], instructions: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        self._check(images)
        tokens = np.stack([self.tokenizer.encode(sentence) for sentence in instructions])
        return {IMAGE: images.transpose(0, 3, 1, 2), INSTRUCTION: tokens}

    def _check(self, images: NDArray[np.uint8]) -> None:
        space: Any = self.algorithm.observation_space
        trained = space[IMAGE].shape[1:]
        if images.shape[1:3] != trained:
            raise UserError(
                f"pictures of {list(images.shape[1:3])} pixels: "
                f"this agent was trained on {list(trained)}"
            )
