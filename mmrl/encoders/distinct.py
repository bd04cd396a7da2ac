"""Text encoders: token ids → Tokens, each distinct instruction of a batch encoded once."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

import torch
from torch import Tensor, nn

from mmrl.encoders.freezing import Encoder, with_parameters
from mmrl.preprocessing.text import PADDING
from mmrl.tokens import Tokens, TokensShape


class TextEncoder(Encoder):
    """Token ids → Tokens.

    A batch of observations holds few distinct instructions: each is encoded once, as long as it
    is, and its tokens are handed to every row that has it.

    Args:
        width: of the tokens.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.shape = TokensShape(width=width)

    def stages(self) -> list[nn.Module]:
        """Its children that have parameters."""
        return with_parameters(self)

    @abstractmethod
    def encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Distinct instructions, int64 [U, L], and which of their tokens there are, bool [U, L] →
        values float [U, K, D] and their mask, bool [U, K].
        """

    def forward(self, ids: Tensor) -> Tokens:
        """Integers [B, L], ``PADDING`` where there is no token → Tokens [B, K, D]."""
        rows, where = distinct_rows(ids)
        longest = max(int((rows != PADDING).sum(1).max()), 1)
        rows = rows[:, :longest].long()
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen):
            values, mask = self.encode(rows, rows != PADDING)
        # index_select, since the gradient of plain indexing adds up in no fixed order
        return Tokens(values.index_select(0, where), mask[where])


def distinct_rows(ids: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct rows of an integer matrix, and which of them each row is.

    Rows are told apart by a hash, which is much faster than sorting them; should two different
    rows ever share one, the slow way is taken.

    Args:
        ids: integers [B, L].

    Returns:
        [U, L] and int64 [B], with ``rows[where]`` equal to ``ids``.
    """
    powers = torch.full((ids.shape[1],), _ODD, device=ids.device).cumprod(0)  # modulo 2^64
    hashes = (ids.long() * powers).sum(1)
    unique, where = torch.unique(hashes, return_inverse=True)
    first = torch.full_like(unique, ids.shape[0])
    first.scatter_reduce_(0, where, torch.arange(len(ids), device=ids.device), "amin")
    rows = ids[first]
    if bool((rows[where] == ids).all()):
        return rows, where
    rows, where = torch.unique(ids, dim=0, return_inverse=True)
    return rows, where


_ODD: Final = 0x9E3779B97F4A7C15 - (1 << 64)  # as a signed 64-bit number
