"""Agents of plain stable-baselines3 are recorded in their environments as they are."""

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack

import mmrl
from mmrl.errors import UserError
from mmrl.evaluation.predictor import PredictorPlayer
from mmrl.records import read_record


@pytest.fixture(scope="module")
def ppo():
    return PPO("MlpPolicy", "CartPole-v1", n_steps=64, device="cpu")


def plain_loop(model, seed):
    env = gym.make("CartPole-v1")
    observation, _ = env.reset(seed=seed)
    actions, over = [], False
    while not over:
        action, _ = model.predict(observation, deterministic=True)
        observation, _, terminated, truncated, _ = env.step(action)
        actions.append(int(action))
        over = terminated or truncated
    return actions


def test_as_a_plain_loop(ppo, tmp_path):
    path = mmrl.record(
        ppo, "CartPole-v1", out=tmp_path, episodes=2, first_seed=5, deterministic=True
    )
    assert path == tmp_path / "episodes"
    for file, seed in zip(sorted(path.iterdir()), (5, 6), strict=True):
        record = read_record(file)
        assert record.actions.tolist() == plain_loop(ppo, seed)
        assert (record.env, record.seed, record.success) == ("CartPole-v1", seed, None)
        assert len(record.frames["scene"]) == len(record.rewards) + 1
        assert record.about == {"actions": ["0", "1"]}


def test_a_vector_environment_that_stacks_frames():
    env = VecFrameStack(DummyVecEnv([lambda: gym.make("CartPole-v1")]), 3)
    model = PPO("MlpPolicy", env, n_steps=64, device="cpu")
    record = PredictorPlayer(env).play(model, seed=3, deterministic=True)
    assert record.env == "CartPole-v1"
    assert len(record.frames["observation"]) == len(record.rewards) + 1 > 5
    two = DummyVecEnv([lambda: gym.make("CartPole-v1")] * 2)
    with pytest.raises(UserError, match="a vector environment of 2"):
        PredictorPlayer(two)


class Mission(gym.Env):
    """An environment with a mission outside its observations, and a success."""

    observation_space = gym.spaces.Box(0, 255, (16, 16, 3), np.uint8)
    action_space = gym.spaces.Discrete(2)
    mission = "press the left"

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros((16, 16, 3), np.uint8), {}

    def step(self, action):
        if action == 1:
            raise RuntimeError("no such lever")
        return np.ones((16, 16, 3), np.uint8), 1.0, True, False, {"success": True}


class Constant:
    def __init__(self, action):
        self.action = action

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.array(self.action), state


@pytest.mark.parametrize("is_given", [True, False])
def test_an_environment_that_was_given_stays_open(is_given):
    closed = []

    class Closing(Mission):
        def close(self):
            closed.append(self)

    PredictorPlayer(Closing() if is_given else Closing).close()
    assert len(closed) == (not is_given)


def test_missions_success_and_failures():
    record = PredictorPlayer(Mission()).play(Constant(0), seed=0)
    assert record.instructions == ["press the left"] * 2
    assert record.success is True
    with pytest.raises(UserError, match=r"environment Mission \(seed 4, step 0\): RuntimeError"):
        PredictorPlayer(Mission).play(Constant(1), seed=4)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"env": "CartPole-v1"}, "out is missing"),
        ({"out": "here"}, "env is missing"),
        ({"env": "CartPole-v1", "out": "here", "episodes": 0}, "episodes=0: must be at least 1"),
        ({"env": "NoSuch-v0", "out": "here"}, "environment NoSuch-v0"),
        ({"env": 3, "out": "here"}, "env is 3: give an id"),
    ],
)
def test_what_cannot_be(ppo, how, words):
    with pytest.raises(UserError, match=words):
        mmrl.record(ppo, **how)
