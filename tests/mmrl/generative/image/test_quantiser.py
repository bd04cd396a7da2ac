"""Finite scalar quantisation: codes and levels are one to one, gradients pass."""

from __future__ import annotations

from math import prod

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from mmrl.generative.image.tokenizer import FiniteScalars

LEVELS = st.lists(st.integers(2, 9), min_size=1, max_size=4)


@given(LEVELS)
def test_every_code_is_one_combination_of_levels(levels: list[int]) -> None:
    quantiser = FiniteScalars(levels)
    ids = torch.arange(quantiser.codes)
    values = quantiser.values(ids)
    assert quantiser.codes == prod(levels) == len(values.unique(dim=0))
    assert values.min() == -1
    assert values.max() == 1
    inner = values.mul(0.999).atanh()
    assert torch.equal(quantiser.ids(inner), ids)
    assert torch.allclose(quantiser(inner), values, atol=1e-6)


@given(LEVELS, st.integers(0, 100))
@example([2, 2, 9], 81)
def test_the_nearest_level_is_taken(levels: list[int], seed: int) -> None:
    quantiser = FiniteScalars(levels)
    values = torch.randn(20, len(levels), generator=torch.Generator().manual_seed(seed))
    every = quantiser.values(torch.arange(quantiser.codes))
    nearest = (values.tanh()[:, None] - every).norm(dim=2).min(1).values  # cdist is not exact
    assert torch.allclose((quantiser(values) - values.tanh()).norm(dim=1), nearest, atol=1e-5)


def test_the_gradient_is_that_of_what_was_not_rounded() -> None:
    values = torch.tensor([[0.3, -0.8]], requires_grad=True)
    FiniteScalars([5, 4])(values).sum().backward()
    assert values.grad is not None
    assert torch.allclose(values.grad, 1 - values.detach().tanh() ** 2)


@pytest.mark.parametrize("levels", [[], [4, 1]])
def test_levels_that_cannot_be(levels: list[int]) -> None:
    with pytest.raises(ValueError, match="each at least 2"):
        FiniteScalars(levels)
