"""A rollout buffer that scores a curriculum's levels, and draws the transitions it selects."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl_agents.buffers.rollout import Minibatch, MultimodalRolloutBuffer
from mmrl_agents.curriculum.curriculum import Curriculum


class CurriculumRolloutBuffer(MultimodalRolloutBuffer):
    """:class:`~mmrl_agents.buffers.rollout.MultimodalRolloutBuffer`, of whose transitions a robust
    curriculum draws those of replayed levels only.

    Args:
        curriculum: of the batch of environments that the transitions are of.
        args, kwargs: as there; no team of workers.

    Attributes:
        selected: which transitions are drawn, bool [T, N].
    """

    def __init__(self, *args: Any, curriculum: Curriculum, **kwargs: Any) -> None:
        self.curriculum = curriculum
        super().__init__(*args, **kwargs)
        self.selected = np.ones((self.buffer_size, self.n_envs), np.bool_)

    def reset(self) -> None:
        """Begin a new rollout; the stored one will be overwritten."""
        super().reset()
        self.curriculum.begin_rollout()

    def compute_returns_and_advantage(self, last_values: Tensor, dones: NDArray[np.bool_]) -> None:
        """As SB3; then the curriculum scores the levels of episodes that ended."""
        super().compute_returns_and_advantage(last_values, dones)
        self.selected = self.curriculum.update(self.values, self.advantages)

    def drawn(self, batch_size: int) -> int:
        """How many transitions :meth:`get` draws: whole minibatches, or all, if they fill none."""
        count = int(self.selected.sum())
        return count - count % batch_size if count > batch_size else count

    def _order(self, batch_size: int | None) -> NDArray[np.int64]:
        order = np.random.permutation(np.flatnonzero(self.selected.T))
        return order[: self.drawn(batch_size or max(len(order), 1))]

    def _side_by_side(self, rows: NDArray[np.int64]) -> Minibatch:
        """The whole rollouts of some environments, and which of their transitions are selected."""
        selected = self.selected[:, rows]
        whole = super()._side_by_side(rows)
        if selected.all():
            return whole
        return whole._replace(selected=torch.from_numpy(np.flatnonzero(selected)))

    def metrics(self) -> dict[str, float]:
        """Metrics of the curriculum."""
        return self.curriculum.metrics()
