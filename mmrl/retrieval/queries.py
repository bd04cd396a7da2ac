"""What people ask for: a description, or some of its phrases; and which images fit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

SUBJECT: Final = "the agent "
"""What the sentences of the grid worlds begin with; phrases follow, with commas between them."""

_PLACE: Final = re.compile(r"( \d+ \w+)+$")
_LOOSE: Final = 0.25  # of the phrases of a partial query leave the place out


def phrases_of(sentence: str) -> tuple[str, ...]:
    """``the agent faces a ball, sees a key 1 left`` → ``("faces a ball", "sees a key 1 left")``."""
    return tuple(sentence.removeprefix(SUBJECT).split(", "))


def without_place(phrase: str) -> str:
    """``sees a key 2 ahead 1 left`` → ``sees a key``."""
    return _PLACE.sub("", phrase)


def places_of(sentence: str) -> tuple[str, ...]:
    """``the agent faces a ball, sees a key 1 left`` → ``("faces", "sees 1 left")``."""
    places = []
    for phrase in phrases_of(sentence):
        verb, place = phrase.split(" ")[0], _PLACE.search(phrase)
        places.append(verb + (place[0] if place else ""))
    return tuple(places)


def facts_of(sentence: str) -> frozenset[str]:
    """All that may be asked for where an image has this description."""
    phrases = phrases_of(sentence)
    return frozenset((*phrases, *map(without_place, phrases)))


class Queries:
    """Draws whole and partial queries for images that have been described.

    A partial query is a random choice of a description's phrases, some of them without the place:
    it fits every image whose description has them. A whole description fits those that have the
    very same one: it says that nothing else is near.

    Args:
        sentences: the descriptions.
    """

    def __init__(self, sentences: Sequence[str]) -> None:
        self._sentences = tuple(sentences)
        self._same = np.unique(self._sentences, return_inverse=True)[1]
        facts = [sorted(facts_of(sentence)) for sentence in sentences]
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
            generator: the only source of chance.
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
            sentence if each is None else _joined(sentence, each)
            for sentence, each in zip(whole, asked, strict=True)
        ]
        return texts, fits

    def _some(self, sentence: str, generator: np.random.Generator) -> list[str]:
        """At least one of the phrases, in their order."""
        phrases = phrases_of(sentence)
        count = int(generator.integers(1, len(phrases) + 1))
        kept = np.sort(generator.permutation(len(phrases))[:count])
        loose = generator.random(count) < _LOOSE
        return [
            without_place(phrases[k]) if wide else phrases[k]
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
    """Draws descriptions that are hard to tell apart: other things at the same places.

    Where things are tells nearly all scenes of a random batch apart; who learns from such batches
    alone may never look at what they are.

    Args:
        sentences: the descriptions, each once.
    """

    def __init__(self, sentences: Sequence[str]) -> None:
        self._sentences = tuple(sentences)
        self._alike: dict[tuple[str, ...], list[str]] = {}
        for sentence in sentences:
            self._alike.setdefault(places_of(sentence), []).append(sentence)

    def draw(self, count: int, generator: np.random.Generator, near: float) -> list[str]:
        """So many descriptions, no two the same.

        Args:
            count: at most as many as there are.
            generator: the only source of chance.
            near: share of them that have things at the same places as another, as far as there are
                such.
        """
        order = generator.permutation(len(self._sentences)).tolist()
        apart = max(count - round(near * count), 1)
        drawn = [self._sentences[k] for k in order[:apart]]
        found = dict.fromkeys(drawn)
        for sentence in drawn * -(-count // apart):
            if len(found) == count:
                break
            some = self._alike[places_of(sentence)]
            found[some[int(generator.integers(len(some)))]] = None
        for k in order:
            if len(found) == count:
                break
            found[self._sentences[k]] = None
        return list(found)


def _joined(sentence: str, phrases: list[str]) -> str:
    subject = SUBJECT if sentence.startswith(SUBJECT) else ""
    return subject + ", ".join(phrases)
