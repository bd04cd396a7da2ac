"""Cases that a language holds out are not let through, and are counted."""

import pytest
from worlds.shapes import ShapeLanguage

from mmrl.data.splits import TrainingCases, check_held_out_pairs
from mmrl.errors import UserError
from mmrl.language import NEUTRAL


def test_cases_are_counted_as_they_are_drawn():
    training = TrainingCases(lambda case: (case,), ShapeLanguage())
    drawn = training.sample(["a teal star", "a teal arch", "a small teal star", "a violet star"])
    assert next(drawn) == "a teal arch"
    assert (training.kept, training.turned_away) == (1, 1)
    assert next(drawn) == "a violet star"
    assert (training.kept, training.turned_away) == (2, 2)
    assert not training.allows("touch the large teal star")
    assert training.counts() == {"kept": 2, "turned_away": 3}


def test_all_sentences_of_a_case_count():
    training = TrainingCases(lambda case: case, ShapeLanguage())
    assert training.allows(("a violet arch", "a teal arch"))
    assert not training.allows(("a violet arch", "an ochre arch"))


def test_nothing_is_held_out_without_a_language():
    assert TrainingCases(lambda case: (case,)).allows("a teal star")
    check_held_out_pairs(ShapeLanguage())
    with pytest.raises(UserError, match="held_out_pairs=true: .* holds no pairs out"):
        check_held_out_pairs(NEUTRAL)
