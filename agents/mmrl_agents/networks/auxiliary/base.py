"""AuxiliaryLoss: what a policy's features learn from beside the agent's own loss."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from mmrl_agents.buffers.rollout import MultimodalRolloutBuffer, Transitions

Encode = Callable[[dict[str, Tensor]], Tensor]
"""Observations, tensors [N, …] → the encoder's features, float [N, F]."""


class AuxiliaryLoss(nn.Module, ABC):
    """An auxiliary loss on the features of an on-policy agent.

    Attributes:
        weight: of the loss, beside the algorithm's own.
        uses_memory: whether it is computed from what actor and critic are given, the state of the
            policy's memory where there is one; otherwise from the features of single observations.
    """

    uses_memory: ClassVar[bool] = True
    weight: float

    def collect(self, rollout: MultimodalRolloutBuffer) -> None:
        """Keep what is needed of a rollout that is full, before it is learned from."""

    @abstractmethod
    def on_batch(
        self,
        encode: Encode,
        rollout: MultimodalRolloutBuffer,
        batch: Transitions,
        features: Tensor,
    ) -> Tensor:
        """The loss beside a minibatch, a scalar.

        Args:
            encode: the policy's encoder.
            rollout: that is learned from.
            batch: of it.
            features: of the batch, that actor and critic were given, float [N, F].
        """

    def get_state(self) -> dict[str, Any] | None:
        """What was kept, as plain data; None where nothing is."""
        return None

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Resume from what :meth:`get_state` gave."""


class ActionInput(nn.Module):
    """Actions beside features: one-hot where there are choices, as they are otherwise.

    Args:
        action: space of one environment's action.

    Attributes:
        width: of an action.
    """

    def __init__(self, action: spaces.Space[Any]) -> None:
        super().__init__()
        self._choices = int(action.n) if isinstance(action, spaces.Discrete) else None
        self.width = self._choices or math.prod(action.shape or ())

    def forward(self, features: Tensor, actions: Tensor) -> Tensor:
        """Features float [N, F], actions [N] or [N, A] → float [N, F + width]."""
        if self._choices is not None:
            actions = functional.one_hot(actions.long().flatten(), self._choices)
        return torch.cat([features, actions.flatten(1).to(features)], 1)
