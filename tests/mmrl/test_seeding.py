"""Random actions are independent of what an environment draws with the same seed."""

import numpy as np
from gymnasium import spaces
from gymnasium.utils.seeding import np_random

from mmrl.seeding import action_seed


def test_actions_are_right_by_chance_only():
    right = []
    for seed in range(400):
        space = spaces.Discrete(2)
        space.seed(action_seed(seed))
        right.append(int(space.sample()) == int(np_random(seed)[0].integers(2)))
    assert 0.4 < np.mean(right) < 0.6
    assert action_seed(3) == action_seed(3) != action_seed(4)
