"""Random actions are independent of what an environment draws with the same seed; PyTorch's."""

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.utils.seeding import np_random

from mmrl.seeding import action_seed, forked_rng


def test_actions_are_right_by_chance_only():
    right = []
    for seed in range(400):
        space = spaces.Discrete(2)
        space.seed(action_seed(seed))
        right.append(int(space.sample()) == int(np_random(seed)[0].integers(2)))
    assert 0.4 < np.mean(right) < 0.6
    assert action_seed(3) == action_seed(3) != action_seed(4)


def test_a_fork_has_the_seed_of_pytorch_and_leaves_no_trace():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(9)
    following = torch.rand(3)
    torch.manual_seed(9)
    with forked_rng(5):
        assert torch.equal(torch.rand(3), expected)
    assert torch.equal(torch.rand(3), following)
