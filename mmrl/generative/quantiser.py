"""Vectors → whole numbers and back: finite scalar quantisation (Mentzer et al., 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn


class FiniteScalars(nn.Module):
    """Rounds each of D numbers to one of a few levels; together they are one code.

    There is no codebook that could be left unused: every combination of levels is a code.

    Args:
        levels: how many each number may take, D of them, at least 2 each.

    Attributes:
        codes: how many there are, the product of the levels.

    Raises:
        ValueError: no levels, or fewer than 2 of one.
    """

    _levels: Tensor
    _places: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        if not levels or min(levels) < 2:
            raise ValueError(f"levels={list(levels)}: must be whole numbers, each at least 2")
        self.codes = prod(levels)
        places = [prod(levels[k + 1 :]) for k in range(len(levels))]
        self.register_buffer("_levels", torch.tensor(levels), persistent=False)
        self.register_buffer("_places", torch.tensor(places), persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """Any numbers, float [..., D] → the nearest levels, evenly spread from -1 to 1.

        The gradient is that of the squashed numbers, as if they had not been rounded.
        """
        squashed = values.float().tanh()
        rounded = self._values(self._steps(squashed))
        return squashed + (rounded - squashed).detach()

    def ids(self, values: Tensor) -> Tensor:
        """Any numbers, float [..., D] → codes int64 [...]."""
        return (self._steps(values.float().tanh()) * self._places).sum(-1)

    def values(self, ids: Tensor) -> Tensor:
        """Codes int64 [...] → the levels that they stand for, float32 [..., D]."""
        return self._values(ids.unsqueeze(-1) // self._places % self._levels)

    def steps(self, values: Tensor) -> Tensor:
        """Any numbers, float [..., D] → where they lie before they are rounded, float [..., D]; a
        level is one step from the next.
        """
        return values.float().tanh() * (self._levels - 1) / 2

    def _steps(self, squashed: Tensor) -> Tensor:
        """Which level is nearest, int64 [..., D], counted from 0."""
        return ((squashed + 1) / 2 * (self._levels - 1)).round().long()

    def _values(self, steps: Tensor) -> Tensor:
        return 2 * steps / (self._levels - 1) - 1
