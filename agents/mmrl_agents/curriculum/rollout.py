"""A rollout that tells a curriculum how its levels went, and offers what is to be learnt from."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl_agents.buffers.rollout import Rollout
from mmrl_agents.curriculum.curriculum import Curriculum


class CurriculumRollout(Rollout):
    """:class:`~mmrl_agents.buffers.rollout.Rollout`, of whose transitions a robust curriculum draws
    those of replayed levels only.

    Args:
        curriculum: of the batch of environments that the transitions are of.
        args, kwargs: as there; no team of workers.

    Attributes:
        learnt: which transitions are drawn, bool [T, N].
    """

    def __init__(self, *args: Any, curriculum: Curriculum, **kwargs: Any) -> None:
        self.curriculum = curriculum
        super().__init__(*args, **kwargs)
        self.learnt = np.ones((self.buffer_size, self.n_envs), np.bool_)

    def reset(self) -> None:
        """Begin anew; what is there will be overwritten."""
        super().reset()
        self.curriculum.begin_rollout()

    def compute_returns_and_advantage(self, last_values: Tensor, dones: NDArray[np.bool_]) -> None:
        """As SB3; then the curriculum scores the levels of episodes that ended."""
        super().compute_returns_and_advantage(last_values, dones)
        self.learnt = self.curriculum.learn(self.values, self.advantages)

    def drawn(self, batch_size: int) -> int:
        """How many transitions :meth:`get` draws: whole minibatches, or all, if they fill none."""
        there = int(self.learnt.sum())
        return there - there % batch_size if there > batch_size else there

    def _order(self, batch_size: int | None) -> NDArray[np.int64]:
        there = np.random.permutation(np.flatnonzero(self.learnt.T))
        return there[: self.drawn(batch_size or max(len(there), 1))]

    def _side_by_side(self, rows: NDArray[np.int64]) -> tuple[Any, ...]:
        """With it, where not all is learnt from, the numbers of the transitions that are, int64."""
        learnt = self.learnt[:, rows]
        whole = super()._side_by_side(rows)
        return whole if learnt.all() else (*whole, torch.from_numpy(np.flatnonzero(learnt)))

    def figures(self) -> dict[str, float]:
        """What is to be seen of the curriculum."""
        return self.curriculum.figures()
