"""What words mean, by what is seen where they are said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl.errors import UserError
from mmrl.preprocessing.text import split_words

_LEAST: Final = 0.5


def meanings_of(
    words: Sequence[str], sentences: Sequence[str], seen: NDArray[np.bool_]
) -> dict[str, int]:
    """Which of C things each word means: the one that is seen where it is said and not elsewhere,
    by the highest correlation (cross-situational learning, Siskind, 1996).

    Args:
        words: whose meaning is asked for.
        sentences: of N pictures.
        seen: which things are in each, bool [N, C].

    Raises:
        UserError: words that no thing goes with, by a correlation of 0.5 at the least.
    """
    said = [set(split_words(sentence)) for sentence in sentences]
    told = np.array([[word in one for word in words] for one in said])
    alike = _correlation(told.astype(np.float64), seen.astype(np.float64))
    lost = [word for word, row in zip(words, alike, strict=True) if row.max() < _LEAST]
    if lost:
        raise UserError(
            f"named: nothing that the pictures show goes with {', '.join(map(repr, lost))}"
        )
    return dict(zip(words, alike.argmax(1).tolist(), strict=True))


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the columns of [N, A] and [N, B], [A, B]; 0 where one does not vary."""
    one, other = one - one.mean(0), other - other.mean(0)
    sizes = np.linalg.norm(one, axis=0)[:, None] * np.linalg.norm(other, axis=0)
    return np.divide(one.T @ other, sizes, out=np.zeros_like(sizes), where=sizes > 0)
