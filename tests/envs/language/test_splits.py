"""Held-out pairs are fixed, and no case that speaks of one gets through."""

import itertools
from collections import Counter
from hashlib import sha256

import gymnasium as gym
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.data.splits import TrainingCases
from mmrl_envs.grid.core.cells import COLORS
from mmrl_envs.grid.language.grid_language import GridLanguage
from mmrl_envs.grid.language.instructions import LOCATIONS, Clause, Description, Instruction
from mmrl_envs.grid.language.splits import FACTORS, HELD_OUT_PAIRS, SPLITS, mentions_held_out

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


def every_instruction():
    """All of one clause but "put", some of these, and some of two clauses."""
    colors, nouns = ("", *COLORS), (*NOUNS, "object")
    things = [
        Description(noun, color, place, several)
        for noun in nouns for color in colors for place in LOCATIONS for several in (False, True)
    ]  # fmt: skip
    single = [Clause("go to", one) for one in things]
    single += [Clause("pick up", one) for one in things if one.noun != "door"]
    single += [Clause("open", one) for one in things if one.noun == "door"]
    plain = [one for one in things if not one.location and not one.several]
    single += [Clause("put", one, two) for one in plain if one.noun != "door" for two in plain[::5]]
    yield from (str(Instruction((one,))) for one in single)
    for k, one in enumerate(single[::7]):
        order = ("before", "after")[k % 2]
        yield str(Instruction((one,), (single[-1 - k],), order))
        yield str(Instruction((one, single[-1 - k])))


HELD_OUT = {
    "pairs": (325, "97b2b5c77d8e319c"),
    "verbs": (243, "5c9df9f42613b3e7"),
    "long": (256, "039547eed92231a1"),
    "places": (180, "1e2a12023ac2a42c"),
}
"""How many of :func:`every_instruction` each split holds out, and a digest of these."""


@pytest.mark.parametrize("name", SPLITS)
def test_the_held_out_instructions_never_change(name):
    language = GridLanguage()
    held_out = [one for one in every_instruction() if language.in_split(name, one)]
    digest = sha256("\n".join(held_out).encode()).hexdigest()
    assert (len(held_out), digest[:16]) == HELD_OUT[name]
    assert set(language.splits) == set(HELD_OUT)


def test_all_verbs_and_nouns_are_left_to_learn():
    language = GridLanguage()
    for name in SPLITS:
        left = [one for one in every_instruction() if not language.in_split(name, one)]
        words = set(" ".join(left).split())
        assert words >= {"go", "pick", "open", "put", *NOUNS, *COLORS}


def test_the_factors_never_change():
    assert GridLanguage().factors == FACTORS == {
        "room_size": (10, 12), "num_dists": (12, 16), "theme": ("paper", "neon"),
    }  # fmt: skip
    for name, values in FACTORS.items():
        for value in values:
            env = gym.make("mmrl/GoToLocal-v0", **{name: value})
            env.reset(seed=0)
            env.close()
