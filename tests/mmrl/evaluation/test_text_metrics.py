"""Word errors: known cases, and the laws of a distance."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.evaluation.text_metrics import word_edits, word_error_interval, word_error_rate
from mmrl.preprocessing.text import split_words

SENTENCES = st.lists(st.sampled_from(["go", "to", "the", "red", "bell"]), max_size=7).map(" ".join)


@pytest.mark.parametrize(
    ("spoken", "recognised", "edits"),
    [
        ("go to the red bell", "go to the red bell", 0),
        ("go to the red bell", "Go to the RED bell", 0),
        ("go to the red bell", "go to the bell", 1),
        ("go to the red bell", "go to the big red bell", 1),
        ("go to the red bell", "go to a grey bell", 2),
        ("go to the red bell", "", 5),
        ("", "go to", 2),
        ("a b c d", "b c d a", 2),
        ("去往红球", "去往红的球", 1),
    ],
)
def test_known_cases(spoken: str, recognised: str, edits: int) -> None:
    assert word_edits(spoken, recognised) == edits


@settings(deadline=None, max_examples=40)
@given(SENTENCES, SENTENCES, SENTENCES)
def test_it_is_a_distance(one: str, other: str, third: str) -> None:
    assert word_edits(one, other) == word_edits(other, one)
    assert (word_edits(one, other) == 0) == (one == other)
    assert word_edits(one, third) <= word_edits(one, other) + word_edits(other, third)
    lengths = len(split_words(one)), len(split_words(other))
    assert abs(lengths[0] - lengths[1]) <= word_edits(one, other) <= max(lengths)


def test_long_sentences_weigh_more() -> None:
    spoken, recognised = ["go", "go to the bell"], ["come", "go to the bell"]
    assert word_error_rate(spoken, recognised) == pytest.approx(1 / 5)
    assert word_error_rate(["go"], ["go to the bell"]) == 3


def test_the_interval_holds_the_rate_and_shrinks() -> None:
    spoken, recognised = ["go to it"] * 40, ["go to it"] * 30 + ["go at it"] * 10
    rate, (low, high) = word_error_rate(spoken, recognised), word_error_interval(spoken, recognised)
    assert low < rate < high
    assert word_error_interval(spoken, recognised) == (low, high)
    wide = word_error_interval(spoken[::4], recognised[::4])
    assert wide[1] - wide[0] > high - low
    assert word_error_interval(spoken, spoken) == (0, 0)


def test_what_cannot_be_counted() -> None:
    with pytest.raises(ValueError, match="no word"):
        word_error_rate([""], ["go"])
    with pytest.raises(ValueError, match="shorter"):
        word_error_rate(["go", "to"], ["go"])
