"""Observations of any modalities are encoded for a policy, and turned where it was built so."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecTransposeImage

from mmrl.errors import UserError
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.preprocessing.text import WordTokenizer
from mmrl_agents.algorithms.observations import check_env, encode, fitting_env

STATE = spaces.Box(-1, 1, (3,), np.float32)
WRIST = spaces.Box(0, 255, (16, 12, 3), np.uint8)
TURNED = spaces.Box(0, 255, (3, 16, 12), np.uint8)


class Still(gym.Env):
    """One step of anything."""

    action_space = spaces.Discrete(2)

    def __init__(self, observation_space):
        self.observation_space = observation_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, True, False, {}


@pytest.fixture
def preprocessing():
    return Preprocessing(WordTokenizer(["go", "left"], 5))


def still(**entries):
    return DummyVecEnv([lambda: Still(spaces.Dict(entries))])


@pytest.mark.parametrize("wrist", [WRIST, TURNED])
def test_states_and_cameras_go_with_the_sentence(preprocessing, wrist):
    tokens = preprocessing.spaces["instruction"]
    space = spaces.Dict({"instruction": tokens, "state": STATE, "wrist": wrist})
    seen = {"state": STATE.sample(), "wrist": WRIST.sample(), "instruction": "go left"}
    one = encode(seen, preprocessing, space)
    assert {key: value.shape for key, value in one.items()} == {
        key: part.shape for key, part in space.items()
    }
    many = {key: [value] * 2 for key, value in seen.items()}
    both = encode(many, preprocessing, space)
    assert all(np.array_equal(both[key][1], one[key]) for key in one)


def test_any_encoded_observation_will_do():
    check_env("PPO", still(state=STATE))
    check_env("PPO", still(state=STATE, wrist=WRIST))
    with pytest.raises(UserError, match="PPO learns from"):
        check_env("PPO", still(state=STATE, lives=spaces.Discrete(3)))


def test_images_are_turned_under_any_key():
    built = spaces.Dict(wrist=TURNED, state=STATE)
    assert isinstance(fitting_env(still(wrist=WRIST, state=STATE), built), VecTransposeImage)
    states = still(state=STATE)
    assert fitting_env(states, states.observation_space) is states
