"""Data-parallel workers: each has a part of the environments, all have the same weights.

A team is a process group of torch.distributed; a worker alone is a team of one, to which nothing
here happens. What a team computes is what one process with all its environments would compute, up
to the order in which floats are added: decentralised PPO (Wijmans et al., 2020, DD-PPO) without its
preemption of slow workers, and with minibatches drawn from the environments of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmrl.models.encoders.vector import RunningNorm

_EPSILON = 1e-8  # as stable-baselines3 normalises


class Team:
    """A worker's rank among all, and their collective operations.

    Args:
        rank: of this worker, 0 to ``size`` − 1. The first one writes files.
        size: how many there are; for more than one, torch.distributed has been initialised.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def is_first(self) -> bool:
        """Whether this worker writes files."""
        return self.rank == 0

    def rows(self, count: int) -> slice:
        """Where this worker's ``count`` environments stand among those of all."""
        return slice(self.rank * count, (self.rank + 1) * count)

    def among_all(self, rows: Tensor) -> Tensor:
        """This worker's rows [n, …] among those of all, [size · n, …], where the others' are 0."""
        if self.size == 1:
            return rows
        gathered = rows.new_zeros(self.size * len(rows), *rows.shape[1:])
        gathered[self.rows(len(rows))] = rows
        return gathered

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over the workers, written in place."""
        if self.size > 1:
            distributed.all_reduce(tensor)
        return tensor

    def any(self, here: bool) -> bool:
        """Whether it is so for any of the workers."""
        if self.size == 1:
            return here
        return bool(self.sum(torch.tensor(float(here))))

    def gather(self, thing: Any) -> list[Any] | None:
        """The objects of all workers, by rank, for the first one; None for the others."""
        if self.size == 1:
            return [thing]
        things: list[Any] | None = [None] * self.size if self.is_first else None
        distributed.gather_object(thing, things)
        return things

    def normalized(self, advantages: Tensor, least: float = 0.0) -> Tensor:
        """(a − mean) / max(standard deviation + 1e-8, least) over the minibatch of all workers.

        Args:
            advantages: this worker's part, float [n]; n may be 0. A single one is left as it is.
            least: that they are divided by.
        """
        if self.size == 1:
            if len(advantages) < 2:
                return advantages
            std = advantages.std() + _EPSILON
            return (advantages - advantages.mean()) / std.clamp(min=least)
        count, mean, variance = self.moments(advantages)
        if count < 2:
            return advantages
        std = (variance * count / (count - 1)).sqrt() + _EPSILON
        return ((advantages.double() - mean) / std.clamp(min=least)).to(advantages.dtype)

    def explained_variance(self, predicted: Tensor, real: Tensor) -> float:
        """1 − Var[real − predicted] / Var[real] over all workers; NaN where nothing varies."""
        variance = self.moments(real)[2]
        rest = self.moments(real - predicted)[2]
        return float("nan") if variance == 0 else float(1 - rest / variance)

    def moments(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Count, mean and variance (of the population) over all workers, as doubles."""
        exact = values.double()
        whole = torch.stack([exact.new_tensor(exact.numel()), exact.sum()])
        count, total = self.sum(whole)
        mean = total / count
        return count, mean, self.sum((exact - mean).square().sum()) / count

    def combine(self, module: nn.Module, figures: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Sum the gradients of all workers, in place, and some figures with them: one message.

        Args:
            module: whose parameters' gradients; one that no worker has a gradient of has none
                afterwards.
            figures: scalars.

        Returns:
            The figures, summed.
        """
        if self.size == 1:
            return dict(figures)
        parameters = [one for one in module.parameters() if one.requires_grad]
        like = parameters[0]
        there = like.new_tensor([one.grad is not None for one in parameters])
        parts = [
            (torch.zeros_like(one) if one.grad is None else one.grad).flatten()
            for one in parameters
        ]
        last = torch.stack([figure.to(like) for figure in figures.values()])
        message = self.sum(torch.cat([*parts, there, last]))
        sizes = [part.numel() for part in parts]
        *gradients, there, last = message.split([*sizes, len(there), len(last)])
        for one, gradient, anyone in zip(parameters, gradients, there.tolist(), strict=True):
            one.grad = gradient.view_as(one) if anyone else None
        return dict(zip(figures, last, strict=True))

    def agree(self, module: nn.Module) -> None:
        """Have all workers start from the weights and statistics of the first worker."""
        if self.size > 1:
            for tensor in (*module.parameters(), *module.buffers()):
                distributed.broadcast(tensor.detach(), 0)

    def average_statistics(self, module: nn.Module) -> None:
        """Replace the running statistics that are trained by those of all workers: of BatchNorms by
        their mean, of vectors' normalisation by the statistics of all workers' data, see
        :meth:`RunningNorm.average`. No other buffer changes, since that would invalidate the cache
        of frozen features.
        """
        if self.size == 1:
            return
        for norm in module.modules():
            if not norm.training:
                continue
            if isinstance(norm, RunningNorm):
                norm.average(self.sum, self.size)
            elif isinstance(norm, _BatchNorm):
                for statistic in (norm.running_mean, norm.running_var):
                    if statistic is not None:
                        self.sum(statistic.div_(self.size))


ALONE = Team()
