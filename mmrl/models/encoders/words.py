"""Text encoders over word embeddings, without a transformer: bag of words, word vectors, GRU, CNN.

Embeddings are trained from scratch, or begin with the vectors of a GloVe or word2vec text file.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mmrl.errors import UserError
from mmrl.models.encoders.base import TextEncoder, Vocabulary, size_of
from mmrl.preprocessing.text import PADDING
from mmrl.schema import check_regular
from mmrl.text_output import shortened

_LARGEST: Final = 1e30
_WIDEST: Final = 2**16  # numbers of a vector

_BETWEEN: Final = re.compile(r"[ \t]+")


def read_word_vectors(path: str | Path, words: Collection[str]) -> dict[str, NDArray[np.float32]]:
    """Read word vectors from a text file: lines of a word and its numbers (GloVe, Pennington et
    al., 2014) with spaces or tabs between them, perhaps after a first line of two numbers
    (word2vec, Mikolov et al., 2013).

    Args:
        path: of the file; it is read line by line, only the wanted vectors are kept.
        words: the wanted ones.

    Returns:
        Vectors float32 [width] by word; words that are not in the file are left out.

    Raises:
        UserError: no such file, a line of fewer numbers, numbers that are not finite, or none of
            the words is in it.
    """
    check_regular(path)
    wanted, found = set(words), {}
    width = None
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                pieces = _BETWEEN.split(line.strip(" \t\r\n"))
                if pieces == [""] or (number == 1 and len(pieces) == 2):
                    continue
                width = width or min(len(pieces) - 1, _WIDEST)
                if len(pieces) <= width:
                    raise UserError(
                        f"{path}, line {number}: {len(pieces) - 1} numbers where the first word "
                        f"has {width}"
                    )
                word = " ".join(pieces[:-width])  # some of GloVe's have spaces
                if word in wanted:
                    found[word] = _vector(pieces[-width:], f"{path}, line {number}")
    except (OSError, ValueError) as error:
        raise UserError(f"word vectors {path} cannot be read: {shortened(error)}") from error
    if not found:
        raise UserError(f"word vectors {path}: none of the {len(wanted)} words is in it")
    return found


def _vector(values: list[str], place: str) -> NDArray[np.float32]:
    """Finite numbers, float32 [width].

    Raises:
        ValueError: they are none.
    """
    vector = np.array([float(value) for value in values])
    if not len(vector) or not (np.abs(vector) < _LARGEST).all():
        raise ValueError(
            f"{place}: numbers below {_LARGEST:.0e} are needed, not {shortened(values[:3])}"
        )
    return vector.astype(np.float32)


def word_embedding(vocabulary: Vocabulary, width: int, vectors: str | None) -> nn.Embedding:
    """A word embedding: a vector for each id, 0 for ``PADDING``.

    Args:
        vocabulary: ids are below this, or the words by their ids.
        width: of the vectors, unless they come from a file.
        vectors: a text file of initial vectors, if any.

    Raises:
        ValueError: a file, but no words.
        UserError: the file cannot be read.
    """
    if vectors is None:
        return nn.Embedding(size_of(vocabulary), width, padding_idx=PADDING)
    if isinstance(vocabulary, int):
        raise ValueError("vectors: a file needs the words, and only their number is known")
    found = read_word_vectors(vectors, vocabulary)
    values = np.stack(list(found.values()))
    embedding = nn.Embedding(len(vocabulary), values.shape[1], padding_idx=PADDING)
    with torch.no_grad():
        embedding.weight.mul_(float(values.std()) or 1.0)
        for id_, word in enumerate(vocabulary):
            if word in found:
                embedding.weight[id_] = torch.from_numpy(found[word])
    return embedding


class BagOfWords(TextEncoder):
    """Bag of words: the sum of learned word vectors, one token, without order.

    Args:
        vocabulary: ids are below this.
        width: of the token.
        length: the longest sentence, in tokens; it may be any.
    """

    def __init__(self, vocabulary: Vocabulary, *, width: int = 64, length: int = 64) -> None:
        super().__init__(width, size_of(vocabulary))
        self.weight = nn.Embedding(self.vocabulary, width, padding_idx=PADDING)

    def encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`TextEncoder.encode`, K = 1."""
        counted = self.weight(ids).sum(1, keepdim=True)
        return counted, mask.any(1, keepdim=True)


class WordVectors(TextEncoder):
    """Word vectors: one token a word, its embedding.

    Args:
        vocabulary: ids are below this, or the words by their ids.
        width: of the tokens; the file's, where there is one.
        length: the longest sentence, in tokens; it may be any.
        vectors: a text file of GloVe or word2vec with initial vectors; words that are not in it
            are initialised at random.

    Raises:
        ValueError: a file, but no words.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        width: int = 64,
        length: int = 64,
        vectors: str | None = None,
    ) -> None:
        embedding = word_embedding(vocabulary, width, vectors)
        super().__init__(embedding.embedding_dim, embedding.num_embeddings)
        self.vectors = embedding

    def encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`TextEncoder.encode`, K = L."""
        return self.vectors(ids), mask


class WordGRU(TextEncoder):
    """A GRU over word vectors (Cho et al., 2014), as in BabyAI's agent: its states are the tokens.

    Args:
        vocabulary: ids are below this, or the words by their ids.
        width: of the states, and of the vectors that come from no file.
        length: the longest sentence, in tokens; it may be any.
        vectors: as for :class:`WordVectors`.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        width: int = 64,
        length: int = 64,
        vectors: str | None = None,
    ) -> None:
        embedding = word_embedding(vocabulary, width, vectors)
        super().__init__(width, embedding.num_embeddings)
        self.vectors = embedding
        self.gru = nn.GRU(embedding.embedding_dim, width, batch_first=True)

    def encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`TextEncoder.encode`, K = L."""
        if torch.compiler.is_exporting():  # states before the padding do not depend on it
            return self.gru(self.vectors(ids))[0], mask
        lengths = mask.sum(1).clamp_min(1).cpu()
        packed = pack_padded_sequence(
            self.vectors(ids), lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        missing = ids.shape[1] - states.shape[1]
        return torch.nn.functional.pad(states, (0, 0, 0, missing)), mask


class WordCNN(TextEncoder):
    """A CNN over word vectors (Kim, 2014): each token depends on the words around it, so that the
    attributes of several objects in one sentence stay with their object; the fastest text encoder
    that keeps the order of words.

    Args:
        vocabulary: ids are below this, or the words by their ids.
        width: of the tokens, and of the vectors that come from no file.
        length: the longest sentence, in tokens; it may be any.
        vectors: as for :class:`WordVectors`.
        layers: residual convolutions.
        reach: words on either side in a convolution's kernel.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        width: int = 64,
        length: int = 64,
        vectors: str | None = None,
        layers: int = 2,
        reach: int = 2,
    ) -> None:
        embedding = word_embedding(vocabulary, width, vectors)
        super().__init__(width, embedding.num_embeddings)
        self.vectors = embedding
        self.enter = nn.Linear(embedding.embedding_dim, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.layers = nn.ModuleList(
            nn.Conv1d(width, width, 2 * reach + 1, padding=reach) for _ in range(layers)
        )

    def encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`TextEncoder.encode`, K = L."""
        there = mask.unsqueeze(2)
        values = self.enter(self.vectors(ids))
        for norm, layer in zip(self.norms, self.layers, strict=True):
            near = layer((norm(values) * there).transpose(1, 2)).transpose(1, 2)
            values = values + torch.relu(near)
        return values, mask
