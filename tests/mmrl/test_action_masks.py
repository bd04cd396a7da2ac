"""Masks of an agent's actions: layout, sampling, validity."""

import numpy as np
import pytest
from gymnasium import spaces

from mmrl.action_masks import is_valid, mask_sizes, mask_space, sample_valid


def test_only_discrete_actions_have_masks():
    assert mask_sizes(spaces.Discrete(3)) == [3]
    assert mask_space(spaces.MultiDiscrete([2, 3])) == spaces.Box(0, 1, (5,), np.int8)
    assert mask_sizes(spaces.MultiDiscrete([[2, 3]])) is None
    assert mask_space(spaces.Box(-1, 1, (2,))) is None
    assert mask_sizes(spaces.MultiBinary(2)) is None


@pytest.mark.parametrize("sizes", [[1], [4], [2, 3], [1, 4, 2]])
@pytest.mark.parametrize("kind", [spaces.Discrete, spaces.MultiDiscrete])
def test_samples_are_valid(sizes, kind):
    if kind is spaces.Discrete:
        sizes = [sum(sizes)]
    space = spaces.Discrete(sizes[0]) if kind is spaces.Discrete else kind(sizes)
    space.seed(0)
    generator = np.random.default_rng(0)
    for _ in range(30):
        mask = generator.integers(2, size=sum(sizes)).astype(np.int8)
        action = sample_valid(space, mask)
        assert action in space
        assert is_valid(space, mask, action)
        parts = np.split(mask, np.cumsum(sizes)[:-1])
        for part, chosen in zip(parts, np.ravel(action), strict=True):
            assert part[chosen] or not part.any()


def test_without_a_mask_every_action_is_valid():
    space = spaces.Discrete(2, seed=0)
    assert {int(sample_valid(space, None)) for _ in range(20)} == {0, 1}
    assert is_valid(space, None, 1)
    assert not is_valid(space, np.array([1, 0], np.int8), 1)
