"""Next-step prediction: a world model's loss on the features."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from mmrl.contract import IMAGE
from mmrl.preprocessing.image import channels_first, is_channels_first, size_of
from mmrl_agents.buffers.rollout import MultimodalRolloutBuffer, NextSteps, Transitions
from mmrl_agents.networks.auxiliary.base import ActionInput, AuxiliaryLoss, Encode


class NextStepPrediction(NamedTuple):
    """A prediction of what comes after N steps.

    Attributes:
        image: logits of the brightness of the next image's patches, float32 [N, 3 · side²].
        end: logits of the episode's end, float32 [N].
        reward: float32 [N].
    """

    image: Tensor
    end: Tensor
    reward: Tensor


class NextStepLoss(AuxiliaryLoss):
    """A world model's loss on features: they predict, with the action, the next step.

    Predicted are the next image, as means of its patches, whether the episode ends, and the reward.
    The loss is the squared error of the reward and the binary cross-entropy of the others, for
    images above its minimum (the gradient is the same). As an auxiliary task of reinforcement
    learning in UNREAL (Jaderberg et al., 2017) and DeepMDP (Gelada et al., 2019).

    Args:
        features: width F of the features that actor and critic are given.
        observation: of one environment, with ``image`` [H, W, 3].
        action: of one environment.
        weight: of the loss, beside the algorithm's own.
        hidden: width of the layer between.
        side: rows and columns of patches in which an image is predicted.

    Raises:
        ValueError: a number that cannot be, or observations without ``image``.
    """

    def __init__(
        self,
        features: int,
        observation: spaces.Dict,
        action: spaces.Space[Any],
        *,
        weight: float = 1.0,
        hidden: int = 256,
        side: int = 14,
    ) -> None:
        super().__init__()
        if IMAGE not in observation.spaces:
            raise ValueError(
                f"it predicts '{IMAGE}', and observations have {', '.join(observation.spaces)}; "
                "reward_prediction needs none"
            )
        shape = observation[IMAGE].shape or ()
        pixels = min(size_of(shape))
        if weight <= 0 or hidden < 1 or not 1 <= side <= pixels:
            raise ValueError(
                f"weight={weight} must be above 0, hidden={hidden} at least 1, and side={side} 1 "
                f"to the {pixels} pixels of an image"
            )
        self.weight, self.side, self._is_first = weight, side, is_channels_first(shape)
        self.action = ActionInput(action)
        self.enter = nn.Linear(features + self.action.width, hidden)
        self.image, self.outcome = nn.Linear(hidden, 3 * side * side), nn.Linear(hidden, 2)

    def forward(self, features: Tensor, actions: Tensor) -> NextStepPrediction:
        """Predict the next step.

        Args:
            features: float [N, F].
            actions: as the algorithm has them, [N] or [N, A].
        """
        hidden = torch.relu(self.enter(self.action(features, actions)))
        end, reward = self.outcome(hidden).float().unbind(1)
        return NextStepPrediction(self.image(hidden).float(), end, reward)

    def on_batch(
        self,
        encode: Encode,
        rollout: MultimodalRolloutBuffer,
        batch: Transitions,
        features: Tensor,
    ) -> Tensor:
        """As :meth:`AuxiliaryLoss.on_batch`: of the batch's own steps."""
        return self.loss(self(features, batch.actions), rollout.next_steps(batch.steps))

    def loss(self, prediction: NextStepPrediction, targets: NextSteps) -> Tensor:
        """The mean over N steps; steps whose target is unknown count 0."""
        patches = self.patches(targets.images)
        least = -(torch.xlogy(patches, patches) + torch.xlogy(1 - patches, 1 - patches))
        image = (_cross_entropy(prediction.image, patches) - least).mean(1)
        outcome = _cross_entropy(prediction.end, targets.ends.float())
        outcome = outcome + (prediction.reward - targets.rewards).square()
        return (image * targets.shown + outcome * targets.known).mean()

    def patches(self, images: Tensor) -> Tensor:
        """The mean brightness of the patches of images uint8 [N, H, W, 3]: float32
        [N, 3 · side²], 0 to 1.
        """
        pixels = images if self._is_first else channels_first(images)
        return functional.adaptive_avg_pool2d(pixels.float() / 255, self.side).flatten(1)


def _cross_entropy(logits: Tensor, shares: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, shares, reduction="none")
