"""Tokens: what the mask hides does not count."""

import pytest
import torch
from torch.testing import assert_close

from mmrl.models.tokens import Tokens


def test_mean_of_the_tokens_that_count():
    values = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [100.0, 100.0]]])
    mask = torch.tensor([[True, True, False]])
    assert_close(Tokens(values, mask).mean(), torch.tensor([[2.0, 3.0]]))


def test_mean_of_nothing_is_zero():
    assert_close(
        Tokens(torch.ones(2, 3, 4), torch.zeros(2, 3, dtype=torch.bool)).mean(), torch.zeros(2, 4)
    )


@pytest.mark.parametrize("rubbish", [float("nan"), float("inf"), 1e30])
def test_hidden_values_never_matter(rubbish):
    values = torch.randn(2, 6, 4)
    mask = torch.tensor([[True] * 4 + [False] * 2, [True, False] * 3])
    spoilt = torch.where(mask.unsqueeze(-1), values, rubbish)
    clean, dirty = Tokens(values, mask, (2, 3)), Tokens(spoilt, mask, (2, 3))
    assert_close(dirty.mean(), clean.mean())
    assert_close(dirty.as_grid(), clean.as_grid())


def test_the_grid_keeps_places():
    values = torch.arange(6.0).reshape(1, 6, 1)
    mask = torch.ones(1, 6, dtype=torch.bool)
    mask[0, 4] = False
    maps = Tokens(values, mask, (2, 3)).as_grid()
    assert maps.shape == (1, 2, 3, 1)
    assert_close(maps[0, :, :, 0], torch.tensor([[0.0, 1, 2], [3, 0, 5]]))


def test_tokens_without_a_grid():
    with pytest.raises(ValueError, match="no grid"):
        Tokens(torch.zeros(1, 2, 3), torch.ones(1, 2, dtype=torch.bool)).as_grid()


def test_repeated_sequences_are_those_that_they_repeat():
    """Everything of a batch that repeats its sequences is as if each row had its own."""
    values = torch.randn(2, 6, 4, requires_grad=True)
    mask = torch.tensor([[True] * 6, [True, False, True, True, False, False]])
    rows = torch.tensor([1, 0, 1])
    few, all_ = Tokens(values, mask, (2, 3), rows), Tokens(values[rows], mask[rows], (2, 3))
    assert len(few) == len(all_) == 3
    assert torch.equal(few.values, all_.values)
    assert torch.equal(few.mask, all_.mask)
    assert_close(few.mean(), all_.mean())
    assert_close(few.as_grid(), all_.as_grid())
    assert few.zeros(2, 5).shape == (3, 2, 5)
    one, other = (
        torch.autograd.grad(tokens.mean().square().sum(), values)[0] for tokens in (few, all_)
    )
    assert_close(one, other)
    assert torch.equal(few.replace(mask=~all_.mask).values, all_.values)


def test_map_changes_each_distinct_sequence_once():
    values, rows = torch.randn(2, 6, 4), torch.tensor([1, 0, 1])
    mask = torch.tensor([[True] * 6, [True, False, True, True, False, False]])
    given = []

    def change(one, its_mask):
        given.append(one.shape[:2] == its_mask.shape and len(one))
        return one[..., :3] * 2

    changed = Tokens(values, mask, (2, 3), rows).map(change)
    assert given == [2]
    assert changed.grid == (2, 3)
    assert torch.equal(changed.values, values[rows][..., :3] * 2)
    assert torch.equal(changed.mask, mask[rows])
