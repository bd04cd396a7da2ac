"""Numbers of any kind become float32 [K]."""

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.wrappers.adapt.vectors import read_vector


def converted(space, value):
    vector = read_vector(space)
    made = value if vector.convert is None else vector.convert(value)
    assert vector.space.contains(made)
    return made.tolist()


def test_a_vector_stays_as_it_is():
    space = spaces.Box(-np.inf, np.inf, (3,), np.float32)
    vector = read_vector(space)
    assert (vector.space, vector.convert, vector.note) == (space, None, "")


@pytest.mark.parametrize(
    ("space", "value", "expected"),
    [
        (spaces.Box(-1, 1, (2, 2), np.float64), np.eye(2), [1, 0, 0, 1]),
        (spaces.Box(-9, 9, (), np.int64), np.int64(-4), [-4]),
        (spaces.Discrete(3, start=5), 6, [0, 1, 0]),
        (spaces.Discrete(5000), 2500, [2500 / 4999]),
        (spaces.MultiDiscrete([2, 3]), np.array([1, 2]), [0, 1, 0, 0, 1]),
        (spaces.MultiDiscrete([2, 2], start=[4, -1]), np.array([5, -1]), [0, 1, 1, 0]),
        (spaces.MultiBinary(3), np.array([1, 0, 1], np.int8), [1, 0, 1]),
    ],
)
def test_values(space, value, expected):
    assert converted(space, value) == pytest.approx(expected)


@pytest.mark.parametrize(
    "space",
    [spaces.Text(5), spaces.Box(0, 1, (300, 300), np.float32), spaces.Box(0, 1, (0,), np.float32)],
)
def test_what_is_no_vector(space):
    assert read_vector(space) is None


COUNTS = st.lists(st.integers(1, 5), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(COUNTS, st.integers(-3, 3), st.integers(0, 999))
def test_one_hot_says_which(counts, start, seed):
    space = spaces.MultiDiscrete(counts, start=[start] * len(counts), seed=seed)
    value = space.sample()
    made = np.array(converted(space, value))
    parts = np.split(made, np.cumsum(counts)[:-1])
    assert [int(part.argmax()) + start for part in parts] == value.tolist()
    assert made.sum() == len(counts)
