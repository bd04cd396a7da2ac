"""Relabelled steps: what is drawn is what the verifier recorded."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from worlds.shapes import ShapeLanguage

from mmrl.data import Episode
from mmrl.preprocessing.text import WordTokenizer
from mmrl.training.relabelling import Relabelling

STAR, ARCH, BOTH = "touch the star", "tap the arch", "touch the star and the arch"
NEVER = "touch the hexagon"
LANGUAGE = ShapeLanguage()
canonical = LANGUAGE.canonical


def episode(instruction: str, achieved: dict[int, tuple[str, ...]], length: int = 6) -> Episode:
    return Episode(
        images=np.zeros((length + 1, 8, 8, 3), np.uint8),
        instruction=instruction,
        actions=np.zeros(length, np.int64),
        rewards=np.zeros(length),
        success=False,
        seed=0,
        achieved=tuple(achieved.get(t, ()) for t in range(length)),
        descriptions=("",) * (length + 1),
        env_id="",
    )


EPISODES = [
    episode(STAR, {1: ("tap the star", "touch anything"), 3: ("touch the arch",)}),
    episode(ARCH, {2: (ARCH,)}, length=3),
    episode(BOTH, {}, length=4),  # nobody says what was achieved
    episode(NEVER, {0: (STAR,), 4: (STAR,)}),
]


@pytest.fixture(scope="module")
def relabelling() -> Relabelling:
    words = WordTokenizer.from_corpus([STAR, ARCH, BOTH, NEVER], length=10)
    return Relabelling(EPISODES, words, LANGUAGE)


def test_only_instructions_that_occur_and_are_recorded_are_drawn(relabelling: Relabelling):
    assert relabelling.sentences == sorted([STAR, ARCH])
    assert len(relabelling) == 4


def test_pairs_are_what_the_verifier_said(relabelling: Relabelling):
    where = [(e, t) for e, one in enumerate(EPISODES) for t in range(len(one))]
    drawn, which, done = relabelling.draw(4_000, np.random.default_rng(0))
    seen: Counter[tuple[int, int, str, bool]] = Counter()
    for step, k, carried_out in zip(drawn.tolist(), which, done.tolist(), strict=True):
        e, t = where[step]
        sentence = relabelling.sentences[k]
        said = [{canonical(s) for s in one} for one in EPISODES[e].achieved[: t + 1]]
        assert (canonical(sentence) in said[t]) == carried_out
        assert not any(canonical(sentence) in before for before in said[:t])
        seen[e, t, sentence, carried_out] += 1
    assert not any(e == 2 for e, *_ in seen)
    assert {key[:3] for key in seen if key[3]} == {
        (0, 1, STAR), (0, 3, ARCH), (1, 2, ARCH), (3, 0, STAR),
    }  # fmt: skip
    assert (0, 1, ARCH, False) in seen  # another one at such a step
    assert (0, 0, STAR, False) in seen  # the same one, too early
    assert 0.5 < done.mean() < 0.75  # half of them, and what is drawn by chance


def test_the_generator_alone_draws(relabelling: Relabelling):
    one, two = (relabelling.draw(20, np.random.default_rng(5)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_nothing_is_drawn_where_nobody_has_spoken():
    silent = Relabelling([EPISODES[2]], WordTokenizer.from_corpus([BOTH]))
    assert not silent
    assert not silent.sentences


def test_without_a_language_sentences_are_what_they_are():
    words = WordTokenizer.from_corpus([STAR, ARCH, BOTH, NEVER], length=10)
    plain = Relabelling(EPISODES, words)
    assert plain.sentences == sorted([STAR, ARCH])
    assert len(plain) == 2
