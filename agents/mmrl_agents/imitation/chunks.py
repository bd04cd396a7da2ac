"""How chunks of predicted actions are executed, one action a step (Zhao et al., 2023).

Shapes: N environments, K actions of a chunk, W numbers of an action, S of the state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from mmrl.errors import UserError


@dataclass(frozen=True)
class Chunking:
    """Configuration of action chunks.

    Args:
        size: K, how many actions are predicted at once.
        action_steps: how many of them are executed before the next prediction; None for all.
        temporal_ensemble: instead, predict in every step and take the mean of all predictions for
            it, that of age i, the oldest first, with weight exp(−c i), where this is c.
    """

    size: int = 1
    action_steps: int | None = None
    temporal_ensemble: float | None = None

    def check(self, section: str) -> None:
        """Refuse numbers that cannot be.

        Args:
            section: of the configuration, for messages.

        Raises:
            UserError: one cannot.
        """
        if self.size < 1:
            raise UserError(f"{section}.chunk_size={self.size}: must be at least 1")
        steps, coefficient = self.action_steps, self.temporal_ensemble
        if steps is not None and not 1 <= steps <= self.size:
            raise UserError(
                f"{section}.action_steps={steps}: must be from 1 to chunk_size={self.size}"
            )
        if coefficient is not None and self.size == 1:
            raise UserError(
                f"{section}.temporal_ensemble={coefficient}: needs {section}.chunk_size above 1"
            )
        if coefficient is not None and steps is not None:
            raise UserError(
                f"{section}.temporal_ensemble predicts in every step: leave {section}.action_steps "
                "out"
            )


class ChunkExecution(ABC):
    """Takes an action a step from chunks that are predicted in every step.

    Its state is zeros where an episode begins.

    Attributes:
        state_size: S.
    """

    state_size: int

    @abstractmethod
    def step(self, chunks: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Predictions float [N, K, W] and state [N, S] → what is done now [N, W], next state."""


class OpenLoop(ChunkExecution):
    """Executes a chunk's first actions without looking, then the next chunk's.

    Args:
        size, width: K and W.
        action_steps: how many of a chunk are executed.
    """

    def __init__(self, size: int, width: int, action_steps: int) -> None:
        self._shape, self._steps = (size, width), action_steps
        self.state_size = 1 + size * width

    def step(self, chunks: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`ChunkExecution.step`; the state is how many are left, and the chunk."""
        left, kept = state[:, 0], state[:, 1:].unflatten(1, self._shape)
        is_new = left < 1
        chunk = torch.where(is_new[:, None, None], chunks, kept)
        left = torch.where(is_new, float(self._steps), left) - 1
        rest = chunk.roll(-1, 1).flatten(1)
        return chunk[:, 0], torch.cat([left[:, None], rest], 1)


class TemporalEnsemble(ChunkExecution):
    """The weighted mean of all predictions for a step, the oldest with the largest weight.

    Args:
        size, width: K and W.
        coefficient: c ≥ 0 of the weights exp(−c i).
    """

    def __init__(self, size: int, width: int, coefficient: float) -> None:
        self._shape, self._coefficient = (size, width), coefficient
        self._most = torch.arange(size - 1, -1, -1)  # earlier predictions for each step ahead
        self.state_size = 1 + size * width

    def step(self, chunks: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`ChunkExecution.step`; the state is how many steps there were, at most K, and
        the weighted sums so far of the steps ahead.
        """
        steps, sums = state[:, :1], state[:, 1:].unflatten(1, self._shape)
        ages = torch.minimum(steps, self._most.to(steps))  # [N, K]
        sums = sums + chunks * torch.exp(-self._coefficient * ages)[:, :, None]
        earlier = torch.arange(self._shape[0]).to(steps) <= ages[:, :1]
        total = torch.exp(-self._coefficient * torch.arange(self._shape[0]).to(steps)) * earlier
        now = sums[:, 0] / total.sum(1, keepdim=True)
        ahead = torch.cat([sums[:, 1:], torch.zeros_like(sums[:, :1])], 1).flatten(1)
        return now, torch.cat([(steps + 1).clamp_max(self._shape[0]), ahead], 1)
