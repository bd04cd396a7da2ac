"""Episodes of one side of a split: none of the other side is shown, whoever the environment is."""

import importlib

import gymnasium as gym
import numpy as np
import pytest

from mmrl.errors import UserError
from mmrl.language import NEUTRAL, find_language
from mmrl.splits import Split, split_names
from mmrl.wrappers.adapters import make_env, make_vec_env

importlib.import_module("worlds.levers")
GRID = "mmrl/GoToLocal-v0"
WORDS = [f"word {k}" for k in range(20)]


class Chatty(gym.Env):
    """Says one of twenty sentences, and ends after a random number of steps."""

    observation_space = gym.spaces.Dict(
        image=gym.spaces.Box(0, 255, (16, 16, 3), np.uint8),
        instruction=gym.spaces.Text(9, charset="word 0123456789"),
    )
    action_space = gym.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        pass

    def look(self):
        return {"image": np.full((16, 16, 3), self.number, np.uint8), "instruction": self.word}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.number = int(self.np_random.integers(20))
        self.word = WORDS[self.number]
        return self.look(), {"number": self.number}

    def step(self, action):
        return self.look(), 1.0, bool(self.np_random.random() < 0.3), False, {}


@pytest.fixture
def chatty():
    gym.register("test/Chatty-v0", Chatty)
    yield "test/Chatty-v0"
    del gym.registry["test/Chatty-v0"]


def shown(env, count, steps):
    """The instructions of a batch, from its first reset on, and whether images fit to them."""
    observation, _ = env.reset(seed=list(range(count)))
    seen = set()
    for _ in range(steps):
        seen.update(observation["instruction"])
        fits = [WORDS[k] for k in observation["image"][:, 0, 0, 0]]
        assert fits == list(observation["instruction"])
        observation, *_ = env.step(np.zeros(count, np.int64))
    return seen


@pytest.mark.parametrize("workers", [0, 2])
def test_the_two_sides_are_all_there_is(chatty, workers):
    sides = []
    for held_out in (False, True):
        split = {"name": "sentences", "held_out": held_out}
        env = make_vec_env(chatty, 4, env_workers=workers, split=split)
        sides.append(shown(env, 4, 200))
        env.close()
    trained, held_out = sides
    assert not trained & held_out
    assert trained | held_out == set(WORDS)
    assert 1 <= len(held_out) <= 9


def test_a_seed_gives_the_same_episode_in_a_batch_and_alone(chatty):
    split = {"name": "sentences", "held_out": True}
    batch = make_vec_env(chatty, 6, split=split)
    observation, _ = batch.reset(seed=list(range(6)))
    env = make_env(chatty, split=split)
    alone = [env.reset(seed=seed)[0]["instruction"] for seed in range(6)]
    assert list(observation["instruction"]) == alone
    assert batch.rejected == env.rejected > 0
    batch.close()


def test_infos_are_those_of_the_accepted_episodes(chatty):
    env = make_vec_env(chatty, 6, split="sentences")
    observation, infos = env.reset(seed=list(range(6)))
    assert infos["number"].tolist() == observation["image"][:, 0, 0, 0].tolist()
    env.close()


@pytest.mark.parametrize("name", ["pairs", "verbs", "long", "places", "sentences"])
def test_splits_of_the_grid_worlds(name):
    language = find_language(GRID)
    env_id = {"long": "mmrl/BossLevel-v0", "places": "mmrl/PickupLoc-v0"}.get(name, GRID)
    for held_out in (False, True):
        env = make_vec_env(env_id, 16, split={"name": name, "held_out": held_out})
        observation, _ = env.reset(seed=list(range(16)))
        for _ in range(20):
            split = Split(language, name, held_out)
            assert all(map(split.allows, observation["instruction"]))
            observation, *_ = env.step(np.full(16, 2))
        assert env.rejected
        env.close()


def test_what_cannot_be(chatty):
    with pytest.raises(UserError, match="split 'pear'"):
        make_vec_env(chatty, 2, split="pear")
    with pytest.raises(UserError, match="held_out='yes': must be true or false"):
        make_env(chatty, split={"name": "sentences", "held_out": "yes"})
    with pytest.raises(UserError, match="give a name, or"):
        make_env(chatty, split={"held_out": True})
    with pytest.raises(UserError, match="has no instructions"):
        make_env("CartPole-v1", split="sentences")
    env = make_vec_env("mmrl/GoToRedBall-v0", 2, split={"name": "long", "held_out": True})
    with pytest.raises(UserError, match="and the instruction of none is held out"):
        env.reset(seed=[0, 1])
    env.close()


def test_names():
    assert list(split_names(NEUTRAL)) == ["sentences"]
    grid = split_names(find_language(GRID))
    assert list(grid) == ["pairs", "verbs", "long", "places", "sentences"]
    assert all(grid.values())
