"""A transformer over frames of tokens: attention within a frame, and from each of its places to the
same place in the frames before (Xu et al., 2020; Bruce et al., 2024).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Cache(NamedTuple):
    """Keys and values of the last frames, newest last, of B sequences.

    Attributes:
        values: float [B, layers, 2, F - 1, K, D].
        known: bool [B, F - 1]; which frames there have been.
    """

    values: Tensor
    known: Tensor


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al., 2017).

    Args:
        width: of tokens; divisible by the heads.
        heads: how many.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.enter = nn.Linear(width, 3 * width)
        self.leave = nn.Linear(width, width)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [..., D] of tokens [..., D]."""
        query, key, value = self.enter(x).chunk(3, -1)
        return query, key, value

    def attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
        """Queries [..., Q, D], keys and values [..., L, D] → [..., Q, D].

        Args:
            query, key, value: see above.
            bias: added to what is attended by, float broadcastable to [..., heads, Q, L]; or bool,
                True where it may be attended to.
        """
        q, k, v = (
            one.unflatten(-1, (self.heads, -1)).transpose(-2, -3) for one in (query, key, value)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        out: Tensor = self.leave(mixed.transpose(-2, -3).flatten(-2))
        return out

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Tokens [..., L, D] → [..., L, D]."""
        return self.attend(*self.project(x), bias)


class FrameLayer(nn.Module):
    """Attention in space, attention in time, and a perceptron, each added to what goes into it.

    Args:
        width, heads: of the attention.
        frames: that are attended to, with the present one.
    """

    def __init__(self, width: int, heads: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.space, self.time = Attention(width, heads), Attention(width, heads)
        self.age = nn.Parameter(torch.zeros(heads, frames))
        self.perceptron = perceptron(width)

    def forward(self, x: Tensor, past: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [B, T, K, D] after those of a cache → the same shape, and their keys and values.

        Args:
            x: see above.
            past: float [B, 2, P, K, D].
            known: bool [B, P].

        Returns:
            float [B, T, K, D]; and [B, 2, P + T, K, D], the past included.
        """
        x = x + self.space(self.norms[0](x))
        query, key, value = self.time.project(self.norms[1](x))
        both = torch.cat([past.to(key), torch.stack([key, value], 1)], 2)
        keys, values = both.transpose(2, 3).unbind(1)
        bias = self._bias(x.shape[1], known).to(query)
        mixed = self.time.attend(query.transpose(1, 2), keys, values, bias)
        x = x + mixed.transpose(1, 2)
        return x + self.perceptron(self.norms[2](x)), both

    def _bias(self, count: int, known: Tensor) -> Tensor:
        """By age; -inf for frames too old, to come or unknown: [B, 1, heads, T, P + T]."""
        past = known.shape[1]
        place = torch.arange(past + count, device=known.device)
        age = place[past:, None] - place
        there = functional.pad(known, (0, count), value=True)[:, None]
        may = (age >= 0) & (age < self.frames) & there
        bias = self.age[:, age.clamp(0, self.frames - 1)]
        return torch.where(may[:, None], bias, -torch.inf)[:, None]


class FrameTransformer(nn.Module):
    """Layers of :class:`FrameLayer`.

    Args:
        width, heads: of the attention.
        layers: how many.
        frames: that each layer attends to, with the present one.
    """

    def __init__(self, width: int, heads: int, layers: int, frames: int) -> None:
        super().__init__()
        self.width, self.frames = width, frames
        self.layers = nn.ModuleList(FrameLayer(width, heads, frames) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def begin(self, count: int, tokens: int) -> Cache:
        """The cache of ``count`` sequences before their first frame, of so many tokens."""
        past = self.frames - 1
        shape = (count, len(self.layers), 2, past, tokens, self.width)
        weight = self.norm.weight
        return Cache(weight.new_zeros(shape), weight.new_zeros(count, past, dtype=torch.bool))

    def forward(
        self, x: Tensor, cache: Cache, lengths: Tensor | None = None
    ) -> tuple[Tensor, Cache]:
        """Frames [B, T, K, D] after those of a cache → the same shape, and the cache with them.

        Args:
            x, cache: see above.
            lengths: how many of the frames count in each sequence, int64 [B]; all, if None.
        """
        past, count = cache.known.shape[1], x.shape[1]
        kept = []
        for layer, values in zip(self.layers, cache.values.unbind(1), strict=True):
            x, both = layer(x, values, cache.known)
            kept.append(both)
        if lengths is None:
            lengths = torch.full((len(x),), count, device=x.device)
        last = lengths[:, None] + torch.arange(past, device=x.device)
        values = torch.stack(kept, 1)
        where = last[:, None, None, :, None, None].expand(*values.shape[:3], -1, *values.shape[4:])
        known = functional.pad(cache.known, (0, count), value=True).gather(1, last)
        return self.norm(x), Cache(values.gather(3, where), known)


def perceptron(width: int) -> nn.Sequential:
    """Two layers, twice as wide between them."""
    return nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
