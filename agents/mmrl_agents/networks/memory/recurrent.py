"""Recurrent memories: an LSTM or a GRU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mmrl_agents.networks.memory.base import Memory


class Recurrent(Memory):
    """An LSTM (Hochreiter & Schmidhuber, 1997) or a GRU (Cho et al., 2014).

    Episodes and parts of them are packed side by side, so that one call of torch's own kernel
    goes through all, however they begin and end.

    Args:
        width: F of the features.
        cell: ``nn.LSTM`` or ``nn.GRU``.
        size: H, of the hidden state.
    """

    def __init__(self, width: int, cell: Callable[..., nn.RNNBase], *, size: int = 128) -> None:
        super().__init__()
        self.cell = cell(width, size)
        self.features = size
        self.parts = 2 if isinstance(self.cell, nn.LSTM) else 1
        self.state_size = self.parts * size

    def step(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`Memory.step`."""
        out, after = self.cell(features.unsqueeze(0), self._split(state))
        return out.squeeze(0), torch.cat(after, 2).squeeze(0) if self.parts == 2 else after[0]

    def sequences(self, features: Tensor, state: Tensor, starts: Tensor) -> Tensor:
        """As :meth:`Memory.sequences`."""
        rows, lengths, fresh = segments(starts)
        row, first = rows.unbind(1)
        steps = torch.arange(int(lengths.max()), device=features.device).unsqueeze(1)
        there = steps < lengths
        when = (first + steps).clamp_max(len(features) - 1)  # [longest, segments]
        padded = features[when, row]
        before = state[row] * ~fresh.unsqueeze(1)
        packed = pack_padded_sequence(padded, lengths.cpu(), enforce_sorted=False)
        out, _ = pad_packed_sequence(self.cell(packed, self._split(before))[0])
        whole = out.new_zeros(*features.shape[:2], self.features)
        return whole.index_put((when[there], row.expand_as(when)[there]), out[there])

    def _split(self, state: Tensor) -> Any:
        parts = tuple(part.unsqueeze(0).contiguous() for part in state.chunk(self.parts, 1))
        return parts if self.parts == 2 else parts[0]


def segments(starts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The segments of sequences at the beginnings of episodes.

    Args:
        starts: whether an episode begins there, bool [T, N].

    Returns:
        For each of the S segments its row of the batch and its first step, int64 [S, 2], its
        length int64 [S], and whether it begins an episode, bool [S].
    """
    cuts = starts.clone()
    cuts[0] = True
    rows = cuts.T.nonzero()
    row, first = rows.unbind(1)
    ends = torch.full_like(first, len(starts))
    same = row[1:] == row[:-1]
    ends[:-1][same] = first[1:][same]
    return rows, ends - first, starts[first, row]
