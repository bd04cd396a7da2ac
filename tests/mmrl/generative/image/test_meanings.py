"""Words mean what is seen where they are said."""

from __future__ import annotations

import numpy as np
import pytest

from mmrl.errors import UserError
from mmrl.generative.image.color import meanings_of

WORDS = ["red", "blue", "green"]


def scenes(count: int = 200) -> tuple[list[str], np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
    """Sentences, and what is seen: colours 2, 0 and 3; colour 1 always is."""
    random = np.random.default_rng(0)
    said = random.random((count, 3)) < 0.4
    seen = np.ones((count, 4), np.bool_)
    seen[:, [2, 0, 3]] = said | (random.random((count, 3)) < 0.1)  # some are not spoken of
    return [" ".join(np.array(WORDS)[row]) for row in said], seen


def test_words_are_known_by_their_company() -> None:
    assert meanings_of(WORDS, *scenes()) == {"red": 2, "blue": 0, "green": 3}


def test_a_word_that_goes_with_nothing_is_named() -> None:
    with pytest.raises(UserError, match="goes with 'pink'"):
        meanings_of([*WORDS, "pink"], *scenes())
