"""The instruction language: every code is a sentence, and every sentence has its code."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl_envs.grid.core.cells import COLORS
from mmrl_envs.grid.language import instructions
from mmrl_envs.grid.language.instructions import (
    LOCATIONS,
    MAX_CHARACTERS,
    NOUNS,
    VOCABULARY,
    Clause,
    Description,
    Instruction,
)
from mmrl_envs.grid.language.languages import sentence_in
from mmrl_envs.grid.spaces import observation_space

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)

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
    assert sentence_in("en", instruction.code.tobytes()) == text


@PROPERTY
@given(whole, whole)
def test_different_words_mean_different_codes(one, two):
    if str(one) != str(two):
        assert not np.array_equal(one.code, two.code)


def test_vocabulary_is_sorted_and_each_word_is_used():
    assert list(VOCABULARY) == sorted(set(VOCABULARY))
    clauses = set()
    for verb in instructions.VERBS:
        for noun in NOUNS:
            for color in ("", *COLORS):
                for location in LOCATIONS:
                    thing = Description(noun, color, location, several=color == "")
                    clause = Clause(verb, thing, thing if verb == "put" else None)
                    for order in ("before", "after"):
                        clauses |= set(str(Instruction((clause, clause), (clause,), order)).split())
    assert {word.strip(",") for word in clauses} == set(VOCABULARY)


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
def test_sentences_as_in_babyai(instruction, text):
    assert str(instruction) == text


doors = descriptions.map(lambda one: replace(one, noun="door"))
things = st.sampled_from([noun for noun in NOUNS if noun != "door"]).flatmap(
    lambda noun: descriptions.map(lambda one: replace(one, noun=noun))
)
clauses = (
    st.builds(Clause, st.just("go to"), descriptions)
    | st.builds(Clause, st.just("pick up"), things)
    | st.builds(Clause, st.just("open"), doors)
    | st.builds(Clause, st.just("put"), things, descriptions)
)
halves = st.lists(clauses, min_size=1, max_size=2).map(tuple)
sentences = st.builds(Instruction, first=halves) | st.builds(
    Instruction, halves, halves, st.sampled_from(("before", "after"))
)


@PROPERTY
@given(sentences)
def test_every_sentence_is_read_back(instruction):
    assert Instruction.from_sentence(str(instruction)) == instruction


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must begin with one of go to, pick up, open, put"),
        ("fetch the ball", "must begin with one of go to, pick up, open, put"),
        ("go to ball", "must begin with 'the' or 'a'"),
        ("go to the cat", "'cat' stands where one of red, .* door is expected"),
        ("go to the red", "'nothing' stands where"),
        ("go to the ball behind me", "'behind me' is none of on your left"),
        ("put the ball next the box", "'put' needs 'next to'"),
        ("open the box", "only doors open"),
        ("pick up the door", "doors stay"),
        ("go to the ball, then go to the box, then go to the key", "more than two halves"),
        ("go to a key and go to a key and go to a key", "more than two clauses"),
    ],
)
def test_what_is_no_sentence_is_refused_with_the_reason(text, reason):
    with pytest.raises(ValueError, match=reason):
        Instruction.from_sentence(text)


def test_kind_and_clauses():
    text = "open the door and go to a key after you put a ball next to the box"
    instruction = Instruction.from_sentence(text)
    assert instruction.kind == "open and go to after put"
    assert [clause.verb for clause in instruction.clauses] == ["open", "go to", "put"]
    assert (
        Instruction.from_sentence("pick up the key, then open a door").kind == "pick up, then open"
    )
