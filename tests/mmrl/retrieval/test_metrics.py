"""Ranks are those of a sorted list, and R@k the share of them that are small."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from mmrl.retrieval.metrics import ranking, ranks, recall

SIZES = st.tuples(st.integers(1, 12), st.integers(0, 1 << 30))


def drawn(size, seed):
    return torch.randn(size, size, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=50, deadline=None)
@given(SIZES)
def test_a_rank_is_the_place_in_the_sorted_list(size_and_seed):
    similar = drawn(*size_and_seed)
    order = similar.argsort(dim=1, descending=True).tolist()
    assert ranks(similar).tolist() == [row.index(k) + 1 for k, row in enumerate(order)]


@settings(max_examples=50, deadline=None)
@given(SIZES)
def test_recall_grows_from_none_to_all(size_and_seed):
    size, _ = size_and_seed
    found = ranks(drawn(*size_and_seed))
    shares = [recall(found, first) for first in range(size + 1)]
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(shares)
    assert float(found.double().mean()) == pytest.approx(sum(1 - share for share in shares))


@settings(max_examples=50, deadline=None)
@given(SIZES, st.integers(0, 1 << 30))
def test_the_order_of_the_pairs_does_not_matter(size_and_seed, seed):
    similar = drawn(*size_and_seed)
    order = torch.randperm(len(similar), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(ranks(similar[order][:, order]), ranks(similar)[order])


def test_what_is_as_similar_comes_before():
    assert ranks(torch.ones(3, 3)).tolist() == [3, 3, 3]
    assert ranking(torch.ones(4, 2), torch.ones(4, 2))["r_at_1"] == 0


def test_what_belongs_together_is_found():
    vectors = normalize(torch.randn(20, 8), dim=1)
    assert ranking(vectors, vectors) == {"r_at_1": 1, "r_at_5": 1, "mean_rank": 1}
    shifted = ranking(vectors, vectors.roll(1, 0))
    assert shifted["r_at_1"] == 0
    assert shifted["mean_rank"] > 1


def test_as_many_candidates_as_queries():
    with pytest.raises(ValueError, match="as many candidates"):
        ranks(torch.zeros(3, 4))
