"""Earlier keys of configurations and names of weights are read under their present names."""

import pytest
import torch
from torch import nn

from mmrl.experiment.checkpoint import put_weights, weights_of
from mmrl.experiment.renamed import rename_keys, rename_weights


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"held_out": True}, {"held_out_pairs": True}),
        ({"held_out": False, "steps": 3}, {"held_out_pairs": False, "steps": 3}),
        ({"held_out": 256}, {"test_sentences": 256}),  # a number of sentences, not of pairs
        ({"model": {"goal_picture": "a"}}, {"model": {"goal_image": "a"}}),
        ({"model": {"fusion": "film"}}, {"model": {"fusion": "film"}}),
    ],
)
def test_present_names(before, now):
    renamed, found = rename_keys(before)
    assert renamed == now
    assert bool(found) == (before != now)


def test_a_module_keeps_names_that_it_has():
    theirs = nn.ModuleDict({"model": nn.ModuleDict({"name": nn.Linear(2, 2)})})
    weights = {name: torch.ones_like(one) for name, one in weights_of(theirs).items()}
    assert rename_weights(weights).keys() == {"model.logits_head.weight", "model.logits_head.bias"}
    put_weights(theirs, weights)
    assert all(one.eq(1).all() for one in theirs.parameters())
