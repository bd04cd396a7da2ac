"""An actor: a policy of SB3 on the environments' own observations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.distributions import CategoricalDistribution
from stable_baselines3.common.policies import BasePolicy

from mmrl.contract import IMAGE
from mmrl.errors import UserError
from mmrl.preprocessing.image import size_of
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl_agents.networks.policy import MultimodalPolicy


class SB3Actor:
    """Chooses actions for observations of the contract.

    The state of the policy's memory, one of each row, is carried from call to call until
    :meth:`begin`.

    Args:
        policy: of any SB3 algorithm, for images and encoded instructions.
        preprocessing: the one it was trained with.
    """

    def __init__(self, policy: BasePolicy, preprocessing: Preprocessing) -> None:
        self.policy = policy
        self.preprocessing = preprocessing
        self._state: tuple[NDArray[np.float32]] | None = None

    def begin(self, count: int) -> None:
        """Episodes begin everywhere: the memory's state is reset."""
        self._state = None

    def act(self, observation: Mapping[str, Any], *, deterministic: bool) -> NDArray[Any]:
        """A batch of observations → actions [B], see :class:`mmrl.agent.Actor`.

        Raises:
            UserError: images of another size than the agent was trained on, or no speech.
        """
        state = self._state if self._fits(observation) else None
        actions, after = self.policy.predict(
            self._encode(observation), cast("Any", state), deterministic=deterministic
        )
        self._state = cast("tuple[NDArray[np.float32]] | None", after)
        return np.asarray(actions)

    def probabilities(self, observation: Mapping[str, Any]) -> NDArray[np.float32] | None:
        """A batch of observations → probability of each action, float32 [B, A]; None where the
        policy has no distribution over discrete actions. The memory's state stays as it is.

        Raises:
            UserError: as :meth:`act`.
        """
        policy = self.policy
        if not isinstance(policy, MultimodalPolicy):
            return None
        policy.set_training_mode(False)
        encoded, _ = policy.obs_to_tensor(self._encode(observation))
        count = len(observation[IMAGE])
        state = policy.begin(count)
        if self._state is not None and self._fits(observation):
            state = torch.from_numpy(self._state[0]).to(policy.device)
        with torch.no_grad():
            starts = torch.zeros(count, dtype=torch.bool, device=policy.device)
            distribution = policy.distribution(encoded, state, starts)
        if not isinstance(distribution, CategoricalDistribution):
            return None
        return distribution.distribution.probs.float().cpu().numpy()

    def _fits(self, observation: Mapping[str, Any]) -> bool:
        """Whether the memory's state is of as many episodes."""
        return self._state is None or len(self._state[0]) == len(observation[IMAGE])

    def _encode(self, observation: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        images = observation[IMAGE]
        self._check(images)
        rows = [self.preprocessing.encode(observation, row) for row in range(len(images))]
        encoded = {key: np.stack([row[key] for row in rows]) for key in self.preprocessing.spaces}
        return {IMAGE: images, **encoded}

    def _check(self, images: NDArray[np.uint8]) -> None:
        space: Any = self.policy.observation_space
        trained = size_of(space[IMAGE].shape)
        if images.shape[1:3] != trained:
            raise UserError(
                f"images of {list(images.shape[1:3])} pixels: "
                f"this agent was trained on {list(trained)}"
            )
