"""Environments that raise where they are made, reset and closed; and one that adapts itself."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from mmrl.errors import UserError
from mmrl.wrappers.adapt.adapter import ContractAdapter
from mmrl.wrappers.adapters import instruction_words, make_env, make_vec_env
from mmrl.wrappers.error_context import EnvironmentFailedError, ErrorContext


class Small(gym.Env):
    """Channel-first images and an instruction; it raises where its argument says."""

    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (3, 8, 8), np.uint8), instruction=spaces.Text(9)
    )
    action_space = spaces.Discrete(2)

    def __init__(self, raises=None):
        self.raises = raises
        self._raise("made")

    def _raise(self, where):
        if self.raises == where:
            raise RuntimeError("no simulator found")

    def _observe(self):
        return {"image": np.zeros((3, 8, 8), np.uint8), "instruction": "open"}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._raise("reset")
        return self._observe(), {}

    def step(self, action):
        return self._observe(), 0.0, True, False, {}

    def close(self):
        self._raise("closed")


@pytest.fixture(autouse=True)
def registered():
    gym.register("Small-v0", Small)
    gym.register("SmallAdapted-v0", lambda: ContractAdapter(Small()))
    yield
    for name in ("Small-v0", "SmallAdapted-v0"):
        gym.registry.pop(name, None)


def test_a_constructor_that_raises():
    with pytest.raises(UserError, match="'Small-v0' cannot be made: RuntimeError: no simulator"):
        make_env("Small-v0", raises="made")


def test_a_reset_that_raises_while_words_are_looked_for():
    with pytest.raises(UserError, match="Small-v0 .*seeded with 0.* raised in reset Runtime"):
        instruction_words("Small-v0", raises="reset")


def test_a_close_that_raises_is_a_warning():
    with pytest.warns(UserWarning, match="Small-v0 raised in close RuntimeError: no simulator"):
        assert instruction_words("Small-v0", raises="closed") == ["open"]


def test_an_environment_that_adapts_itself_is_adapted_once():
    batch = make_vec_env("SmallAdapted-v0", 2)
    observation, _ = batch.reset(seed=[1, 2])
    assert observation["image"].shape == (2, 8, 8, 3)
    batch.close()


def test_an_observation_of_another_layout():
    class Wrong(Small):
        def _observe(self):
            return {"image": np.zeros((3, 8, 8), np.float32), "instruction": "open"}

    env = ErrorContext(Wrong(), 4)
    with pytest.raises(
        EnvironmentFailedError,
        match="number 4 .*'image' has dtype float32 in reset; its space declares uint8",
    ):
        env.reset(seed=1)
