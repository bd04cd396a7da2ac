"""Batches side by side: spaces, infos, seeds, states, and what cannot be played together."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from worlds.words import Heights, Sides

from mmrl.errors import UserError
from mmrl.wrappers.adapters import instruction_words, instructions, make_vec_env
from mmrl.wrappers.joined_vector_env import join_infos, joined_metadata
from mmrl.wrappers.state import batch_state, set_batch_state, try_state

BOTH = [Heights, Sides]


@pytest.fixture
def batch():
    env = make_vec_env(BOTH, 5)
    yield env
    env.close()


def test_rows_are_those_of_each_batch(batch):
    assert batch.levels == ["worlds.words:Heights"] * 3 + ["worlds.words:Sides"] * 2
    text = batch.single_observation_space["instruction"]
    assert (text.max_length, "!" in text.character_set) == (30, True)
    observation, _ = batch.reset(seed=4)
    alone = {env: make_vec_env(env, 5) for env in BOTH}
    own = {env: one.reset(seed=4)[0]["instruction"] for env, one in alone.items()}
    assert observation["instruction"] == (*own[Heights][:3], *own[Sides][3:])
    assert observation["image"].shape == (5, 8, 8, 3)
    words = [sentence.split()[1].strip("!") for sentence in observation["instruction"]]
    right = np.array([{"left": 0, "right": 1, "up": 0, "down": 1}[word] for word in words])
    right[1] = 1 - right[1]
    _, rewards, terminated, truncated, infos = batch.step(right)
    assert rewards.tolist() == [1, 0, 1, 1, 1]
    assert terminated.all()
    assert not truncated.any()
    final = infos["final_info"]
    assert final["is_success"].tolist() == [True, False, True, True, True]
    assert [one["instruction"] for one in infos["final_obs"]] == list(observation["instruction"])
    for one in alone.values():
        one.close()


def test_states_are_exact(batch):
    assert try_state(batch, lambda state: state) is None
    batch.reset(seed=1)
    state = batch_state(batch)
    actions = np.zeros(5, np.int64)
    first = [batch.step(actions)[0]["instruction"] for _ in range(6)]
    set_batch_state(batch, state)
    assert [batch.step(actions)[0]["instruction"] for _ in range(6)] == first


def test_one_without_a_state_means_none():
    class Forgetful(Sides):
        get_state = None

        def __getattribute__(self, name):
            if name == "get_state":
                raise AttributeError(name)
            return super().__getattribute__(name)

    env = make_vec_env([Forgetful, Sides], 2)
    assert "has no get_state" in try_state(env, lambda state: state)
    env.close()


def test_workers_give_the_same():
    steps = []
    for workers in (0, 2):
        env = make_vec_env(BOTH, 4, env_workers=workers)
        seen = [env.reset(seed=3)[0]["instruction"]]
        seen += [env.step(np.zeros(4, np.int64))[0]["instruction"] for _ in range(3)]
        steps.append(seen)
        env.close()
    assert steps[0] == steps[1]
    with pytest.raises(UserError, match=r"^env_workers=1: there are 2 environments"):
        make_vec_env(BOTH, 4, env_workers=1)


def test_environments_that_differ_are_refused_in_one_line():
    class Bare(Sides):
        def __init__(self, render_mode=None):
            super().__init__()
            self.observation_space = spaces.Dict(image=self.observation_space["image"])

        def look(self):
            return {"image": self.image()}

    larger = {Heights: {"env_args": {"size": 9}}, Sides: 1}
    more = {Heights: {"env_args": {"n": 3}}, Sides: 1}
    for envs, message in (
        (larger, "worlds.words:Heights and worlds.words:Sides .* 'image' is "),
        (more, "worlds.words:Heights and worlds.words:Sides .* the actions are Discrete.*3"),
        ([Bare, Sides], "worlds.words:Sides has 'instruction' in its observations, and "),
        ([Sides, "CartPole-v1"], "CartPole-v1 and worlds.words:Sides"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            make_vec_env(envs, 4)
        assert "\n" not in str(caught.value)


def test_vectors_have_the_widest_bounds():
    class Narrow(gym.Env):
        low, high = -1.0, 1.0

        def __init__(self, render_mode=None):
            self.observation_space = spaces.Box(self.low, self.high, (2,), np.float32)
            self.action_space = spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return np.zeros(2, np.float32), {}

        def step(self, action):
            return np.zeros(2, np.float32), 0.0, True, False, {}

    class Wide(Narrow):
        low, high = -3.0, 0.5

    env = make_vec_env([Narrow, Wide], 2)
    space = next(iter(env.single_observation_space.values()))
    assert (space.low.min(), space.high.max()) == (-3, 1)
    env.close()


def test_words_and_instructions_of_all():
    known = instruction_words("[worlds.words:Heights, worlds.words:Sides]")
    assert {"go", "climb", "left", "down"} <= set(known)
    sentences = instructions("[worlds.words:Heights, worlds.words:Sides]", range(2))
    assert [sentence.split()[0] for sentence in sentences] == ["climb", "climb", "go", "go"]
    metadata = [{"render_fps": 4, "instruction_words": ["a"], "language": "x:Y"},
                {"render_fps": 5, "instruction_words": ["b"], "language": "x:Y"}]  # fmt: skip
    assert joined_metadata(metadata) == {"language": "x:Y", "instruction_words": ("a", "b")}
    assert joined_metadata([*metadata, {"language": "x:Y"}]) == {"language": "x:Y"}


def test_infos_have_masks_where_a_batch_has_no_entry():
    numbers, flags = np.array([1.5, 2.5]), np.array([True, False])
    joined = join_infos(
        [
            {"speed": numbers, "_speed": flags, "final_info": {"is_success": flags}},
            {"name": np.array(["a"], object)},
        ],
        [2, 1],
    )
    assert joined["speed"].tolist() == [1.5, 2.5, 0]
    assert joined["_speed"].tolist() == [True, False, False]
    assert joined["name"].tolist() == [None, None, "a"]
    assert joined["_name"].tolist() == [False, False, True]
    assert joined["final_info"]["is_success"].tolist() == [True, False, False]
    assert joined["final_info"]["_is_success"].tolist() == [True, True, False]
