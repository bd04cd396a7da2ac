"""A spatiotemporal transformer over frames of tokens (Xu et al., 2020; Bruce et al., 2024).

Each layer attends within a frame (space), then from each place to the same place in the frames
before (time, causal, with a learned bias per age), so that the cost is linear in the number of
frames. Keys and values of past frames are cached for step-by-step generation.

Axes: B sequences, T frames, P cached frames, K tokens of a frame, D channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Cache(NamedTuple):
    """Keys and values of the last frames, newest last, of B sequences.

    Attributes:
        keys, values: of each layer, float [B, K, heads, F - 1, D / heads].
        known: which of these frames exist, bool [B, F - 1].
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
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

    def split(self, x: Tensor) -> Tensor:
        """Tokens [..., L, D] by heads, [..., heads, L, D / heads]."""
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        """Scaled dot-product attention of heads, as :meth:`split` returns them.

        Args:
            query: float [..., heads, Q, D / heads].
            key, value: float [..., heads, L, D / heads].
            bias: added to the attention logits, float broadcastable to [..., heads, Q, L]; or a
                bool mask, True where attention is allowed.

        Returns:
            float [..., Q, D].
        """
        batch = query.shape[:-3]
        if bias is not None:
            bias = bias.expand(*batch, *bias.shape[-3:]).flatten(0, -4)
        # torch has fast kernels for four dimensions, not for more
        query, key, value = (one.flatten(0, -4) for one in (query, key, value))
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        out: Tensor = self.leave(mixed.transpose(-2, -3).flatten(-2))
        return out.unflatten(0, batch)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [..., L, D] → [..., L, D]."""
        return self.attend(*map(self.split, self.project(x)))


class FrameLayer(nn.Module):
    """Attention in space, attention in time, and a perceptron, each with a residual.

    Args:
        width, heads: of the attention.
        frames: that are attended to, the present one included.
    """

    def __init__(self, width: int, heads: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.space, self.time = Attention(width, heads), Attention(width, heads)
        self.age = nn.Parameter(torch.zeros(heads, frames))
        self.perceptron = perceptron(width)

    def forward(
        self, x: Tensor, keys: Tensor, values: Tensor, known: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Process frames after those of a cache.

        Args:
            x: float [B, T, K, D].
            keys, values: of the past frames, float [B, K, heads, P, D / heads].
            known: which of these exist, bool [B, P].

        Returns:
            float [B, T, K, D]; and all keys and values, float [B, K, heads, P + T, D / heads].
        """
        x = x + self.space(self.norms[0](x))
        query, key, value = (
            self.time.split(one.transpose(1, 2)) for one in self.time.project(self.norms[1](x))
        )
        keys = torch.cat([keys.to(key), key], -2)
        values = torch.cat([values.to(value), value], -2)
        mixed = self.time.attend(query, keys, values, self._bias(x.shape[1], known).to(query))
        x = x + mixed.transpose(1, 2)
        return x + self.perceptron(self.norms[2](x)), keys, values

    def _bias(self, count: int, known: Tensor) -> Tensor:
        """By age; -inf for frames too old, in the future or unknown: [B, 1, heads, T, P + T]."""
        past = known.shape[1]
        time = torch.arange(past + count, device=known.device)
        age = time[past:, None] - time
        exists = functional.pad(known, (0, count), value=True)[:, None]
        attended = (age >= 0) & (age < self.frames) & exists
        bias = self.age[:, age.clamp(0, self.frames - 1)]
        return torch.where(attended[:, None], bias, -torch.inf)[:, None]


class FrameTransformer(nn.Module):
    """A stack of :class:`FrameLayer`, with a cache of the frames before.

    Args:
        width, heads: of the attention.
        layers: how many.
        frames: that each layer attends to, the present one included.
    """

    def __init__(self, width: int, heads: int, layers: int, frames: int) -> None:
        super().__init__()
        self.width, self.heads, self.frames = width, heads, frames
        self.layers = nn.ModuleList(FrameLayer(width, heads, frames) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def begin(self, count: int, tokens: int) -> Cache:
        """The empty cache of ``count`` sequences, whose frames will have so many tokens."""
        past, weight = self.frames - 1, self.norm.weight
        shape = (count, tokens, self.heads, past, self.width // self.heads)
        keys, values = (tuple(weight.new_zeros(shape) for _ in self.layers) for _ in range(2))
        return Cache(keys, values, weight.new_zeros(count, past, dtype=torch.bool))

    def forward(
        self, x: Tensor, cache: Cache, lengths: Tensor | None = None
    ) -> tuple[Tensor, Cache]:
        """Frames float [B, T, K, D] after those of a cache → the same shape, and the new cache.

        Args:
            x: the frames.
            cache: of the frames before.
            lengths: how many of the frames each sequence has, int64 [B]; all, if None.
        """
        count = x.shape[1]
        keys, values = [], []
        for layer, *past in zip(self.layers, cache.keys, cache.values, strict=True):
            x, key, value = layer(x, *past, cache.known)
            keys.append(key)
            values.append(value)
        known = functional.pad(cache.known, (0, count), value=True)
        whole = Cache(tuple(keys), tuple(values), known)
        return self.norm(x), _last(whole, count, lengths)


def _last(cache: Cache, count: int, lengths: Tensor | None) -> Cache:
    """A cache cut back by ``count`` frames: the oldest; with ``lengths``, for each sequence as many
    of the oldest, and for the rest the newest, which are padding.
    """
    if lengths is None:
        keys, values = (tuple(one[..., count:, :] for one in part) for part in cache[:2])
        return Cache(keys, values, cache.known[:, count:])
    past = cache.known.shape[1] - count
    last = lengths[:, None] + torch.arange(past, device=lengths.device)
    rows = torch.arange(len(lengths), device=lengths.device)[:, None]
    keys, values = (
        tuple(one.movedim(-2, 1)[rows, last].movedim(1, -2) for one in part) for part in cache[:2]
    )
    return Cache(keys, values, cache.known.gather(1, last))


def perceptron(width: int) -> nn.Sequential:
    """A perceptron with one hidden layer of twice the width."""
    return nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
