"""Chinese instructions: each means what exactly one English sentence means."""

import itertools
import re

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmrl_envs  # noqa: F401  # registers
from mmrl_envs.grid.core.cells import COLORS
from mmrl_envs.grid.language.instructions import (
    LOCATIONS,
    MAX_CHARACTERS,
    NOUNS,
    Clause,
    Description,
    Instruction,
)
from mmrl_envs.grid.language.languages import LANGUAGES, sentence_in, translate

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)
DESCRIPTIONS = [
    Description(*one) for one in itertools.product(NOUNS, ("", *COLORS), LOCATIONS, (False, True))
]
descriptions = st.sampled_from(DESCRIPTIONS)
clauses = st.builds(
    Clause, st.sampled_from(("go to", "pick up", "open")), descriptions
) | st.builds(Clause, st.just("put"), descriptions, descriptions)
halves = st.lists(clauses, min_size=1, max_size=2).map(tuple)
whole = st.builds(Instruction, halves) | st.builds(
    Instruction, halves, halves, st.sampled_from(("before", "after"))
)
BACK = {translate(one, "zh"): str(one) for one in DESCRIPTIONS}


def english(text):
    """A Chinese sentence, read back without a look at how it was made."""
    if text.startswith("先"):
        return ", then ".join(map(half, text[1:].split("，然后")))
    return " after you ".join(map(half, reversed(text.split("之后，"))))


def half(text):
    return " and ".join(map(clause, text.split("并且")))


def clause(text):
    if put := re.fullmatch("把(.+)放到(.+)旁边", text):
        return f"put {BACK[put[1]]} next to {BACK[put[2]]}"
    verbs = {"走到": "go to", "拿起": "pick up", "打开": "open"}
    return f"{verbs[text[:2]]} {BACK[text[2:]]}"


@PROPERTY
@given(whole)
def test_chinese_is_read_back_as_the_english(instruction):
    assert english(translate(instruction, "zh")) == str(instruction)


@PROPERTY
@given(whole)
def test_a_chinese_sentence_is_parsed_into_what_it_was_made_of(instruction):
    assert LANGUAGES["zh"].parse(translate(instruction, "zh")) == instruction


@pytest.mark.parametrize("text", ["", "走到", "走到红色的球", "先走到那个球", "吃那个球", "go to"])
def test_what_is_no_chinese_sentence_is_refused(text):
    with pytest.raises(ValueError, match="is no clause of the Chinese grammar"):
        LANGUAGES["zh"].parse(text)


@PROPERTY
@given(whole, whole)
def test_different_sentences_stay_different(one, two):
    assert (translate(one, "zh") == translate(two, "zh")) == (str(one) == str(two))


def test_every_description_has_its_own_words():
    assert len(BACK) == len(DESCRIPTIONS) == len(set(BACK.values()))


@PROPERTY
@given(whole)
def test_characters_are_those_of_the_language(instruction):
    text = translate(instruction, "zh")
    assert set(text) <= set(LANGUAGES["zh"].words)
    assert set(text) <= set(LANGUAGES["zh"].charset)
    assert len(text) <= MAX_CHARACTERS
    assert sentence_in("zh", instruction.code.tobytes()) == text
    assert sentence_in("en", instruction.code.tobytes()) == translate(instruction, "en")


def test_no_character_is_idle():
    things = [translate(one, "zh") for one in DESCRIPTIONS]
    one, two = Description("ball"), Description("door")
    done = [Clause(verb, one) for verb in ("go to", "pick up", "open")] + [Clause("put", one, two)]
    joined = [Instruction((a, b), (a,), order) for a, b in itertools.combinations(done, 2)
              for order in ("before", "after")]  # fmt: skip
    text = "".join(things + [translate(one, "zh") for one in joined])
    assert "".join(sorted(set(text))) == LANGUAGES["zh"].charset


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("go to the red ball", "走到那个红色的球"),
        ("pick up a blue key", "拿起一个蓝色的钥匙"),
        ("open the door behind you", "打开那个在你后面的门"),
        ("put the ball next to a grey box", "把那个球放到一个灰色的箱子旁边"),
        (
            "go to the green object on your left and open a door",
            "走到那个在你左边的绿色的东西并且打开一个门",
        ),
        ("open the door, then go to a key", "先打开那个门，然后走到一个钥匙"),
        ("open the door after you go to a key", "走到一个钥匙之后，打开那个门"),
    ],
)
def test_sentences(text, chinese):
    assert translate(Instruction.from_sentence(text), "zh") == chinese


@pytest.mark.parametrize("level", ["GoToLocal", "BossLevel"])
def test_environments_speak_it(level):
    chinese = gym.make(f"mmrl/{level}-v0", language="zh")
    theirs = gym.make(f"mmrl/{level}-v0")
    batch = gym.make_vec(f"mmrl/{level}-v0", num_envs=3, language="zh")
    assert chinese.metadata["instruction_words"] == LANGUAGES["zh"].words
    assert batch.metadata["instruction_words"] == LANGUAGES["zh"].words
    assert theirs.metadata["instruction_words"] == LANGUAGES["en"].words
    assert type(chinese.unwrapped).metadata["instruction_words"] == LANGUAGES["en"].words
    for seed in range(5):
        one, _ = chinese.reset(seed=seed)
        two, _ = theirs.reset(seed=seed)
        assert chinese.observation_space.contains(one)
        assert one["instruction"] == translate(chinese.unwrapped.instruction, "zh")
        assert english(one["instruction"]) == two["instruction"]
        assert np.array_equal(one["image"], two["image"])
        many, _ = batch.reset(seed=seed)
        assert many["instruction"][0] == one["instruction"]
        assert batch.observation_space.contains(many)


def test_another_language_is_refused():
    with pytest.raises(ValueError, match="language='fr': choose from en, zh"):
        gym.make("mmrl/GoToLocal-v0", language="fr")
