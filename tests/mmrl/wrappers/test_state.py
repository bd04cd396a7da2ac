"""Batches continue from a saved state."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

from mmrl.experiment.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from mmrl.wrappers.adapters import make_vec_env
from mmrl.wrappers.state import batch_state, set_batch_state

SPEECH = {"noise": 0.1, "seconds": 2.0, "voices": ["en-us", "en"]}


class Walk(gym.Env):
    """A random walk with a state."""

    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (8, 8, 3), np.uint8), instruction=spaces.Text(9)
    )
    action_space = spaces.Discrete(2)

    def look(self):
        return {"image": np.full((8, 8, 3), self.place, np.uint8), "instruction": "go"}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(50))
        return self.look(), {}

    def step(self, action):
        self.place += int(self.np_random.integers(3)) + int(action)
        return self.look(), float(self.place), self.place > 60, False, {}

    def get_state(self):
        return {"place": self.place}

    def set_state(self, state):
        self.place = state["place"]


class Visited(Walk):
    """Its state has what JSON has not."""

    def get_state(self):
        return {
            "at": (self.place, 1),
            "visited": {1, (self.place, 2)},
            7: np.float32(0.1),
            b"raw": b"\0",
            "a/b": np.zeros(2),
            "a": {"b": np.ones(2)},
            "$array": "x",
        }

    def set_state(self, state):
        self.place = state["at"][0]
        self.given = state


class Secretive(Walk):
    """Cannot be asked."""

    get_state = set_state = property()


class Errand(Walk):
    """Says at the beginning of an episode what is to be done, and not again."""

    observation_space = spaces.Box(0, 255, (8, 8, 3), np.uint8)

    def look(self):
        return super().look()["image"]

    def reset(self, *, seed=None, options=None):
        observation, _ = super().reset(seed=seed)
        return observation, {"instruction": f"fetch {self.place}"}


@pytest.fixture(autouse=True)
def _registered():
    for kind in (Walk, Visited, Secretive, Errand):
        name = kind.__name__
        if f"test/{name}-v0" not in gym.registry:
            gym.register(f"test/{name}-v0", kind, max_episode_steps=5)


def make(env_id, **kwargs):
    env = make_vec_env(env_id, 3, **kwargs)
    env.reset(seed=7)
    return env


def steps(env, count):
    generator = np.random.default_rng(0)
    for _ in range(count):
        actions = generator.integers(2, size=3)
        observation, reward, terminated, truncated, _ = env.step(actions)
        yield [observation[key] for key in sorted(observation)] + [reward, terminated, truncated]


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        ("mmrl/GoToObjS4-v0", {}),
        ("test/Walk-v0", {}),
        ("mmrl/GoToObjS4-v0", {"speech": SPEECH}),
        ("test/Walk-v0", {"speech": SPEECH}),
    ],
)
def test_it_goes_on_as_it_would_have(env_id, kwargs):
    if kwargs:
        pytest.importorskip("espeakng_loader")
    env, other = make(env_id, **kwargs), make(env_id, **kwargs)
    list(steps(env, 13))
    state = batch_state(env)
    set_batch_state(other, state)
    for one, again in zip(steps(env, 40), steps(other, 40), strict=True):
        for a, b in zip(one, again, strict=True):
            assert np.array_equal(a, b)
    set_batch_state(env, state)
    list(steps(other, 3))
    set_batch_state(other, state)  # the state itself was not played with
    for one, again in zip(steps(env, 9), steps(other, 9), strict=True):
        assert all(map(np.array_equal, one, again))


@pytest.mark.parametrize("workers", [0, 2])
def test_what_an_adapter_remembers(workers):
    adapter = {"success": {"return_above": 150}, "time_limit": 4}
    env, other = (
        make("test/Errand-v0", env_workers=workers, env_adapter=adapter) for _ in range(2)
    )
    try:
        list(steps(env, 6))
        set_batch_state(other, batch_state(env))
        seen = set()
        for _ in range(9):
            one, again = (each.step(np.ones(3, np.int64)) for each in (env, other))
            assert one[0]["instruction"] == again[0]["instruction"]
            assert all(map(str.strip, one[0]["instruction"]))
            assert np.array_equal(one[3], again[3])
            ends = [each[4].get("final_info", {}).get("is_success") for each in (one, again)]
            assert np.array_equal(*ends)
            seen.update(() if ends[0] is None else ends[0])
        assert seen >= {True, False}
    finally:
        env.close()
        other.close()


def test_who_cannot_tell():
    assert batch_state(make("test/Secretive-v0")) is None
    pytest.importorskip("espeakng_loader")
    assert batch_state(make("test/Secretive-v0", speech=SPEECH)) is None


def test_another_batch_is_refused():
    env = make("test/Walk-v0")
    assert isinstance(env, SyncVectorEnv)
    with pytest.raises(ValueError, match="zip"):
        set_batch_state(env, batch_state(env)[:2])
    pytest.importorskip("espeakng_loader")
    env = make("test/Walk-v0", speech=SPEECH)
    with pytest.raises(ValueError, match="speech of"):
        set_batch_state(env, {**batch_state(env), "speech": np.zeros((3, 5), np.float32)})


def test_a_state_comes_back_from_a_checkpoint_as_it_was_given(tmp_path):
    env, other = make("test/Visited-v0"), make("test/Visited-v0")
    list(steps(env, 2))
    write_checkpoint(tmp_path / "step_2", Checkpoint(2, {}, {"env": batch_state(env)}))
    set_batch_state(other, read_checkpoint(tmp_path / "step_2").state["env"])
    for one, its_copy in zip(env.envs, other.envs, strict=True):
        given, taken = one.unwrapped.get_state(), its_copy.unwrapped.given
        assert str(taken) == str(given)
        assert [type(value) for value in taken.values()] == [type(v) for v in given.values()]
    for expected, got in zip(steps(env, 12), steps(other, 12), strict=True):
        assert str(expected) == str(got)
