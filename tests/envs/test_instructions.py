"""The instruction language: every code is a sentence, and every sentence has its code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl_envs.grid import instructions
from mmrl_envs.grid.cells import COLORS
from mmrl_envs.grid.instructions import (
    LOCATIONS,
    MAX_CHARACTERS,
    NOUNS,
    VOCABULARY,
    Clause,
    Description,
    Instruction,
    sentence,
)
from mmrl_envs.grid.spaces import observation_space

PROPERTY = settings(deadline=None, derandomize=True, max_examples=200)

descriptions = st.builds(
    Description,
    noun=st.sampled_from(NOUNS),
    color=st.sampled_from(("", *COLORS)),
    location=st.sampled_from(LOCATIONS),
    several=st.booleans(),
)
simple = st.builds(
    Clause,
    verb=st.sampled_from(("go to", "pick up", "open")),
    target=descriptions,
    strict=st.booleans(),
)
put = st.builds(
    Clause, verb=st.just("put"), target=descriptions, beside=descriptions, strict=st.booleans()
)
halves = st.lists(simple | put, min_size=1, max_size=2).map(tuple)
whole = st.builds(Instruction, first=halves) | st.builds(
    Instruction, first=halves, second=halves, order=st.sampled_from(("before", "after"))
)


@PROPERTY
@given(whole)
def test_code_and_back(instruction):
    assert instruction.code.shape == (5,)
    assert instruction.code.dtype == np.int32
    assert Instruction.from_code(instruction.code) == instruction


@PROPERTY
@given(descriptions)
def test_description_fits_ten_bits(description):
    assert 0 <= description.code < 1024
    assert Description.from_code(description.code) == description


@PROPERTY
@given(simple | put)
def test_clause_is_never_nothing_and_comes_back(clause):
    assert 0 < clause.code < 2**25
    assert Clause.from_code(clause.code) == clause


@PROPERTY
@given(whole)
def test_words_are_in_the_vocabulary_and_the_sentence_in_the_space(instruction):
    text = str(instruction)
    assert set(text.replace(",", "").split()) <= set(VOCABULARY)
    fits = len(text) <= MAX_CHARACTERS
    assert observation_space((56, 56, 3))["instruction"].contains(text) == fits
    assert sentence(instruction.code.tobytes()) == text


@PROPERTY
@given(whole, whole)
def test_different_words_mean_different_codes(one, two):
    if str(one) != str(two):
        assert not np.array_equal(one.code, two.code)


def test_vocabulary_is_sorted_and_each_word_is_used():
    assert list(VOCABULARY) == sorted(set(VOCABULARY))
    said = set()
    for verb in instructions.VERBS:
        for noun in NOUNS:
            for color in ("", *COLORS):
                for location in LOCATIONS:
                    thing = Description(noun, color, location, several=color == "")
                    clause = Clause(verb, thing, thing if verb == "put" else None)
                    for order in ("before", "after"):
                        said |= set(str(Instruction((clause, clause), (clause,), order)).split())
    assert {word.strip(",") for word in said} == set(VOCABULARY)


def test_longest_sentence_of_two_clauses_fits():
    longest = Description("object", "purple", "in front of you")
    clause = Clause("put", longest, longest)
    for order in ("before", "after"):
        assert len(str(Instruction((clause,), (clause,), order))) <= MAX_CHARACTERS


@pytest.mark.parametrize(
    ("instruction", "text"),
    [
        (
            Instruction((Clause("go to", Description("ball", "red", several=True)),)),
            "go to a red ball",
        ),
        (
            Instruction(
                (Clause("pick up", Description("object", "", "behind you")),),
                (Clause("open", Description("door", "grey")),),
                "before",
            ),
            "pick up the object behind you, then open the grey door",
        ),
        (
            Instruction(
                (Clause("put", Description("key"), Description("box", "blue", "on your left")),),
                (Clause("open", Description("door")), Clause("go to", Description("door"))),
                "after",
            ),
            "put the key next to the blue box on your left after you open the door and go to the "
            "door",
        ),
    ],
)
def test_sentences_as_babyai_says_them(instruction, text):
    assert str(instruction) == text
