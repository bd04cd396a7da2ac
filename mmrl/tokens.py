"""What encoders speak: a sequence of vectors with a mask."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Tokens(NamedTuple):
    """B sequences of L vectors of width D.

    Attributes:
        values: float [B, L, D].
        mask: bool [B, L]; True where a token counts. What stands elsewhere must not matter.
        grid: (rows, columns) with rows · columns = L, where the tokens lie on a grid (row by row).
    """

    values: Tensor
    mask: Tensor
    grid: tuple[int, int] | None = None

    def mean(self) -> Tensor:
        """The mean of the tokens that count, float [B, D]; 0 where none does."""
        return self._kept().sum(1) / self.mask.sum(1, keepdim=True).clamp_min(1)

    def as_map(self) -> Tensor:
        """The tokens as feature maps, float [B, D, rows, columns], 0 where the mask is False.

        Raises:
            ValueError: they lie on no grid.
        """
        if self.grid is None:
            raise ValueError("these tokens lie on no grid")
        return self._kept().transpose(1, 2).unflatten(2, self.grid)

    def _kept(self) -> Tensor:
        """The values, 0 where the mask is False; themselves, and not a copy, where it never is."""
        if self.mask.all():
            return self.values
        return torch.where(self.mask.unsqueeze(-1), self.values, 0)


class TokensShape(NamedTuple):
    """What a module can know of the Tokens it will get before it sees any.

    Attributes:
        width: D.
        grid: as in :class:`Tokens`; None where the length varies.
    """

    width: int
    grid: tuple[int, int] | None = None
