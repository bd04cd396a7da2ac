"""Words refer to what images show where their sentences mention them."""

from __future__ import annotations

import numpy as np
import pytest

from mmrl.errors import UserError
from mmrl.generative.image.color import meanings_of

WORDS = ["red", "blue", "green"]


def scenes(count: int = 200) -> tuple[list[str], np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
    """Sentences of colours 2, 0 and 3, and which colours are shown; colour 1 always is."""
    random = np.random.default_rng(0)
    mentioned = random.random((count, 3)) < 0.4
    shown = np.ones((count, 4), np.bool_)
    shown[:, [2, 0, 3]] = mentioned | (random.random((count, 3)) < 0.1)  # some are not mentioned
    return [" ".join(np.array(WORDS)[row]) for row in mentioned], shown


def test_words_refer_to_the_colour_that_correlates() -> None:
    assert meanings_of(WORDS, *scenes()) == {"red": 2, "blue": 0, "green": 3}


def test_a_word_without_a_referent_is_named() -> None:
    with pytest.raises(UserError, match="goes with 'pink'"):
        meanings_of([*WORDS, "pink"], *scenes())
