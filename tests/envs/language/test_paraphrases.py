"""The paraphrases of the grid worlds: how many, that they are different, and that they mean what
the instructions mean.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.paraphrases import ParaphraseSet, find_paraphrases
from mmrl_envs.grid.core.cells import COLORS
from mmrl_envs.grid.language.grid_language import PARAPHRASES, GridLanguage
from mmrl_envs.grid.language.instructions import LOCATIONS, NOUNS, Clause, Description, Instruction
from mmrl_envs.grid.language.languages import translate

TYPES = ("verb", "noun", "syntax", "indirect", "politeness", "order")
PROPERTY = settings(deadline=None, derandomize=True, max_examples=40)
DIGESTS = {
    "en": "af54999464f5118f18fcf5210bb8fad9102d3f52fc7c259a86c0c5473bc77eb8",
    "zh": "e2a906adac601acb1085838d7663ff46a5996c4e091388f87c1c17b6879b291f",
}
NAMES = {
    "en": {
        "object": r"object|thing|item",
        "box": r"box|crate|carton|case|chest|container|package",
        "ball": r"ball|sphere|orb|globe|(?:round|spherical) (?:thing|object)",
        "key": r"key|latchkey|passkey|(?:thing|object) that unlocks doors"
        r"|(?:thing|tool) for opening locks",
        "door": r"door|doorway|gate|entrance|entryway|portal",
        "grey": "gr[ea]y", "purple": "purple|violet",
        "on your left": "left", "on your right": "right",
        "in front of you": "front|ahead", "behind you": "behind|back|rear",
    },
    "zh": {
        "object": "东西|物品|物件|物体", "box": "箱|盒子", "ball": "球|圆的东西",
        "key": "钥匙|开锁的东西", "door": "门",
        "red": "红色", "green": "绿色", "blue": "蓝色", "purple": "紫色", "yellow": "黄色",
        "grey": "灰色", "on your left": "左", "on your right": "右", "in front of you": "前|面前",
        "behind you": "后|背",
    },
}  # fmt: skip
"""How what an instruction mentions may be called."""

descriptions = st.builds(
    Description,
    st.sampled_from(("object", "box", "ball", "key")),
    st.sampled_from(("", *COLORS)),
    st.sampled_from(LOCATIONS),
    st.booleans(),
)
doors = st.builds(
    Description, st.just("door"), st.sampled_from(("", *COLORS)), st.sampled_from(LOCATIONS),
    st.booleans(),
)  # fmt: skip
clauses = st.one_of(
    st.builds(Clause, st.just("go to"), st.one_of(descriptions, doors)),
    st.builds(Clause, st.just("pick up"), descriptions),
    st.builds(Clause, st.just("open"), doors),
    st.builds(Clause, st.just("put"), descriptions, st.one_of(descriptions, doors)),
)
halves = st.lists(clauses, min_size=1, max_size=2).map(tuple)
instructions = st.one_of(
    st.builds(Instruction, st.tuples(clauses)),
    st.builds(Instruction, halves),
    st.builds(Instruction, halves, halves, st.sampled_from(("before", "after"))),
)


@cache
def paraphrases(language: str) -> ParaphraseSet:
    return ParaphraseSet.read(next(one for one in PARAPHRASES if one.stem == language))


def names(instruction: Instruction) -> list[str]:
    """The nouns, colours and places that an instruction mentions, with repetitions."""
    things = [one for each in instruction.clauses for one in (each.target, each.beside) if one]
    return [name for one in things for name in (one.noun, one.color, one.location) if name]


@pytest.mark.parametrize(("language", "count"), [("en", 530), ("zh", 251)])
def test_how_many_there_are(language: str, count: int) -> None:
    found = paraphrases(language)
    assert found.types == TYPES
    each = [one for kind in TYPES for one in found.templates(kind)]
    assert len(each) == len(set(each)) == count
    assert min(len(found.templates(kind)) for kind in TYPES) >= (60 if language == "en" else 30)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_set_never_changes(language: str) -> None:
    """Results on another set cannot be compared: give a changed one another name."""
    found = paraphrases(language)
    lines = [f"{kind}: {one}" for kind in TYPES for one in sorted(found.templates(kind))]
    assert sha256("\n".join(lines).encode()).hexdigest() == DIGESTS[language]


@pytest.mark.parametrize("language", ["en", "zh"])
@PROPERTY
@given(instruction=instructions, seed=st.integers(0, 2**32))
def test_they_mention_the_same_things(language: str, instruction: Instruction, seed: int) -> None:
    sentence = translate(instruction, language)
    for kind in TYPES:
        changed = paraphrases(language).paraphrase(sentence, kind, seed)
        assert changed is not None, (kind, sentence)
        assert changed != sentence
        assert "{" not in changed
        assert "  " not in changed
        own = names(instruction)
        for name in set(own):
            called = NAMES[language].get(name, name)
            count = len(re.findall(called, changed))
            assert count >= own.count(name), (name, sentence, changed)
        for color in set(COLORS) - set(own):
            assert not re.search(rf"\b{NAMES[language].get(color, color)}\b", changed)


@PROPERTY
@given(instruction=instructions)
def test_everything_but_the_noun_type_keeps_the_nouns(instruction: Instruction) -> None:
    sentence = str(instruction)
    for kind in set(TYPES) - {"noun"}:
        changed = paraphrases("en").paraphrase(sentence, kind) or sentence
        for noun in NOUNS:
            count = sum(noun == one for one in names(instruction))
            assert len(re.findall(rf"\b{noun}\b", changed)) == count


@pytest.mark.parametrize(
    "sentence", ["go to the ball, then open a door", "put a key next to the red box"]
)
def test_an_order_is_kept(sentence: str) -> None:
    """What comes first is named first, or "before" and "after" say so."""
    for seed in range(40):
        changed = paraphrases("en").paraphrase(sentence, "order", seed)
        assert changed is not None
        if "then" not in sentence:
            continue
        is_first = changed.index("go to the ball") < changed.index("open a door")
        links = re.findall(r"before|after|first", changed)
        assert is_first or links, changed


def test_the_grid_language_has_them() -> None:
    found = find_paraphrases([], GridLanguage())
    assert found.types == TYPES
    english = found.paraphrase("go to the red ball", "politeness", 3)
    assert english is not None
    assert "red ball" in english
    chinese = found.paraphrase("走到那个红色的球", "politeness", 3)
    assert chinese is not None
    assert "红色的球" in chinese
    assert found.paraphrase("close the lid", "verb") is None
    assert find_paraphrases(["order"], GridLanguage()).types == ("order",)
