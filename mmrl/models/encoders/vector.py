"""Vector encoders: numbers, such as a robot's joint angles → one token. MLPs by name.

Shapes: B batch, K numbers of a vector, D width of the token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn

from mmrl.errors import UserError
from mmrl.models.encoders.base import Encoder
from mmrl.models.encoders.others import build_other
from mmrl.models.tokens import Tokens, TokensShape
from mmrl.text_output import shortened

_CLIP: Final = 10.0
_EPSILON: Final = 1e-8
_LARGEST: Final = 1e15
"""Larger numbers are no measurements; the square of the difference of smaller ones is finite."""


class RunningNorm(nn.Module):
    """Observation normalisation: (x − mean) / standard deviation, of all that it was trained on.

    In training mode a batch is normalised first, and counted afterwards (the parallel form of
    Welford's algorithm, Chan et al., 1979): the first minibatch of an update sees the statistics
    with which its data was collected, so that its probability ratios in PPO are 1. Numbers that are
    not finite are not counted; NaN becomes the mean.

    Args:
        size: K.

    Attributes:
        running_mean, running_var: of each number, float32 [K]; of the population. A number that has
            never varied is not scaled.
        count: how often each was counted, float32 [K].
    """

    running_mean: Tensor
    running_var: Tensor
    count: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(size))
        self.register_buffer("running_var", torch.ones(size))
        self.register_buffer("count", torch.zeros(size))

    def forward(self, vectors: Tensor) -> Tensor:
        """Float32 [B, K] → float32 [B, K], from −10 to 10."""
        scale = torch.where(self.running_var > 0, self.running_var + _EPSILON, 1).rsqrt()
        normed = (vectors - self.running_mean) * scale
        if self.training:
            self.update(vectors)
        return normed.nan_to_num(nan=0.0).clamp(-_CLIP, _CLIP)

    @torch.no_grad()
    def update(self, vectors: Tensor) -> None:
        """Count a batch, float32 [B, K]."""
        there = vectors.abs() < _LARGEST
        new = there.sum(0)
        mean = torch.where(there, vectors, 0).sum(0) / new.clamp_min(1)
        var = torch.where(there, vectors - mean, 0).square().sum(0) / new.clamp_min(1)
        self._merge(mean, var, new)

    def _merge(self, mean: Tensor, var: Tensor, new: Tensor) -> None:
        """Merge the mean and variance of ``new`` numbers into those of all before, each [K]."""
        total = self.count + new
        share = new / total.clamp_min(1)
        moved = mean - self.running_mean
        spread = (1 - share) * self.running_var + share * var
        self.running_var.copy_(spread + share * (1 - share) * moved.square())
        self.running_mean.add_(share * moved)
        self.count.copy_(total)

    @torch.no_grad()
    def average(self, total: Callable[[Tensor], Tensor], workers: int) -> None:
        """Take the statistics of all workers together, each weighted by its count.

        All workers have the same statistics afterwards: those of all that any of them was trained
        on. The count becomes their mean, so that what they had in common counts once.

        Args:
            total: the sum of a tensor over the workers.
            workers: how many there are.
        """
        counts = total(self.count.clone())
        share = self.count / counts.clamp_min(1)
        mean = total(share * self.running_mean)
        var = total(share * (self.running_var + (self.running_mean - mean).square()))
        known = counts > 0
        self.running_mean.copy_(torch.where(known, mean, self.running_mean))
        self.running_var.copy_(torch.where(known, var, self.running_var))
        self.count.copy_(counts / workers)


class FiniteNorm(nn.Module):
    """No normalisation: numbers are as they are, clipped, NaN is 0.

    Args:
        size: K.
    """

    def __init__(self, size: int) -> None:
        super().__init__()

    def forward(self, vectors: Tensor) -> Tensor:
        """Float32 [B, K] → finite float32 [B, K]."""
        return vectors.nan_to_num(nan=0.0).clamp(-_LARGEST, _LARGEST)


_NORMS: Final[dict[str, Callable[[int], nn.Module]]] = {"running": RunningNorm, "none": FiniteNorm}


class VectorMLP(Encoder):
    """A multilayer perceptron on a normalised vector: one token, on a grid of one place.

    Args:
        size: K.
        width: D, of every layer.
        layers: how many linear layers, each with a ReLU; one or more.
        normalize: "running", see :class:`RunningNorm`; or "none", for vectors that are normalised
            already, such as embeddings.

    Raises:
        ValueError: a number or a name that cannot be.
    """

    def __init__(
        self, size: int, *, width: int = 64, layers: int = 2, normalize: str = "running"
    ) -> None:
        super().__init__()
        if size < 1 or width < 1 or layers < 1:
            raise ValueError(f"size={size}, width={width}, layers={layers}: must be 1 or more")
        if normalize not in _NORMS:
            raise ValueError(f"normalize={normalize!r}: must be one of {', '.join(_NORMS)}")
        self.size = size
        self.body = nn.Sequential(
            nn.Sequential(_NORMS[normalize](size), nn.Linear(size, width), nn.ReLU()),
            *(nn.Sequential(nn.Linear(width, width), nn.ReLU()) for _ in range(layers - 1)),
        )
        self.shape = TokensShape(width, (1, 1))

    def stages(self) -> list[nn.Module]:
        """The layers; the running statistics are a part of the first."""
        return list(self.body)

    def enable_cache(self, capacity: int) -> None:
        """Nothing is cached: a vector is encoded sooner than it is found."""

    def forward(self, vectors: Tensor) -> Tokens:
        """Float [B, K] → Tokens [B, 1, D], at least 0.

        Raises:
            ValueError: vectors of another size.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.size:
            raise ValueError(f"vectors must be [B, {self.size}], got {list(vectors.shape)}")
        return self.apply_cached(vectors.float(), self._encode, self.shape.grid)

    def _encode(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        values = self.body(vectors).unsqueeze(1)
        return values, torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)


VECTOR_ENCODERS: Final[dict[str, Callable[..., Encoder]]] = {"mlp": VectorMLP}
"""All vector encoders, by name."""


def build_vector_encoder(name: str, size: int, **kwargs: Any) -> Encoder:
    """The vector encoder of that name.

    Args:
        name: a key of :data:`VECTOR_ENCODERS`, of an entry point, or a dotted path.
        size: K.
        kwargs: its arguments.

    Raises:
        UserError: unknown name, or arguments that do not fit.
    """
    if name not in VECTOR_ENCODERS:
        return build_other("vector", name, Encoder, VECTOR_ENCODERS, kwargs, size)
    try:
        return VECTOR_ENCODERS[name](size, **kwargs)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"model.vector_args {kwargs} do not fit {name}: {shortened(error)}"
        ) from error
