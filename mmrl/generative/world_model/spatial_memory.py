"""Spatial memory: which tokens were last observed where, carried along as the view moves.

An embodied agent's view moves when it acts, and what it saw before is an answer to much of what
it will see next. This module holds both halves of that, without a trained weight:

- :func:`find_motions` finds the rigid motions of the view in data, greedily by likelihood.
  Candidates are enumerated on small grids; on large ones (28 × 28 tokens have 7,748) a few hundred
  are proposed by phase correlation of the tokens, an FFT per step.
- :class:`EgoMotion` classifies which of these motions a step was, by maximum likelihood.
- :class:`SpatialMemory` is an egocentric map, shifted and rotated by these motions; it keeps the
  last two different tokens of each place.

Axes: B sequences, N steps, K tokens of an image row by row, P places of the memory, M motions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

_MISMATCH: Final = 0.05  # share of tokens that change although their place stays in view
_LEAST_OVERLAP: Final = 0.125  # of a grid
_LEAST_GAIN: Final = 0.5  # nats per step that a motion has to gain to be kept
_MOST: Final = 16  # motions

MOST_ENUMERATED: Final = 1024
"""Up to so many motions are all candidates; of more, steps propose which are."""
PROPOSALS: Final = 256
"""How many steps propose a candidate each, at most."""
_CHANNELS: Final = 16  # random phases by which tokens are correlated

Index = TypeVar("Index", int, Tensor)


class Motion(NamedTuple):
    """A rigid motion of a grid: a cell shows next what its source cell showed before.

    Attributes:
        turns: quarter turns of the grid, 0 to 3.
        rows, columns: the shift after them.
    """

    turns: int
    rows: int
    columns: int

    def source(self, row: Index, column: Index) -> tuple[Index, Index]:
        """The cell whose content moves to (row, column)."""
        for _ in range(self.turns):
            row, column = column, -row
        return row + self.rows, column + self.columns


STILL: Final = Motion(0, 0, 0)


class MemoryState(NamedTuple):
    """The memories of B agents, as the places lie from where they are now.

    Attributes:
        newest: tokens int64 [B, P]; :attr:`SpatialMemory.empty` for a place never in view.
        before: the last different token of that place, likewise.
    """

    newest: Tensor
    before: Tensor


class SpatialMemory(nn.Module):
    """An egocentric map of which the view is a part, and which moves with it.

    What moves beyond its edge is dropped. It has no weights.

    Args:
        motions: of the view.
        grid: rows and columns of the view.
        margin: places around the view that are remembered.
        empty: the token of places that were never in view.
    """

    table: Tensor
    view: Tensor

    def __init__(
        self, motions: Sequence[Motion], grid: tuple[int, int], margin: int, empty: int
    ) -> None:
        super().__init__()
        self.empty = empty
        rows, columns = (size + 2 * margin for size in grid)
        self.count = rows * columns
        table = torch.stack([sources(one, grid, margin) for one in motions])
        table = torch.where(table < 0, self.count, table)
        places = torch.arange(self.count).view(rows, columns)
        view = places[margin : margin + grid[0], margin : margin + grid[1]].flatten()
        self.register_buffer("table", table, persistent=False)
        self.register_buffer("view", view, persistent=False)

    def begin(self, ids: Tensor) -> MemoryState:
        """The memory after the first image, tokens int64 [B, K]."""
        empty = ids.new_full((len(ids), self.count), self.empty)
        return self.write(MemoryState(empty, empty), ids)

    def move(self, state: MemoryState, motions: Tensor) -> MemoryState:
        """The memory after motions of the view, by number, int64 [B]."""
        table = self.table[motions]
        beyond = state.newest.new_full((len(motions), 1), self.empty)
        return MemoryState(*(torch.cat([one, beyond], 1).gather(1, table) for one in state))

    def write(self, state: MemoryState, ids: Tensor) -> MemoryState:
        """The memory with the tokens in view, int64 [B, K], written to it."""
        newest, before = self.read(state)
        is_other = (newest != ids) & (newest != self.empty)
        where = self.view.expand(len(ids), -1)
        return MemoryState(
            state.newest.scatter(1, where, ids),
            state.before.scatter(1, where, torch.where(is_other, newest, before)),
        )

    def read(self, state: MemoryState) -> tuple[Tensor, Tensor]:
        """What the memory holds of the places in view, newest and before: int64 [B, K] each."""
        return state.newest[:, self.view], state.before[:, self.view]


class EgoMotion(nn.Module):
    """Classifies the motion of a step, from the tokens around it and the action.

    The most likely one: a token whose place was in view before has stayed with probability 0.95,
    all other tokens are drawn by their frequency in the data.

    Args:
        motions: the classes; the first one is :data:`STILL`.
        grid: rows and columns of the tokens.
        codes: how many tokens there are.
        actions: how many actions.
    """

    prior: Tensor
    surprisal: Tensor
    table: Tensor

    def __init__(
        self, motions: Sequence[Motion], grid: tuple[int, int], codes: int, actions: int
    ) -> None:
        super().__init__()
        self.motions, self.grid = tuple(motions), grid
        table = torch.stack([sources(one, grid) for one in motions])
        self.register_buffer("table", table, persistent=False)
        self.register_buffer("prior", torch.zeros(actions, len(motions)))
        self.register_buffer("surprisal", torch.full((codes,), math.log(codes)))

    @torch.no_grad()
    def fit(self, before: Tensor, after: Tensor, actions: Tensor) -> None:
        """Estimate the frequency of tokens, and p(motion | action) by expectation maximisation.

        Args:
            before, after: tokens int64 [N, K] around N steps.
            actions: int64 [N].
        """
        self.surprisal.copy_(surprisal(after, len(self.surprisal)))
        self.prior.zero_()
        for _ in range(2):
            chosen = self(before, after, actions)
            counts = torch.ones_like(self.prior)
            counts.index_put_((actions, chosen), torch.ones(len(chosen)), accumulate=True)
            self.prior.copy_((counts / counts.sum(1, keepdim=True)).log())

    @torch.no_grad()
    def forward(self, before: Tensor, after: Tensor, actions: Tensor) -> Tensor:
        """The number of each step's motion, int64 [N]; arguments as for :meth:`fit`."""
        gains = [gain(before, after, one, self.surprisal) for one in self.table]
        return (torch.stack(gains, 1) + self.prior[actions]).argmax(1)


def find_motions(before: Tensor, after: Tensor, grid: tuple[int, int], codes: int) -> list[Motion]:
    """The motions that explain most of N steps: chosen greedily, :data:`STILL` first.

    Args:
        before, after: tokens int64 [N, K] around the steps, in random order; some hundreds are
            enough.
        grid: rows and columns of the K tokens.
        codes: how many tokens there are.
    """
    nats = surprisal(after, codes)
    candidates = [STILL, *_candidates(before, after, grid, nats)]
    gains = torch.stack([gain(before, after, sources(one, grid), nats) for one in candidates])
    found, best = [STILL], gains[0].clamp_min(0)  # 0 nats: all tokens are new
    while len(found) < _MOST:
        better = (gains - best).clamp_min(0).mean(1)
        top = int(better.argmax())
        if better[top] < _LEAST_GAIN:
            break
        found.append(candidates[top])
        best = torch.maximum(best, gains[top])
    return found


def sources(motion: Motion, grid: tuple[int, int], margin: int = 0) -> Tensor:
    """Where the cells of a grid come from: int64 [R · C], row by row; -1 from outside of it.

    Args:
        motion: of the grid.
        grid: its rows and columns.
        margin: so many cells around the grid move with it; R and C include them.
    """
    rows, columns = (size + 2 * margin for size in grid)
    cells = (torch.arange(size) - margin for size in (rows, columns))
    r, c = (one + margin for one in motion.source(*torch.meshgrid(*cells, indexing="ij")))
    inside = (r >= 0) & (r < rows) & (c >= 0) & (c < columns)
    return torch.where(inside, r * columns + c, -1).flatten()


def surprisal(tokens: Tensor, codes: int) -> Tensor:
    """-ln of each token's frequency, float32 [codes]."""
    counts = torch.bincount(tokens.flatten(), minlength=codes).float() + 1
    return -(counts / counts.sum()).log()


def gain(before: Tensor, after: Tensor, table: Tensor, nats: Tensor) -> Tensor:
    """The log-likelihood ratio of a motion against independent tokens, in nats, float32 [N].

    Args:
        before, after: int64 [N, K].
        table: of the motion, as :func:`sources` gives it.
        nats: of the tokens, as :func:`surprisal` gives it.
    """
    in_view = torch.nonzero(table >= 0).squeeze(1)
    now = after[:, in_view]
    kept = math.log(1 - _MISMATCH) + nats[now]
    return torch.where(before[:, table[in_view]] == now, kept, math.log(_MISMATCH)).sum(1)


def _candidates(
    before: Tensor, after: Tensor, grid: tuple[int, int], nats: Tensor
) -> Sequence[Motion]:
    """Motions to be compared by their likelihood, :data:`STILL` left out."""
    motions, overlaps = _enumerated(grid)
    if len(motions) > MOST_ENUMERATED:
        changed = torch.nonzero((before != after).any(1)).squeeze(1)[:PROPOSALS]
        scores = _correlation(before[changed], after[changed], grid, motions, nats)
        scores += math.log(_MISMATCH) * torch.tensor(overlaps)
        motions = [motions[k] for k in scores.argmax(1).unique().tolist()]
    return [one for one in motions if one != STILL]


def _enumerated(grid: tuple[int, int]) -> tuple[list[Motion], list[int]]:
    """All motions that leave enough of a grid in view, and how many cells that is."""
    motions, overlaps = [], []
    for turns in range(4):
        low, high = _extent(turns, grid)
        shifts = [range(-high[axis], grid[axis] - low[axis]) for axis in (0, 1)]
        shared = [
            [min(high[axis] + by, grid[axis] - 1) - max(low[axis] + by, 0) + 1 for by in some]
            for axis, some in enumerate(shifts)
        ]
        for rows, down in zip(shifts[0], shared[0], strict=True):
            for columns, across in zip(shifts[1], shared[1], strict=True):
                if down * across >= _LEAST_OVERLAP * grid[0] * grid[1]:
                    motions.append(Motion(turns, rows, columns))
                    overlaps.append(down * across)
    return motions, overlaps


def _extent(turns: int, grid: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The lowest and the highest row and column of a grid after quarter turns."""
    one, other = (Motion(turns, 0, 0).source(*at) for at in ((0, 0), (grid[0] - 1, grid[1] - 1)))
    low, high = (tuple(map(pick, one, other)) for pick in (min, max))
    return (low[0], low[1]), (high[0], high[1])


def _correlation(
    before: Tensor, after: Tensor, grid: tuple[int, int], motions: Sequence[Motion], nats: Tensor
) -> Tensor:
    """By how much the tokens that agree support each motion, nearly, float32 [N, M].

    Tokens become random phases, so that only equal ones add up in the correlation of two grids.
    """
    size, generator = sum(grid), torch.Generator().manual_seed(0)
    weight = (nats + math.log((1 - _MISMATCH) / _MISMATCH)).sqrt()
    spectra = [torch.zeros(len(before), size, size, dtype=torch.complex64) for _ in range(4)]
    for _ in range(_CHANNELS):
        angle = 2 * math.pi * torch.rand(len(nats), generator=generator)
        one, other = (torch.polar(weight, angle)[ids].unflatten(1, grid) for ids in (before, after))
        source = torch.fft.fft2(one, s=(size, size))
        for turns, spectrum in enumerate(spectra):
            turned = torch.rot90(other, -turns, (1, 2))
            spectrum += source * torch.fft.fft2(turned, s=(size, size)).conj() / _CHANNELS
    scores = [torch.fft.ifft2(one).real for one in spectra]
    lows = [_extent(turns, grid)[0] for turns in range(4)]
    at = [
        (
            one.turns,
            (lows[one.turns][0] + one.rows) % size,
            (lows[one.turns][1] + one.columns) % size,
        )
        for one in motions
    ]
    turns, rows, columns = torch.tensor(at).T
    return torch.stack(scores, 1)[:, turns, rows, columns]
