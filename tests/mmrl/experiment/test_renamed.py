"""Earlier keys of configurations are read under their present names."""

import pytest

from mmrl.experiment.renamed import rename_keys


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"held_out": True}, {"held_out_pairs": True}),
        ({"held_out": False, "steps": 3}, {"held_out_pairs": False, "steps": 3}),
        ({"held_out": 256}, {"held_out": 256}),  # a number of sentences, not of pairs
        ({"model": {"goal_picture": "a"}}, {"model": {"goal_image": "a"}}),
        ({"model": {"fusion": "film"}}, {"model": {"fusion": "film"}}),
    ],
)
def test_present_names(before, now):
    renamed, found = rename_keys(before)
    assert renamed == now
    assert bool(found) == (before != now)
