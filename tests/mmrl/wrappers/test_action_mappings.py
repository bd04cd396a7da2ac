"""Each mapping from an agent's actions to an environment's, and back."""

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.errors import UserError
from mmrl.wrappers.action_mappings import (
    Bounded,
    Chain,
    Combined,
    Discretised,
    Flat,
    Rescaled,
    ZeroBased,
)
from mmrl.wrappers.action_plan import mappings

from .action_spaces import float_boxes, integer_boxes

SEEDS = st.integers(0, 2**31)
quick = settings(max_examples=60, deadline=None)


def test_combinations_are_counted_like_arrays():
    mapping = Combined(spaces.MultiDiscrete([2, 3]))
    assert mapping.space == spaces.Discrete(6)
    pairs = [mapping(k).tolist() for k in range(6)]
    assert pairs == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    assert [mapping.inverse(one) for one in pairs] == list(range(6))


@quick
@given(float_boxes(infinite=False))
def test_bounds_become_bounds(space):
    mapping = Rescaled(space)
    assert np.array_equal(mapping(mapping.space.low), space.low)
    assert np.array_equal(mapping(mapping.space.high), space.high)
    middle = (space.low.astype(float) + space.high.astype(float)) / 2
    np.testing.assert_array_equal(mapping(np.zeros(space.shape)), middle.astype(space.dtype))


@quick
@given(integer_boxes())
def test_bounds_of_integers(space):
    chain = Chain(space, mappings(space))
    low, high = chain(-np.ones(chain.space.shape)), chain(np.ones(chain.space.shape))
    if abs(int(space.low.min())) < 1e9 and int(space.high.max()) < 1e9:
        assert np.array_equal(low, space.low)
        assert np.array_equal(high, space.high)
    assert low in space
    assert high in space


def test_integers_have_equal_shares():
    mapping = Rescaled(spaces.Box(3, 5, (1,), np.int8))
    values = [int(mapping([share])[0]) for share in np.linspace(-1, 1, 3001)]
    counts = np.bincount(values)[3:]
    assert counts.min() > 990
    assert len(counts) == 3
    assert mapping.inverse([4]).tolist() == [0.0]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-np.inf, np.inf, (-1, 1)),
        (3, np.inf, (3, 5)),
        (-np.inf, 3, (1, 3)),
        (-2, 0.5, (-2, 0.5)),
        (-np.finfo(np.float32).max, np.finfo(np.float32).max, (-1, 1)),
    ],
)
def test_bounds_where_there_are_none(low, high, expected):
    mapping = Bounded(spaces.Box(low, high, (2,), np.float32))
    assert (mapping.space.low[0], mapping.space.high[0]) == expected
    action = mapping.space.sample()
    assert mapping(action) is action


def test_the_scale_of_what_has_no_bounds():
    low, high = np.float32([-np.inf, 0]), np.float32([np.inf, np.inf])
    mapping = Bounded(spaces.Box(low, high), scale=5)
    assert mapping.space.low.tolist() == [-5, 0]
    assert mapping.space.high.tolist() == [5, 10]
    assert mapping.inverse([100, -1]).tolist() == [5, 0]
    with pytest.raises(UserError, match="scale=0: must be above 0"):
        Bounded(mapping.source, scale=0)


def test_round_numbers_are_kept():
    box = spaces.Box(np.array([-1.0, 0.0]), np.array([1.0, 10.0]), dtype=np.float64)
    mapping = Discretised(box)
    table = [mapping([k, k]).tolist() for k in range(11)]
    assert [row[0] for row in table] == [-1, -0.8, -0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6, 0.8, 1]
    assert [row[1] for row in table] == list(range(11))
    rescaled = Rescaled(spaces.Box(-2, 2, (1,), np.float32))
    assert [rescaled([a])[0] for a in (-1, -0.5, 0, 0.25, 1)] == [-2, -1, 0, 0.5, 2]


def test_few_integers_are_all_there():
    mapping = Discretised(spaces.Box(np.array([2, 0]), np.array([4, 100]), dtype=np.int64))
    assert mapping.space.nvec.tolist() == [3, 11]
    assert [mapping([k, 0])[0] for k in range(3)] == [2, 3, 4]
    assert mapping([0, 5])[1] == 50


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Discretised(spaces.Box(-1, 1, (1,)), 1), "bins=1: must be at least 2"),
        (lambda: Discretised(spaces.Box(-1, 1, (1, 2))), r"not Box\(1, 2\) from -1 to 1"),
        (lambda: Discretised(spaces.Box(-1, np.inf, (1,))), "must have finite bounds"),
        (lambda: Rescaled(spaces.Box(-np.inf, 1, (1,))), "must have finite bounds"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()


@pytest.mark.parametrize("bound", [0.1, 1 / 3, 1e-300, -0.7])
def test_a_range_of_nothing(bound):
    box = spaces.Box(bound, bound, (1,), np.float64)
    assert all(Rescaled(box)([share]) in box for share in np.linspace(-1, 1, 101))
    assert all(Discretised(box, 7)([k]) in box for k in range(7))


def test_shapes_are_row_major():
    flat = Flat(spaces.Box(-1, 1, (2, 3)))
    assert flat(np.arange(6) / 8).tolist() == [[0, 0.125, 0.25], [0.375, 0.5, 0.625]]


def test_a_start_is_added():
    mapping = ZeroBased(spaces.MultiDiscrete([2, 3], start=[1, -1]))
    assert mapping([1, 0]).tolist() == [2, -1]
    assert mapping.inverse([2, -1]).tolist() == [1, 0]
