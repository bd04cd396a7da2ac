"""Text metrics: word error rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmrl.preprocessing.text import split_words


def word_edits(reference: str, hypothesis: str) -> int:
    """Words to be inserted, left out or replaced to make one sentence the other (Levenshtein,
    1966); capitals do not count.
    """
    spoken, recognised = split_words(reference), split_words(hypothesis)
    row = list(range(len(recognised) + 1))  # edits from no word to the first ones recognised
    for i, word in enumerate(spoken):
        above, row = row, [i + 1]
        for j, other in enumerate(recognised):
            row.append(min(above[j] + (word != other), above[j + 1] + 1, row[j] + 1))
    return row[-1]


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Word error rate: edits of all utterances per reference word; insertions can make it above 1.

    Args:
        references: transcripts, utterance by utterance.
        hypotheses: recognised sentences.

    Raises:
        ValueError: not one for each, or no word in the references.
    """
    edits, words = _counts(references, hypotheses)
    return float(edits.sum() / words.sum())


def word_error_interval(
    references: Sequence[str], hypotheses: Sequence[str], *, resamples: int = 2_000
) -> tuple[float, float]:
    """The 95% interval of :func:`word_error_rate` over utterances: percentiles of its values on
    utterances resampled with replacement (Bisani & Ney, 2004), always by the same generator.

    Raises:
        ValueError: as :func:`word_error_rate`.
    """
    edits, words = _counts(references, hypotheses)
    drawn = np.random.default_rng(0).integers(len(edits), size=(resamples, len(edits)))
    rates = edits[drawn].sum(1) / words[drawn].sum(1).clip(1)
    low, high = np.quantile(rates, (0.025, 0.975))
    return float(low), float(high)


def _counts(
    references: Sequence[str], hypotheses: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Edits and reference words, int64 [U] each."""
    edits = [word_edits(*pair) for pair in zip(references, hypotheses, strict=True)]
    words = np.array([len(split_words(reference)) for reference in references])
    if not words.sum():
        raise ValueError("the references have no word")
    return np.array(edits), words
