"""Prompts: what is asked of a description is true of it, and of nothing that lacks it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrl_envs.grid.language.prompts import (
    constraints_of,
    possible_constraints,
    prompt,
    satisfied,
    true_of,
)

COLORS = ("red", "green", "grey")
NAMES = [
    *(f"a {color} {noun}" for color in COLORS for noun in ("key", "ball", "box")),
    *(f"{state} {color} door" for color in COLORS for state in ("an open", "a closed", "a locked")),
]
PHRASES = st.one_of(
    st.just("faces a wall"),
    st.sampled_from(NAMES).map("faces {}".format),
    st.sampled_from(NAMES).map("carries {}".format),
    st.builds("sees {} {} ahead {} left".format, st.sampled_from(NAMES), *[st.integers(1, 6)] * 2),
)
SENTENCES = st.lists(PHRASES, min_size=1, max_size=6).map(lambda one: f"the agent {', '.join(one)}")


@given(SENTENCES, st.integers(0, 1000), st.sampled_from([0.0, 1.0]))
def test_what_is_asked_is_true(sentence: str, seed: int, places: float) -> None:
    asked = prompt(sentence, np.random.default_rng(seed), places)
    assert 1 <= len(constraints_of(asked)) <= 3
    assert all(satisfied(asked, sentence))
    assert set(constraints_of(asked)) <= set(possible_constraints([sentence], places > 0))
    assert prompt(sentence, np.random.default_rng(seed), places) == asked


def test_one_word_that_is_not_true_is_enough() -> None:
    sentence = "the agent faces a red ball, carries a green key, sees a closed grey door 2 ahead"
    asked = (
        "a red ball, a red ball in front of the agent, a green key, a green key in the agent's "
        "hands, a closed door, a door, an open grey door, a grey door in front of the agent, "
        "a closed grey door 2 ahead, a closed grey door 3 ahead, a blue ball, a wall"
    )
    assert satisfied(asked, sentence) == (
        True, True, False, True, True, True, False, False, True, False, False, False,
    )  # fmt: skip


def test_all_that_may_be_asked_of_a_phrase() -> None:
    assert true_of("faces an open red door") == {
        name + way
        for name in ("an open red door", "an open door", "a red door", "a door")
        for way in ("", " in front of the agent")
    }
    assert true_of("sees a red key 2 left") == {
        "a red key", "a key", "a red key 2 left", "a key 2 left",
    }  # fmt: skip
    assert true_of("faces a wall") == {"a wall in front of the agent"}


@pytest.mark.parametrize("sentence", ["the agent sees nothing", "words of a stranger"])
def test_nothing_is_asked_where_nothing_is_seen(sentence: str) -> None:
    assert prompt(sentence, np.random.default_rng(0)) == ""
    assert satisfied("", sentence) == ()
