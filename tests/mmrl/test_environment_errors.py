"""Who raised, and when."""

import gymnasium as gym
import pytest

from mmrl.environment_errors import Accountable, EnvironmentFailedError


class Broken(gym.Env):
    """Raises in the third step of the second episode, or in a reset."""

    observation_space = action_space = gym.spaces.Discrete(3)
    episodes = steps = 0

    def reset(self, *, seed=None, options=None):
        self.episodes, self.steps = self.episodes + 1, 0
        if options:
            raise OSError("no display")
        return 0, {}

    def step(self, action):
        self.steps += 1
        if (self.episodes, self.steps) == (2, 3):
            raise ValueError("out of the map")
        return 0, 0.0, False, False, {}


def test_the_message_leads_there():
    env = Accountable(Broken(), 4)
    env.reset(seed=11)
    env.step(0)
    env.reset()
    env.step(0)
    env.step(1)
    with pytest.raises(EnvironmentFailedError) as caught:
        env.step(2)
    said = str(caught.value)
    assert "number 4 of the batch, seeded with 11, episode 2 since" in said
    assert "in step 3, action 2, ValueError: out of the map" in said
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_reset_and_no_seed():
    with pytest.raises(EnvironmentFailedError, match=r"never seeded, .* in reset OSError: no disp"):
        Accountable(Broken(), 0).reset(options={"any": 1})
