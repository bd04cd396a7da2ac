"""Features of a frozen encoder, computed once for each distinct input."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

Encode = Callable[[Tensor], tuple[Tensor, Tensor]]


class FeatureCache:
    """Remembers tokens by the bytes of their input, the longest unused ones are forgotten first.

    It belongs to one encoder, and forgets everything when the encoder's state changes: its
    weights, its device, or the precision in use.

    Args:
        capacity: bytes of features that may be kept.

    Attributes:
        hits: inputs whose features were there; a repetition within a batch is one, too.
        misses: inputs that were encoded.
        bytes: kept at present.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.hits = self.misses = self.bytes = 0
        self._kept: OrderedDict[bytes, tuple[Tensor, Tensor]] = OrderedDict()
        self._state: Any = None

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def hit_rate(self) -> float:
        """The share of inputs that were not encoded; 0 before the first."""
        return self.hits / max(self.hits + self.misses, 1)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self.bytes = 0

    def lookup(self, rows: Tensor, encode: Encode, state: Any) -> tuple[Tensor, Tensor]:
        """Features of each row, as ``encode`` would give them.

        Args:
            rows: inputs [B, …].
            encode: inputs [U, …] → values float [U, K, D] and their mask, bool [U, K].
            state: whatever ``encode`` depends on; compared with that of the last call.

        Returns:
            Values float [B, K, D] and mask bool [B, K].
        """
        if state != self._state:
            self.clear()
            self._state = state
        raw = rows.detach().cpu().contiguous().flatten(1).numpy()
        keys = [blake2b(row, digest_size=16).digest() for row in raw]
        first: dict[bytes, int] = {}
        for k, key in enumerate(keys):
            if key not in self._kept:
                first.setdefault(key, k)
        self.misses += len(first)
        self.hits += len(keys) - len(first)
        new = {}
        if first:
            where = torch.tensor(list(first.values()), device=rows.device)
            values, mask = encode(rows[where])
            lengths = _lengths(mask)
            for key, one, counts, length in zip(first, values, mask, lengths, strict=True):
                new[key] = one[:length].clone(), counts[:length].clone()
        found = []
        for key in keys:
            if key in self._kept:
                self._kept.move_to_end(key)
            found.append(new[key] if key in new else self._kept[key])
        self._keep(new)
        return _stack([one for one, _ in found]), _stack([counts for _, counts in found])

    def _keep(self, new: dict[bytes, tuple[Tensor, Tensor]]) -> None:
        for key, entry in new.items():
            size = sum(part.nbytes for part in entry)
            if size > self.capacity:
                continue
            self._kept[key] = entry
            self.bytes += size
        while self.bytes > self.capacity:
            _, entry = self._kept.popitem(last=False)
            self.bytes -= sum(part.nbytes for part in entry)


def _lengths(mask: Tensor) -> list[int]:
    """Tokens up to the last one that counts, at least one."""
    places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    lengths: list[int] = (mask * places).amax(1).clamp_min(1).tolist()
    return lengths


def _stack(parts: list[Tensor]) -> Tensor:
    """Tensors [k, …] → [B, K, …], zeros after the end of shorter ones."""
    if all(part.shape == parts[0].shape for part in parts):
        return torch.stack(parts)
    return pad_sequence(parts, batch_first=True)
