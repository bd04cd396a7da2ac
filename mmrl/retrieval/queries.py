"""Queries for images that have been described: a description, or some of its phrases; and which
images fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl.language import NEUTRAL, InstructionLanguage

_GENERALIZED: Final = 0.25  # of the phrases of a partial query, where they can be


def facts_of(sentence: str, language: InstructionLanguage = NEUTRAL) -> frozenset[str]:
    """All that may be asked for where an image has this description."""
    phrases = language.phrases(sentence)
    return frozenset((*phrases, *map(language.generalized, phrases)))


class Queries:
    """Draws whole and partial queries for images that have been described.

    A partial query is a random choice of a description's phrases, some of them generalized, such as
    without the place: it fits every image whose description has them. A whole description fits
    those that have the very same one: nothing else is to be seen there.

    Args:
        sentences: the descriptions.
        language: theirs.
    """

    def __init__(self, sentences: Sequence[str], language: InstructionLanguage = NEUTRAL) -> None:
        self._sentences, self._language = tuple(sentences), language
        self._same = np.unique(self._sentences, return_inverse=True)[1]
        facts = [sorted(facts_of(sentence, language)) for sentence in sentences]
        self._ids = {
            fact: number
            for number, fact in enumerate(sorted({fact for each in facts for fact in each}))
        }
        most = max(map(len, facts), default=0)
        self._facts = np.full((len(facts), most), len(self._ids), np.int64)  # the last: none
        for row, each in enumerate(facts):
            self._facts[row, : len(each)] = [self._ids[fact] for fact in each]

    def draw(
        self, rows: NDArray[np.int64], generator: np.random.Generator, partial: float
    ) -> tuple[list[str], NDArray[np.bool_]]:
        """A query for each of B descriptions.

        Args:
            rows: their numbers, int64 [B].
            generator: the only source of randomness.
            partial: share of the queries that are partial.

        Returns:
            The queries, and which of the B images fits which of them, bool [image, query].
        """
        is_partial = generator.random(len(rows)) < partial
        whole = [self._sentences[row] for row in rows]
        asked = [
            self._some(sentence, generator) if some else None
            for sentence, some in zip(whole, is_partial, strict=True)
        ]
        fits = self._same[rows][:, None] == self._same[rows][None]
        fits[:, is_partial] = self._fit(rows, [each for each in asked if each is not None])
        texts = [
            sentence if each is None else self._language.query(sentence, each)
            for sentence, each in zip(whole, asked, strict=True)
        ]
        return texts, fits

    def _some(self, sentence: str, generator: np.random.Generator) -> list[str]:
        """At least one of the phrases, in their order."""
        phrases = self._language.phrases(sentence)
        count = int(generator.integers(1, len(phrases) + 1))
        kept = np.sort(generator.permutation(len(phrases))[:count])
        loose = generator.random(count) < _GENERALIZED
        return [
            self._language.generalized(phrases[k]) if wide else phrases[k]
            for k, wide in zip(kept.tolist(), loose.tolist(), strict=True)
        ]

    def _fit(self, rows: NDArray[np.int64], asked: list[list[str]]) -> NDArray[np.bool_]:
        """Which of B images has all that each of Q partial queries asks for, bool [B, Q]."""
        has = np.zeros((len(rows), len(self._ids) + 1), np.float32)
        np.put_along_axis(has, self._facts[rows], 1, axis=1)
        asks = np.zeros((len(asked), has.shape[1]), np.float32)
        for query, phrases in enumerate(asked):
            asks[query, [self._ids[phrase] for phrase in phrases]] = 1
        return has @ asks.T >= asks.sum(1)


class Neighbours:
    """Draws hard negatives: descriptions of one layout, such as other things at the same places.

    Where things are distinguishes nearly all scenes of a random batch; who learns from such batches
    alone may never look at what they are.

    Args:
        sentences: the descriptions, each once.
        language: theirs.
    """

    def __init__(self, sentences: Sequence[str], language: InstructionLanguage = NEUTRAL) -> None:
        self._sentences = tuple(sentences)
        self._layouts = {sentence: language.layout(sentence) for sentence in sentences}
        self._alike: dict[tuple[str, ...], list[str]] = {}
        for sentence, layout in self._layouts.items():
            self._alike.setdefault(layout, []).append(sentence)

    def draw(self, count: int, generator: np.random.Generator, near: float) -> list[str]:
        """So many descriptions, no two the same.

        Args:
            count: at most as many as there are.
            generator: the only source of randomness.
            near: share of them that have the layout of another, as far as there are such.
        """
        order = generator.permutation(len(self._sentences)).tolist()
        apart = max(count - round(near * count), 1)
        drawn = [self._sentences[k] for k in order[:apart]]
        found = dict.fromkeys(drawn)
        for sentence in drawn * -(-count // apart):
            if len(found) == count:
                break
            some = self._alike[self._layouts[sentence]]
            found[some[int(generator.integers(len(some)))]] = None
        for k in order:
            if len(found) == count:
                break
            found[self._sentences[k]] = None
        return list(found)
