"""Reward prediction: which of two kinds of ending an action leads to.

Where success depends on an instruction, few steps tell right from wrong: those that end an episode.
Here they are learned from again and again, as many with a reward as without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from mmrl_agents.buffers.outcomes import OutcomeReplay
from mmrl_agents.buffers.rollout import MultimodalRolloutBuffer, Transitions
from mmrl_agents.networks.auxiliary.base import ActionInput, AuxiliaryLoss, Encode


class RewardPredictionLoss(AuxiliaryLoss):
    """Reward prediction (UNREAL, Jaderberg et al., 2017): whether an action is rewarded.

    A layer on the features and the action predicts whether the reward is above 0. The loss is the
    binary cross-entropy on steps from a replay memory, half of them rewarded and half not; of those
    that are not, the ones that ended an episode are preferred.

    Args:
        features: width F of the encoder's features.
        observation, action: spaces of one environment.
        weight: of the loss, beside the algorithm's own.
        hidden: width of the layer between.
        replay_size: steps of each kind that are kept.
        batch_size: steps in a minibatch.

    Raises:
        ValueError: a number that cannot be.
    """

    uses_memory: ClassVar[bool] = False

    def __init__(
        self,
        features: int,
        observation: spaces.Dict,
        action: spaces.Space[Any],
        *,
        weight: float = 1.0,
        hidden: int = 64,
        replay_size: int = 1024,
        batch_size: int = 128,
    ) -> None:
        super().__init__()
        if weight <= 0 or hidden < 1 or batch_size < 2 or replay_size < batch_size // 2:
            raise ValueError(
                f"weight={weight} must be above 0, hidden={hidden} at least 1, "
                f"batch_size={batch_size} at least 2, and replay_size={replay_size} half of it"
            )
        self.weight, self._half = weight, batch_size // 2
        self.action = ActionInput(action)
        self.head = nn.Sequential(
            nn.Linear(features + self.action.width, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )
        self.replay = OutcomeReplay(replay_size)

    def forward(self, features: Tensor, actions: Tensor) -> Tensor:
        """Logits of a reward, float32 [N], from features [N, F] and actions [N] or [N, A]."""
        logits: Tensor = self.head(self.action(features, actions))
        return logits.flatten().float()

    def collect(self, rollout: MultimodalRolloutBuffer) -> None:
        """As :meth:`AuxiliaryLoss.collect`: the steps that are rewarded, and others."""
        self.replay.add(rollout)

    def on_batch(
        self,
        encode: Encode,
        rollout: MultimodalRolloutBuffer,
        batch: Transitions,
        features: Tensor,
    ) -> Tensor:
        """As :meth:`AuxiliaryLoss.on_batch`; 0 until there are enough steps of both kinds."""
        if len(self.replay) < self._half // 2:
            return features.new_zeros(())
        steps = self.replay.sample(self._half)
        device = features.device
        seen = {key: one.to(device) for key, one in steps.observations.items()}
        logits = self(encode(seen), steps.actions.to(device))
        return functional.binary_cross_entropy_with_logits(logits, steps.rewarded.to(device))

    def get_state(self) -> dict[str, Any]:
        """As :meth:`AuxiliaryLoss.get_state`."""
        return self.replay.get_state()

    def set_state(self, state: Mapping[str, Any]) -> None:
        """As :meth:`AuxiliaryLoss.set_state`."""
        self.replay.set_state(state)
