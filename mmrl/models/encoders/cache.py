"""The feature cache of frozen encoders: each distinct input is encoded once.

Shapes: B batch, U distinct inputs that are not in the cache, K tokens, D their width, S slots.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl.models.tokens import Tokens

Encode = Callable[[Tensor], tuple[Tensor, Tensor]]
_FIRST_SLOTS: Final = 64


class FeatureCache:
    """An LRU cache from keys of inputs to their tokens.

    It belongs to one encoder, and is cleared when the encoder's state changes: its weights, its
    device, or the precision in use. Features are in the slots of one table, so that looking up a
    batch of hits is a single gather.

    Args:
        capacity: bytes of features; while the table grows towards it, half as much again is needed
            for a moment.

    Attributes:
        hits: inputs whose features were there; a repetition within a batch is a hit, too.
        misses: inputs that were encoded.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.hits = self.misses = 0
        self._slots: OrderedDict[bytes, int] = OrderedDict()  # the least recently used first
        self._table: tuple[Tensor, Tensor] | None = None  # values [S, K, D], mask [S, K]
        self._lengths: list[int] = []  # of the tokens in each slot
        self._free: list[int] = []
        self._last: tuple[NDArray[np.int64], tuple[Tensor, Tensor]] | None = None
        self._state: Any = None

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def nbytes(self) -> int:
        """Memory of the table, at most the capacity."""
        return 0 if self._table is None else sum(part.nbytes for part in self._table)

    @property
    def hit_rate(self) -> float:
        """The share of hits; 0 before the first input."""
        return self.hits / max(self.hits + self.misses, 1)

    def clear(self) -> None:
        """Remove all features."""
        self._slots.clear()
        self._table = self._last = None
        self._lengths, self._free = [], []

    def lookup(self, rows: Tensor, keys: Sequence[bytes], encode: Encode, state: Any) -> Tokens:
        """Features of each row, as ``encode`` would give them.

        Args:
            rows: inputs [B, …].
            keys: of the rows; equal where features are to be.
            encode: inputs [U, …] → values float [U, K, D] and their mask, bool [U, K].
            state: all that ``encode`` depends on; compared with that of the last call.

        Returns:
            Tokens [B, K, D], as long as the longest of these.
        """
        if state != self._state:
            self.clear()
            self._state = state
        distinct = list(dict.fromkeys(keys))
        known = [key for key in distinct if key in self._slots]
        for key in known:
            self._slots.move_to_end(key)
        if len(known) == len(distinct):
            self.hits += len(keys)
            return self._lookup_hits(keys, len(known))
        first: dict[bytes, int] = {}  # the rows that are to be encoded
        for b, key in enumerate(keys):
            if key not in self._slots:
                first.setdefault(key, b)
        self.misses += len(first)
        self.hits += len(keys) - len(first)
        where = torch.tensor(list(first.values()), device=rows.device)
        values, mask = encode(rows[where])
        lengths = _lengths(mask)
        found = values[:, : max(lengths)], mask[:, : max(lengths)]
        before = self._gather([self._slots[key] for key in known]) if known else None
        self._keep(list(first), *found, lengths)
        found = found if before is None else _joined(before, found)
        place = {key: u for u, key in enumerate([*known, *first])}
        chosen = torch.tensor([place[key] for key in keys], device=rows.device)
        return Tokens(*found, rows=chosen)

    def _lookup_hits(self, keys: Sequence[bytes], distinct: int) -> Tokens:
        """The features of inputs that are all in the cache; the last ones are kept gathered, since
        minibatches often have the same few sentences.
        """
        slots = np.fromiter(map(self._slots.__getitem__, keys), np.int64, len(keys))
        if 2 * distinct > len(keys):  # one gather, where few are repeated
            return Tokens(*self._gather(slots.tolist()))
        once, where = np.unique(slots, return_inverse=True)
        if self._last is None or not np.array_equal(self._last[0], once):
            self._last = once, self._gather(once.tolist())
        values, mask = self._last[1]
        return Tokens(values, mask, rows=torch.from_numpy(where).to(values.device))

    def _gather(self, slots: list[int]) -> tuple[Tensor, Tensor]:
        assert self._table is not None
        values, mask = self._table
        longest = max(self._lengths[slot] for slot in set(slots))
        chosen = torch.tensor(slots, device=values.device)
        return (
            values[:, :longest].index_select(0, chosen),
            mask[:, :longest].index_select(0, chosen),
        )

    def _keep(self, keys: list[bytes], values: Tensor, mask: Tensor, lengths: list[int]) -> None:
        """Put new features into slots, as far as the capacity allows."""
        self._last = None
        width = mask.shape[1]
        if self._table is not None:
            width = max(width, self._table[1].shape[1])
        most = self.capacity // (width * (values.shape[2] * values.element_size() + 1))
        surplus = max(len(keys) - most, 0)
        keys, lengths = keys[surplus:], lengths[surplus:]
        if not keys:
            return
        while len(self._slots) + len(keys) > most:
            self._free.append(self._slots.popitem(last=False)[1])
        if self._table is None or len(self._free) < len(keys) or self._table[1].shape[1] < width:
            self._enlarge(len(self._slots) + len(keys), most, width, values)
        assert self._table is not None
        slots = [self._free.pop() for _ in keys]
        where = torch.tensor(slots, device=values.device)
        for table, new in zip(self._table, (values, mask), strict=True):
            table.index_copy_(0, where, _widened(new[surplus:], width))
        for key, slot, length in zip(keys, slots, lengths, strict=True):
            self._slots[key] = slot
            self._lengths[slot] = length

    def _enlarge(self, needed: int, most: int, width: int, like: Tensor) -> None:
        """Move the features into a new table, of twice the slots if those are too few."""
        size = len(self._lengths)
        if size < needed:
            size = max(2 * size, needed, _FIRST_SLOTS)
        size = min(size, most)
        values = like.new_zeros(size, width, like.shape[2])
        mask = torch.zeros(size, width, dtype=torch.bool, device=like.device)
        lengths = [0] * size
        kept = list(self._slots.values())
        if self._table is not None and kept:
            where = torch.tensor(kept, device=like.device)
            for table, before in zip((values, mask), self._table, strict=True):
                table[: len(kept), : before.shape[1]] = before.index_select(0, where)
            lengths[: len(kept)] = [self._lengths[slot] for slot in kept]
        self._slots = OrderedDict(zip(self._slots, range(len(kept)), strict=True))
        self._free = list(range(len(kept), size))
        self._table, self._lengths = (values, mask), lengths


def digests(rows: Tensor) -> list[bytes]:
    """A key for each row [B, …]: 16 bytes of BLAKE2b of its shape and contents."""
    raw = rows.detach().cpu().contiguous().flatten(1).view(torch.uint8).numpy()
    shape = repr((rows.shape[1:], rows.dtype)).encode()
    return [blake2b(row, digest_size=16, key=blake2b(shape).digest()).digest() for row in raw]


def sentence_keys(ids: Tensor) -> list[bytes]:
    """A key for each row of token ids [B, L], without its padding (0): the bytes of its numbers,
    of which numpy's byte strings drop the zeros at the end.
    """
    raw = np.ascontiguousarray(ids.detach().cpu().numpy(), np.int32)
    keys: list[bytes] = raw.view(f"S{4 * raw.shape[1]}").ravel().tolist()
    return keys


def _lengths(mask: Tensor) -> list[int]:
    """Tokens up to the last one that counts, at least one."""
    places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    lengths: list[int] = (mask * places).amax(1).clamp_min(1).tolist()
    return lengths


def _joined(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Values and masks below each other, all of one length."""
    longest = max(one[1].shape[1], other[1].shape[1])
    values = [_widened(part[0], longest) for part in (one, other)]
    mask = [_widened(part[1], longest) for part in (one, other)]
    return torch.cat(values), torch.cat(mask)


def _widened(tokens: Tensor, length: int) -> Tensor:
    """[B, K, …] → [B, length, …], zeros after the end."""
    if tokens.shape[1] == length:
        return tokens
    wide = tokens.new_zeros(tokens.shape[0], length, *tokens.shape[2:])
    wide[:, : tokens.shape[1]] = tokens
    return wide
