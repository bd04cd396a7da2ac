"""Where episodes are cut that do not end by themselves."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from mmrl.errors import UserError
from mmrl.wrappers.adapters import make_vec_env
from mmrl.wrappers.episode_limit import MAX_EPISODE_STEPS, EpisodeLimit, declared_limit


class Plain(gym.Env):
    """Does nothing."""

    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)


def test_what_an_environment_declares():
    assert declared_limit(Plain()) is None
    assert declared_limit(gym.wrappers.TimeLimit(Plain(), 30)) == 30
    gym.register("test/Plain-v0", Plain, max_episode_steps=40)
    assert declared_limit(gym.make("test/Plain-v0")) == 40
    env = Plain()
    env.max_steps = 50
    assert declared_limit(env) == 50
    env.max_steps = "many"
    assert declared_limit(env) is None


def test_batches_declare_alike(signals):
    grid = make_vec_env("mmrl/GoToObjS4-v0", 2, max_steps=20_000)
    grid.reset(seed=[0, 1])
    assert EpisodeLimit().of(grid) == 20_000
    assert EpisodeLimit(7).of(grid) == 7
    grid.close()
    single = make_vec_env(signals, 2)
    assert declared_limit(single) is None
    assert EpisodeLimit().of(single) == MAX_EPISODE_STEPS
    single.close()


def test_one_warning():
    limit = EpisodeLimit(5)
    with pytest.warns(UserWarning, match=r"environment Plain: .* 5 steps.*--max-episode-steps"):
        limit.cut(Plain(), 5, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        limit.cut(Plain(), 5)
    assert (limit.reached, limit.steps) == (3, 5)


def test_a_limit_below_one_is_refused():
    with pytest.raises(UserError, match="max_episode_steps=0: must be at least 1"):
        EpisodeLimit(0)
