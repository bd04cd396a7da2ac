"""How an image's grid of tokens moves when an agent acts: found in data, and measured.

What was last seen where: tokens by their places, carried along as the view moves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

_WRONG: Final = 0.05  # share of tokens that change although their place is still to be seen
_LEAST_OVERLAP: Final = 0.125  # of a grid
_LEAST_GAIN: Final = 0.5  # nats a step, without which a motion is not worth its name
_MOST: Final = 16


class Motion(NamedTuple):
    """A rigid motion of a grid: what a cell shows next is what another one showed before.

    Attributes:
        turns: quarter turns of the grid, 0 to 3.
        rows, columns: the shift after them.
    """

    turns: int
    rows: int
    columns: int

    def source(self, row: int, column: int) -> tuple[int, int]:
        """The cell that showed before what (row, column) shows next."""
        for _ in range(self.turns):
            row, column = column, -row
        return row + self.rows, column + self.columns


STILL: Final = Motion(0, 0, 0)


def sources(motion: Motion, grid: tuple[int, int], margin: int = 0) -> Tensor:
    """Where the cells of a grid come from: int64 [R · C], row by row; -1 from outside of it.

    Args:
        motion: of the grid.
        grid: its rows and columns.
        margin: so many cells around the grid move with it; R and C count them.
    """
    rows, columns = (size + 2 * margin for size in grid)
    found = []
    for row, column in product(range(rows), range(columns)):
        r, c = motion.source(row - margin, column - margin)
        r, c = r + margin, c + margin
        found.append(r * columns + c if 0 <= r < rows and 0 <= c < columns else -1)
    return torch.tensor(found)


class EgoMotion(nn.Module):
    """Which motion a step was, from the tokens before and after it and its action.

    The most probable one is taken: a token whose place was to be seen before has stayed with
    probability 0.95, all others are drawn as they are in the data on average.

    Args:
        motions: that are known; the first one is :data:`STILL`.
        grid: rows and columns of the tokens.
        codes: how many tokens there are.
        actions: how many actions.
    """

    prior: Tensor
    surprise: Tensor
    table: Tensor

    def __init__(
        self, motions: Sequence[Motion], grid: tuple[int, int], codes: int, actions: int
    ) -> None:
        super().__init__()
        self.motions, self.grid = tuple(motions), grid
        table = torch.stack([sources(one, grid) for one in motions])
        self.register_buffer("table", table, persistent=False)
        self.register_buffer("prior", torch.zeros(actions, len(motions)))
        self.register_buffer("surprise", torch.full((codes,), math.log(codes)))

    @torch.no_grad()
    def fit(self, before: Tensor, after: Tensor, actions: Tensor) -> None:
        """Learn how frequent the tokens are, and which motions an action has.

        Args:
            before, after: tokens int64 [N, K] around N steps.
            actions: int64 [N].
        """
        self.surprise.copy_(surprises(after, len(self.surprise)))
        self.prior.zero_()
        for _ in range(2):
            chosen = self(before, after, actions)
            counts = torch.ones_like(self.prior)
            counts.index_put_((actions, chosen), torch.ones(len(chosen)), accumulate=True)
            self.prior.copy_((counts / counts.sum(1, keepdim=True)).log())

    @torch.no_grad()
    def forward(self, before: Tensor, after: Tensor, actions: Tensor) -> Tensor:
        """Which of the motions N steps were, int64 [N]; arguments as for :meth:`fit`."""
        gains = [gain(before, after, one, self.surprise) for one in self.table]
        return (torch.stack(gains, 1) + self.prior[actions]).argmax(1)


def surprises(tokens: Tensor, codes: int) -> Tensor:
    """How surprising each token is on average: -ln of its frequency, float32 [codes]."""
    counts = torch.bincount(tokens.flatten(), minlength=codes).float() + 1
    return -(counts / counts.sum()).log()


def gain(before: Tensor, after: Tensor, table: Tensor, surprise: Tensor) -> Tensor:
    """How much better a motion explains tokens than their frequency does, in nats, float32 [N].

    Args:
        before, after: int64 [N, K].
        table: of the motion, as :func:`sources` gives it.
        surprise: of the tokens.
    """
    seen = torch.nonzero(table >= 0).squeeze(1)
    now = after[:, seen]
    kept = math.log(1 - _WRONG) + surprise[now]
    return torch.where(before[:, table[seen]] == now, kept, math.log(_WRONG)).sum(1)


def find_motions(before: Tensor, after: Tensor, grid: tuple[int, int], codes: int) -> list[Motion]:
    """The motions that explain most of what changes in N steps: greedily, one after the other, the
    first is :data:`STILL`.

    Args:
        before, after: tokens int64 [N, K] around the steps; some hundreds are enough.
        grid: rows and columns of the K tokens.
        codes: how many tokens there are.
    """
    surprise = surprises(after, codes)
    candidates = list(_candidates(grid))
    gains = torch.stack([gain(before, after, table, surprise) for _, table in candidates])
    found, best = [STILL], gains[0].clamp_min(0)  # 0: nothing that was seen is to be seen again
    while len(found) < _MOST:
        better = (gains - best).clamp_min(0).mean(1)
        top = int(better.argmax())
        if better[top] < _LEAST_GAIN:
            break
        found.append(candidates[top][0])
        best = torch.maximum(best, gains[top])
    return found


def _candidates(grid: tuple[int, int]) -> Iterator[tuple[Motion, Tensor]]:
    """Every motion after which enough of a grid is still to be seen, and its table."""
    yield STILL, sources(STILL, grid)
    reach = sum(grid)
    for motion in map(Motion._make, product(range(4), *[range(-reach, reach + 1)] * 2)):
        corners = [motion.source(r, c) for r in (0, grid[0] - 1) for c in (0, grid[1] - 1)]
        if motion != STILL and _overlap(corners, grid) >= _LEAST_OVERLAP * grid[0] * grid[1]:
            yield motion, sources(motion, grid)


def _overlap(corners: Sequence[tuple[int, int]], grid: tuple[int, int]) -> int:
    """How many cells a moved grid shares with the one before."""
    shared = 1
    for axis, size in enumerate(grid):
        low, high = min(c[axis] for c in corners), max(c[axis] for c in corners)
        shared *= max(0, min(high, size - 1) - max(low, 0) + 1)
    return shared


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
