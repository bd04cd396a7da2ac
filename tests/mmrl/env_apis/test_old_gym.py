"""The API of Gym 0.21 and 0.26; the packages gym and shimmy are stood in for, or skipped."""

import sys
from types import ModuleType, SimpleNamespace

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from mmrl.env_apis.old_gym import api_of
from mmrl.errors import UserError
from mmrl.registry import find_spec
from mmrl.wrappers.adapters import make_env
from mmrl.wrappers.making import adaptation


class Old:
    """Gym 0.21: the observation alone, four values, a seed() method, render(mode)."""

    observation_space = spaces.Box(-9, 9, (2,), np.float32)
    action_space = spaces.Discrete(2)
    metadata = {"render.modes": ["rgb_array"], "render_modes": ["rgb_array"]}
    spec = None

    @property
    def unwrapped(self):
        return self

    def seed(self, seed=None):
        self.seeded = seed

    def reset(self):
        self.steps = 0
        return np.zeros(2, np.float32)

    def step(self, action):
        self.steps += 1
        info = {"TimeLimit.truncated": True} if action == 1 and self.steps == 2 else {}
        return np.full(2, self.steps, np.float32), 1.0, self.steps == 2, info

    def render(self, mode="human"):
        return np.full((4, 4, 3), 7, np.uint8) if mode == "rgb_array" else None

    def expert_action(self):
        return 1


class Halfway(gymnasium.Env):
    """Of Gymnasium by its class, with the API of before."""

    observation_space, action_space = Old.observation_space, Old.action_space
    reset, step = Old.reset, Old.step


def test_the_old_api_is_adapted():
    env = make_env(Old)
    observation, _ = env.reset(seed=3)
    assert observation["state"].tolist() == [0, 0]
    assert env.unwrapped.env.seeded == 3
    assert env.step(0)[1:4] == (1.0, False, False)
    assert env.step(0)[2:4] == (True, False)
    env.reset()
    env.step(1)
    assert env.step(1)[2:4] == (False, True)
    assert env.unwrapped.render()[0, 0, 0] == 7
    assert env.unwrapped.expert_action() == 1
    assert any(row[0] == "API" and row[2] == "Gymnasium" for row in adaptation(env))
    env.close()


def test_a_gymnasium_class_with_the_old_api_is_adapted():
    env = make_env(Halfway)
    assert env.reset(seed=0)[0]["state"].tolist() == [0, 0]
    assert env.step(1)[2:4] == (False, False)
    assert api_of(gymnasium.make("CartPole-v1")) is None


def test_what_cannot_be_adapted():
    class Spaceless(Old):
        action_space = SimpleNamespace(n=2)

    class Short(Old):
        def step(self, action):
            return 0, 1, False

    with pytest.raises(UserError, match=r"Spaceless: its action_space is .* no space of gymnasium"):
        make_env(Spaceless)
    env = make_env(Short)
    env.reset()
    with pytest.raises(UserError, match="step\\(\\) returned 3 values"):
        env.step(0)
    with pytest.raises(UserError, match="int is no environment, it has no reset"):
        make_env(lambda: 3)


@pytest.fixture
def gym(monkeypatch):
    """A stand-in for the package gym, with one id; Old is of it."""
    package, envs, registration = (ModuleType(n) for n in ("gym", "gym.envs", "gym.envs.reg"))
    package.Env = Old
    registration.registry = {
        "OldLamp-v0": SimpleNamespace(entry_point=Old, kwargs={}, max_episode_steps=5)
    }
    for name, module in (
        ("gym", package), ("gym.envs", envs), ("gym.envs.registration", registration),
    ):  # fmt: skip
        monkeypatch.setitem(sys.modules, name, module)


def test_shimmy_is_asked_for(gym, monkeypatch):
    monkeypatch.setitem(sys.modules, "shimmy", None)
    for env in (Old, Old(), "OldLamp-v0", "gym:OldLamp-v0"):
        with pytest.raises(UserError, match=r"'Old' is of the old package.*pip install 'shimmy\["):
            make_env(env)


def test_shimmy_wraps_by_version(gym, monkeypatch):
    class New(Old):
        def reset(self, *, seed=None, options=None):
            return super().reset(), {}

    wrapped = {}
    shimmy = ModuleType("shimmy")

    def wrapper(version):
        def wrap(env, **more):
            wrapped[version] = env, more
            return gymnasium.make("CartPole-v1").unwrapped

        return wrap

    shimmy.GymV21CompatibilityV0, shimmy.GymV26CompatibilityV0 = wrapper("V21"), wrapper("V26")
    monkeypatch.setitem(sys.modules, "shimmy", shimmy)
    make_env("OldLamp-v0", render_mode="rgb_array")
    assert wrapped["V21"][1] == {"render_mode": "rgb_array"}
    assert type(wrapped["V21"][0]) is Old
    make_env(New)
    assert type(wrapped["V26"][0]) is New
    assert find_spec("OldLamp-v0").max_episode_steps == 5


def test_the_real_packages():
    pytest.importorskip("shimmy")
    pytest.importorskip("gym")
    env = make_env("gym:CartPole-v1")
    env.reset(seed=0)
    assert not env.step(0)[2]
    assert ("API", "gym 0.26", "Gymnasium", "by shimmy's GymV26CompatibilityV0") in adaptation(env)
