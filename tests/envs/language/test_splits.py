"""Held-out pairs are fixed, and no case that speaks of one gets through."""

import itertools
from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.data.splits import TrainingCases
from mmrl_envs.grid.core.cells import COLORS
from mmrl_envs.grid.language.grid_language import GridLanguage
from mmrl_envs.grid.language.splits import HELD_OUT_PAIRS, mentions_held_out

NOUNS = ("ball", "box", "key", "door")
PAIRS = list(itertools.product(COLORS, NOUNS))
PROPERTY = settings(deadline=None, derandomize=True, max_examples=50)
phrases = st.builds(
    "{} {}{}{}".format,
    st.sampled_from(("the", "a")),
    st.sampled_from([f"{color} " for color in COLORS] + [""]),
    st.sampled_from((*NOUNS, "object")),
    st.sampled_from((" on your left", " in front of you", "")),
)
sentences = st.builds("put {} next to {}, then go to {}".format, phrases, phrases, phrases)


def test_the_pairs_never_change():
    said = ",".join(f"{color} {noun}" for color, noun in HELD_OUT_PAIRS)
    assert sha256(said.encode()).hexdigest() == (
        "5fb6386e488b103e71b94a083a1c52527692a20fc6778fe805ea41fcdd981601"
    )


def test_colours_and_nouns_are_left_to_learn():
    assert set(HELD_OUT_PAIRS) < set(PAIRS)
    assert len(set(HELD_OUT_PAIRS)) == len(HELD_OUT_PAIRS) == 6
    colors, nouns = (Counter(names) for names in zip(*HELD_OUT_PAIRS, strict=True))
    assert set(colors) == set(COLORS)
    assert max(colors.values()) == 1  # three other nouns of each colour
    assert max(nouns.values()) == 2  # four other colours of each noun


@pytest.mark.parametrize(
    ("sentence", "held"),
    [
        ("go to the blue ball", True),
        ("Pick up a RED key behind you", True),
        ("the agent faces an open purple door, carries a red ball", True),
        ("put a grey ball next to the grey box", True),
        ("go to the blue box, then go to a ball", False),
        ("put the blue key next to the ball", False),
        ("go to the ball", False),
        ("the bored key", False),
        ("a bluered keyhole", False),
        ("", False),
    ],
)
def test_sentences(sentence, held):
    assert mentions_held_out(sentence) == held
    assert not mentions_held_out(sentence, ())


@PROPERTY
@given(sentences)
def test_as_word_by_word(sentence):
    words = sentence.replace(",", " ,").split()
    pairs = set(itertools.pairwise(words))
    assert mentions_held_out(sentence) == bool(pairs & set(HELD_OUT_PAIRS))


@PROPERTY
@given(st.lists(st.tuples(sentences, sentences), max_size=12))
def test_no_held_out_case_gets_through(cases):
    training = TrainingCases(lambda case: case, GridLanguage())
    shown = list(training.sample(cases))
    assert shown == [case for case in cases if not any(map(mentions_held_out, case))]
    assert training.counts() == {"kept": len(shown), "turned_away": len(cases) - len(shown)}
