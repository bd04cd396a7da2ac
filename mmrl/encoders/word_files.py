"""Word vectors from a text file, as GloVe and word2vec write them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmrl.errors import UserError


def read_word_vectors(path: str | Path, words: Collection[str]) -> dict[str, NDArray[np.float32]]:
    """The vectors of some words: lines of a word and its numbers (Pennington et al., 2014), after
    word2vec's first line of two numbers, if it is there (Mikolov et al., 2013).

    Args:
        path: of the file; it is read line by line, only the wanted vectors are kept.
        words: that are wanted; others are passed over.

    Raises:
        UserError: no such file, a line of another width, or none of the words is in it.
    """
    wanted, found = set(words), {}
    width = None
    try:
        with Path(path).open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                word, *values = line.rstrip().split(" ")
                if number == 1 and len(values) == 1:
                    continue
                width = width or len(values)
                if len(values) != width:
                    raise UserError(
                        f"{path}, line {number}: {len(values)} numbers where the first word has "
                        f"{width}"
                    )
                if word in wanted:
                    found[word] = np.array([float(value) for value in values], np.float32)
    except (OSError, ValueError) as error:
        raise UserError(f"word vectors {path} cannot be read: {error}") from error
    if not found:
        raise UserError(f"word vectors {path}: none of the {len(wanted)} words is in it")
    return found
