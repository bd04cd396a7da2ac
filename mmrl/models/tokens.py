"""Tokens, the interface between encoders and fusions: sequences of vectors with a mask.

Shapes: B batch, U distinct sequences of a batch, L tokens, D their width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Tokens:
    """A batch of token sequences, float [B, L, D], with a mask.

    A batch holds few distinct instructions, so only the U distinct sequences are stored: means and
    maps are computed once for each of them, and expanded to the batch when they are read.

    Args:
        values: float [B, L, D]; or [U, L, D], with ``rows``.
        mask: bool [B, L], or [U, L]; True for tokens, False for padding, whose values are
            arbitrary.
        grid: (rows, columns) with rows · columns = L, if the tokens lie on a grid, row by row.
        rows: the index of the sequence of each row of the batch, int64 [B]; None if U = B.
    """

    def __init__(
        self,
        values: Tensor,
        mask: Tensor,
        grid: tuple[int, int] | None = None,
        rows: Tensor | None = None,
    ) -> None:
        self.grid = grid
        self._distinct, self._distinct_mask, self._rows = values, mask, rows

    def __len__(self) -> int:
        """B."""
        return len(self._distinct if self._rows is None else self._rows)

    @property
    def values(self) -> Tensor:
        """Float [B, L, D]."""
        return self._of_all(self._distinct)

    @property
    def mask(self) -> Tensor:
        """Bool [B, L]."""
        return self._of_all(self._distinct_mask)

    def replace(self, values: Tensor | None = None, mask: Tensor | None = None) -> Tokens:
        """The same tokens with other values [B, L, D] or another mask [B, L]."""
        return Tokens(
            self.values if values is None else values,
            self.mask if mask is None else mask,
            self.grid,
        )

    def map(self, change: Callable[[Tensor, Tensor], Tensor]) -> Tokens:
        """Tokens with other values, computed once for each distinct sequence.

        Args:
            change: values [U, L, D] and their mask [U, L] → values [U, L, E].
        """
        values = change(self._distinct, self._distinct_mask)
        return Tokens(values, self._distinct_mask, self.grid, self._rows)

    def mean(self) -> Tensor:
        """The mean over the mask, float [B, D]; 0 where it is empty."""
        count = self._distinct_mask.sum(1, keepdim=True).clamp_min(1)
        return self._of_all(self._kept().sum(1) / count)

    def as_grid(self) -> Tensor:
        """The tokens on their grid, float [B, rows, columns, D], 0 where the mask is False: feature
        maps in channels-last order.

        Raises:
            ValueError: there is no grid.
        """
        if self.grid is None:
            raise ValueError("these tokens lie on no grid")
        return self._of_all(self._kept()).unflatten(1, self.grid)

    def zeros(self, *shape: int) -> Tensor:
        """Zeros [B, *shape], with the dtype and on the device of the values."""
        rows = self._distinct if self._rows is None else self._rows
        return self._distinct.new_zeros(rows.shape[0], *shape)

    def _kept(self) -> Tensor:
        """The values, 0 where the mask is False; not a copy if it is True everywhere."""
        if not torch.compiler.is_exporting() and self._distinct_mask.all():
            return self._distinct
        return torch.where(self._distinct_mask.unsqueeze(-1), self._distinct, 0)

    def _of_all(self, distinct: Tensor) -> Tensor:
        # index_select, since the gradient of plain indexing adds up in no fixed order
        return distinct if self._rows is None else distinct.index_select(0, self._rows)


class TokensShape(NamedTuple):
    """The static shape of Tokens, from which fusions and decoders are built.

    Attributes:
        width: D.
        grid: as in :class:`Tokens`; a single token that is always there, such as that of a vector,
            lies on a grid of one place. None where the length varies.
        aside: how many of the last channels are of another kind than the others, such as a colour
            beside a shape; a decoder may use them separately.
    """

    width: int
    grid: tuple[int, int] | None = None
    aside: int = 0
