"""Queries in a language of phrases, and in none: whole descriptions."""

import numpy as np
import pytest
from worlds.shapes import ShapeLanguage

from mmrl.language import NEUTRAL
from mmrl.retrieval.queries import Neighbours, Queries, facts_of

STAR, ARCH, HEXAGON = "a small teal star", "a large violet arch", "a small ochre hexagon"
SENTENCES = [
    f"{STAR} left of {ARCH}", f"{STAR} left of {HEXAGON}", f"{HEXAGON} left of {ARCH}",
    f"{STAR} left of {ARCH}",
]  # fmt: skip


def test_facts():
    assert facts_of(SENTENCES[0], ShapeLanguage()) == {STAR, ARCH, "a teal star", "a violet arch"}
    assert facts_of(SENTENCES[0]) == {SENTENCES[0]}


@pytest.mark.parametrize("language", [NEUTRAL, ShapeLanguage()])
def test_whole_queries_fit_those_of_the_same_description(language):
    texts, fits = Queries(SENTENCES, language).draw(np.arange(4), np.random.default_rng(0), 0.0)
    assert texts == SENTENCES
    assert np.argwhere(fits).tolist() == [[0, 0], [0, 3], [1, 1], [2, 2], [3, 0], [3, 3]]


@pytest.mark.parametrize("language", [NEUTRAL, ShapeLanguage()])
def test_partial_queries_fit_what_has_all_their_phrases(language):
    queries, generator = Queries(SENTENCES, language), np.random.default_rng(0)
    for _ in range(50):
        texts, fits = queries.draw(np.arange(4), generator, 1.0)
        for query, text in enumerate(texts):
            asked = set(text.split(", "))
            for image, sentence in enumerate(SENTENCES):
                assert fits[image, query] == (asked <= facts_of(sentence, language))


def test_without_a_language_a_partial_query_is_the_whole():
    assert Queries(SENTENCES).draw(np.arange(4), np.random.default_rng(0), 1.0)[0] == SENTENCES


@pytest.mark.parametrize("language", [NEUTRAL, ShapeLanguage()])
def test_batches_hold_each_description_once(language):
    sentences = sorted(set(SENTENCES))
    drawn = Neighbours(sentences, language).draw(3, np.random.default_rng(0), 0.5)
    assert sorted(drawn) == sentences
