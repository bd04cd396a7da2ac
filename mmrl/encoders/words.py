"""Words without a transformer: counted, or as vectors, in their order or not."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mmrl.encoders.distinct import TextEncoder
from mmrl.preprocessing.text import PADDING


class BagOfWords(TextEncoder):
    """Which words there are, how often, in no order: their learned vectors added up, one token.

    Args:
        vocabulary: ids are below this.
        width: of the token.
        length: the longest sentence, in tokens; it may be any.
    """

    def __init__(self, vocabulary: int, *, width: int = 64, length: int = 64) -> None:
        super().__init__(width)
        self.weight = nn.Embedding(vocabulary, width, padding_idx=PADDING)

    def encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`TextEncoder.encode`, K = 1."""
        counted = self.weight(ids).sum(1, keepdim=True)
        return counted, mask.any(1, keepdim=True)


class WordVectors(TextEncoder):
    """A learned vector a word: one token each.

    Args:
        vocabulary: ids are below this.
        width: of the tokens.
        length: the longest sentence, in tokens; it may be any.
    """

    def __init__(self, vocabulary: int, *, width: int = 64, length: int = 64) -> None:
        super().__init__(width)
        self.vectors = nn.Embedding(vocabulary, width, padding_idx=PADDING)

    def encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`TextEncoder.encode`, K = L."""
        return self.vectors(ids), mask


class WordGRU(TextEncoder):
    """A GRU that reads word vectors, as in BabyAI's agent (Cho et al., 2014): its states are the
    tokens, the last one knows the whole sentence.

    Args:
        vocabulary: ids are below this.
        width: of vectors and states.
        length: the longest sentence, in tokens; it may be any.
    """

    def __init__(self, vocabulary: int, *, width: int = 64, length: int = 64) -> None:
        super().__init__(width)
        self.vectors = nn.Embedding(vocabulary, width, padding_idx=PADDING)
        self.gru = nn.GRU(width, width, batch_first=True)

    def encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`TextEncoder.encode`, K = L."""
        lengths = mask.sum(1).clamp_min(1).cpu()
        packed = pack_padded_sequence(
            self.vectors(ids), lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        missing = ids.shape[1] - states.shape[1]
        return torch.nn.functional.pad(states, (0, 0, 0, missing)), mask
