"""Action spaces of every kind, for hypothesis."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from hypothesis import strategies as st

FLOATS = (np.float16, np.float32, np.float64)
INTEGERS = (np.int8, np.uint8, np.int32, np.int64)
BOUNDS = (-1000.0, -2.0, -1.0, -0.01, 0.0, 0.01, 0.5, 1.0, 2.0, 1000.0)
SHAPES = st.sampled_from([(), (1,), (2,), (2, 3), (1, 2, 2)])


@st.composite
def float_boxes(draw: st.DrawFn, infinite: bool = True) -> spaces.Box:
    """Bounds of every component by themselves: finite, half-infinite, infinite, or equal."""
    shape, kind = draw(SHAPES), draw(st.sampled_from(FLOATS))
    size = int(np.prod(shape))
    pairs = [sorted(draw(st.tuples(st.sampled_from(BOUNDS), st.sampled_from(BOUNDS)))) for _ in
             range(size)]  # fmt: skip
    low, high = np.array(pairs).T
    if infinite:
        low = np.where(draw(_flags(size)), -np.inf, low)
        high = np.where(draw(_flags(size)), np.inf, high)
    low, high = low.reshape(shape).astype(kind), high.reshape(shape).astype(kind)
    return spaces.Box(low, high, shape, kind)


def _flags(size: int) -> st.SearchStrategy[list[bool]]:
    return st.lists(st.booleans(), min_size=size, max_size=size)


@st.composite
def integer_boxes(draw: st.DrawFn) -> spaces.Box:
    """Few integers, or so many that there are no bounds, though Gymnasium can sample them."""
    shape, kind = draw(SHAPES), draw(st.sampled_from(INTEGERS))
    info = np.iinfo(kind)
    low = draw(st.sampled_from([info.min // 4, 0, 1]))
    high = draw(st.sampled_from([low, low + 1, low + 30, info.max // 4]))
    return spaces.Box(low, high, shape, kind)


DISCRETE = st.builds(
    lambda n, start: spaces.Discrete(n, start=start), st.integers(1, 6), st.integers(-3, 3)
)


@st.composite
def multi_discrete(draw: st.DrawFn) -> spaces.MultiDiscrete:
    shape = draw(st.sampled_from([(1,), (3,), (2, 2)]))
    size = int(np.prod(shape))
    numbers = st.lists(st.integers(1, 5), min_size=size, max_size=size)
    starts = st.lists(st.integers(-2, 2), min_size=size, max_size=size)
    nvec, start = (np.reshape(draw(one), shape) for one in (numbers, starts))
    return spaces.MultiDiscrete(nvec, start=start)


BINARY: st.SearchStrategy[spaces.MultiBinary] = st.sampled_from([1, 3, [3], [2, 2]]).map(
    spaces.MultiBinary
)
LEAVES: st.SearchStrategy[Any] = st.one_of(
    float_boxes(), integer_boxes(), DISCRETE, multi_discrete(), BINARY
)


def _composite(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts = st.lists(inside, min_size=1, max_size=3)
    named = st.dictionaries(st.sampled_from(["arm", "go", "a/b"]), inside, min_size=1)
    return st.one_of(parts.map(spaces.Tuple), named.map(spaces.Dict))


SPACES = st.recursive(LEAVES, _composite, max_leaves=4)
"""Spaces of all kinds, nested."""
