"""What was last seen where: tokens by their places, carried along as the view moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmrl.generative.motions import Motion, sources


class Seen(NamedTuple):
    """What B agents remember of the places around them, as they lie from where they are now.

    Attributes:
        newest: tokens int64 [B, P]; :attr:`Places.nothing` where nothing was seen yet.
        before: the last other token that was seen there, likewise.
    """

    newest: Tensor
    before: Tensor


class Places(nn.Module):
    """The memory of a grid of places, of which the view is a part and which moves with it.

    What moves out of it is forgotten. It has no weights.

    Args:
        motions: of the view.
        grid: rows and columns of the view.
        margin: places around the view that are remembered.
        nothing: stands for a token where there is none.
    """

    table: Tensor
    view: Tensor

    def __init__(
        self, motions: Sequence[Motion], grid: tuple[int, int], margin: int, nothing: int
    ) -> None:
        super().__init__()
        self.nothing = nothing
        rows, columns = (size + 2 * margin for size in grid)
        self.count = rows * columns
        table = torch.stack([sources(one, grid, margin) for one in motions])
        table = torch.where(table < 0, self.count, table)
        places = torch.arange(self.count).view(rows, columns)
        view = places[margin : margin + grid[0], margin : margin + grid[1]].flatten()
        self.register_buffer("table", table, persistent=False)
        self.register_buffer("view", view, persistent=False)

    def begin(self, ids: Tensor) -> Seen:
        """The memory of agents that see their first tokens, int64 [B, K]."""
        empty = ids.new_full((len(ids), self.count), self.nothing)
        return self.write(Seen(empty, empty), ids)

    def move(self, seen: Seen, motions: Tensor) -> Seen:
        """The memory after motions, int64 [B]."""
        table = self.table[motions]
        beyond = seen.newest.new_full((len(motions), 1), self.nothing)
        return Seen(*(torch.cat([one, beyond], 1).gather(1, table) for one in seen))

    def write(self, seen: Seen, ids: Tensor) -> Seen:
        """The memory once tokens are in view, int64 [B, K]."""
        newest, before = self.recall(seen)
        is_other = (newest != ids) & (newest != self.nothing)
        where = self.view.expand(len(ids), -1)
        return Seen(
            seen.newest.scatter(1, where, ids),
            seen.before.scatter(1, where, torch.where(is_other, newest, before)),
        )

    def recall(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """What is remembered of the places in view, newest and before: int64 [B, K] each."""
        return seen.newest[:, self.view], seen.before[:, self.view]
