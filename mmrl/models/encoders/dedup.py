"""Deduplication: the distinct inputs of a batch, and which of them each row is.

A batch of observations holds few distinct instructions, utterances and goal images: encoders encode
each of them once.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

_ODD: Final = 0x9E3779B97F4A7C15 - (1 << 64)  # as a signed 64-bit number
_WORD: Final = 8  # bytes of an int64


def distinct_rows(ids: Tensor) -> tuple[Tensor, Tensor]:
    """The U distinct rows of a matrix, and which of them each row is.

    Rows are compared by a polynomial hash modulo 2^64, which is much faster than sorting them; if
    two different rows ever collide, they are sorted after all.

    Args:
        ids: integers [B, L], or floats, which are compared in half precision.

    Returns:
        The distinct rows [U, L] and their indices int64 [B], with ``rows[where]`` equal to ``ids``.
    """
    whole = _as_integers(ids)
    powers = torch.full((whole.shape[1],), _ODD, device=ids.device).cumprod(0)  # modulo 2^64
    hashes = (whole * powers).sum(1)
    unique, where = torch.unique(hashes, return_inverse=True)
    first = torch.full_like(unique, ids.shape[0])
    first.scatter_reduce_(0, where, torch.arange(len(ids), device=ids.device), "amin")
    rows = ids[first]
    if bool((rows[where] == ids).all()):
        return rows, where
    rows, where = torch.unique(ids, dim=0, return_inverse=True)
    return rows, where


def distinct_images(images: Tensor) -> tuple[Tensor, Tensor]:
    """The U distinct images of a batch, and which of them each image is.

    Args:
        images: uint8 [B, …].

    Returns:
        The distinct images uint8 [U, …] and their indices int64 [B].
    """
    flat = images.flatten(1)
    size = flat.shape[1]
    words = functional.pad(flat, (0, -size % _WORD)).contiguous().view(torch.int64)
    rows, where = distinct_rows(words)
    return rows.view(torch.uint8)[:, :size].unflatten(1, images.shape[1:]), where


def _as_integers(rows: Tensor) -> Tensor:
    """The same rows as int64; four half floats make one."""
    if not rows.is_floating_point():
        return rows.long()
    rows = rows.half()
    rows = functional.pad(rows, (0, -rows.shape[1] % 4))
    return rows.contiguous().view(torch.int64)
