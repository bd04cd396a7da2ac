"""Partial queries are true of their image, and it is known of which others they are true."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.retrieval.queries import Neighbours, Queries, facts_of
from mmrl_envs.grid.language.grid_language import GridLanguage
from mmrl_envs.grid.language.queries import SUBJECT, phrases_of, places_of, without_place

LANGUAGE = GridLanguage()

RED, FAR, NEAR = "faces a red ball", "sees a green box 2 ahead 1 left", "sees a green box 1 right"
SENTENCES = [
    SUBJECT + ", ".join(phrases)
    for phrases in ((RED,), (RED, FAR), (RED, NEAR), (FAR, NEAR), (RED,), ("sees nothing",))
]


def test_phrases():
    assert phrases_of(SENTENCES[1]) == (RED, FAR)
    assert without_place(FAR) == without_place(NEAR) == "sees a green box"
    assert without_place(RED) == RED
    assert facts_of(SENTENCES[1], LANGUAGE) == {RED, FAR, "sees a green box"}
    assert phrases_of("ein Bild") == ("ein Bild",)
    assert places_of(SENTENCES[1]) == ("faces", "sees 2 ahead 1 left")
    assert places_of(f"{SUBJECT}sees an open red door 3 right") == ("sees 3 right",)


def test_whole_queries_fit_those_that_are_described_alike():
    rows = np.arange(6)
    texts, fits = Queries(SENTENCES, LANGUAGE).draw(rows, np.random.default_rng(0), 0.0)
    assert texts == SENTENCES
    assert np.argwhere(fits).tolist() == [
        [0, 0], [0, 4], [1, 1], [2, 2], [3, 3], [4, 0], [4, 4], [5, 5]
    ]  # fmt: skip


PHRASES = st.sampled_from([RED, FAR, NEAR, "carries a blue key", "sees a red ball 3 ahead"])
SCENES = st.lists(st.lists(PHRASES, min_size=1, max_size=4, unique=True), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(SCENES, st.integers(0, 1 << 30), st.sampled_from([0.5, 1.0]))
def test_partial_queries_fit_what_has_all_their_phrases(scenes, seed, partial):
    sentences = [SUBJECT + ", ".join(phrases) for phrases in scenes]
    rows = np.random.default_rng(seed).permutation(len(sentences))
    texts, fits = Queries(sentences, LANGUAGE).draw(rows, np.random.default_rng(seed), partial)
    assert fits.diagonal().all()
    for query, text in enumerate(texts):
        asked = phrases_of(text)
        own = sentences[rows[query]]
        assert set(asked) <= facts_of(own, LANGUAGE)
        for image, row in enumerate(rows):
            described = sentences[row]
            if partial == 1:
                assert fits[image, query] == (set(asked) <= facts_of(described, LANGUAGE))
            elif fits[image, query]:
                assert set(asked) <= facts_of(described, LANGUAGE)


def test_every_part_comes_up():
    queries, generator = Queries(SENTENCES, LANGUAGE), np.random.default_rng(0)
    asked = {queries.draw(np.array([1]), generator, 1.0)[0][0] for _ in range(200)}
    assert asked == {
        SUBJECT + ", ".join(phrases)
        for phrases in (
            (RED,),
            (FAR,),
            (RED, FAR),
            ("sees a green box",),
            (RED, "sees a green box"),
        )
    }


def test_the_generator_is_the_only_chance():
    rows = np.arange(6)
    one, two = (
        Queries(SENTENCES, LANGUAGE).draw(rows, np.random.default_rng(3), 0.5) for _ in range(2)
    )
    assert one[0] == two[0]
    assert (one[1] == two[1]).all()


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_the_share_of_partial_queries(share):
    rows = np.repeat(3, 2000)
    texts, _ = Queries(SENTENCES, LANGUAGE).draw(rows, np.random.default_rng(0), share)
    whole = np.mean([text == SENTENCES[3] for text in texts])
    also_whole = share * 0.5 * 0.75**2  # both phrases were chosen, and both kept their places
    assert whole == pytest.approx(1 - share + also_whole, abs=0.04)


@settings(max_examples=40, deadline=None)
@given(SCENES, st.integers(0, 1 << 30), st.sampled_from([0.0, 0.5, 1.0]), st.data())
def test_batches_hold_each_description_once(scenes, seed, near, data):
    sentences = list(dict.fromkeys(SUBJECT + ", ".join(scene) for scene in scenes))
    count = data.draw(st.integers(1, len(sentences)))
    drawn = Neighbours(sentences, LANGUAGE).draw(count, np.random.default_rng(seed), near)
    assert len(drawn) == len(set(drawn)) == count
    assert set(drawn) <= set(sentences)
    assert drawn == Neighbours(sentences, LANGUAGE).draw(count, np.random.default_rng(seed), near)


def test_near_ones_are_other_things_at_the_same_places():
    things = [f"{colour} {noun}" for colour in ("red", "blue", "grey") for noun in ("key", "box")]
    sentences = [
        f"{SUBJECT}faces a {one}, sees a {other} {ahead} ahead {aside} left"
        for one in things
        for other in things
        for ahead in range(1, 6)
        for aside in range(1, 6)
    ]
    neighbours, generator = Neighbours(sentences, LANGUAGE), np.random.default_rng(0)

    def alike(near: float) -> float:
        """How many of a batch of 8 have things where another has them."""
        batches = [list(map(places_of, neighbours.draw(8, generator, near))) for _ in range(50)]
        return float(np.mean([batch.count(one) > 1 for batch in batches for one in batch]))

    assert alike(0.5) > 0.9
    assert alike(0.0) < 0.5
