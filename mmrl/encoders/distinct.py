"""Text encoders: token ids → Tokens, each distinct instruction of a batch encoded once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from mmrl.encoders.cache import sentence_keys
from mmrl.encoders.freezing import Encoder, with_parameters
from mmrl.preprocessing.text import PADDING
from mmrl.tokens import Tokens, TokensShape

Vocabulary = int | Sequence[str]
"""How many token ids there are, or the words by their ids."""


def size_of(vocabulary: Vocabulary) -> int:
    """Token ids are below this."""
    return vocabulary if isinstance(vocabulary, int) else len(vocabulary)


class TextEncoder(Encoder):
    """Token ids → Tokens.

    A batch of observations holds few distinct instructions: each is encoded once, as long as it
    is, and its tokens are handed to every row that has it.

    Args:
        width: of the tokens.
        vocabulary: ids are below this.
    """

    def __init__(self, width: int, vocabulary: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
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
        """Integers [B, L], ``PADDING`` where there is no token → Tokens [B, K, D].

        Raises:
            ValueError: a token outside the vocabulary.
        """
        for token in map(int, ids.aminmax()):
            if not 0 <= token < self.vocabulary:
                raise ValueError(
                    f"token {token}: this text encoder has {self.vocabulary}; "
                    "it was given another tokenizer than its own"
                )
        if self.remembers:
            return self.encoded(ids, self._encode_trimmed)
        rows, where = distinct_rows(ids)
        tokens = self.encoded(rows, self._encode_trimmed)
        return Tokens(tokens.values, tokens.mask, rows=where)

    def keys(self, rows: Tensor) -> list[bytes]:
        """As :meth:`Encoder.keys`; a sentence is the same whatever the padding after it."""
        return sentence_keys(rows)

    def _encode_trimmed(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Distinct instructions [U, L], no longer than the longest of them is."""
        longest = max(int((rows != PADDING).sum(1).max()), 1)
        rows = rows[:, :longest].long()
        return self.encode(rows, rows != PADDING)


def distinct_rows(ids: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct rows of a matrix, and which of them each row is.

    Rows are told apart by a hash, which is much faster than sorting them; should two different
    rows ever share one, the slow way is taken.

    Args:
        ids: integers [B, L], or floats, of which half precision tells apart.

    Returns:
        [U, L] and int64 [B], with ``rows[where]`` equal to ``ids``.
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


def _as_integers(rows: Tensor) -> Tensor:
    """The same rows as int64; four half floats make one."""
    if not rows.is_floating_point():
        return rows.long()
    rows = rows.half()
    rows = torch.nn.functional.pad(rows, (0, -rows.shape[1] % 4))
    return rows.contiguous().view(torch.int64)


_ODD: Final = 0x9E3779B97F4A7C15 - (1 << 64)  # as a signed 64-bit number
