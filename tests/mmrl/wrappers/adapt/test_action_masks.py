"""Where action masks come from, and what becomes of them."""

import gymnasium as gym
import numpy as np
import pytest
import worlds.masked
from gymnasium import spaces

import mmrl
from mmrl.errors import UserError
from mmrl.evaluation.episodes import play_episodes
from mmrl.evaluation.random_policy import RandomPolicy
from mmrl.wrappers.adapt.action_masks import MaskError, MaskLayout, find_action_masks
from mmrl.wrappers.error_context import EnvironmentFailedError
from mmrl.wrappers.making import adaptation

SOURCES = {
    "Info": "info.action_mask",
    "Method": "attribute.action_masks",
    "Entry": "legal_moves",
    "Levers": "info.action_mask",
    "Parts": "info.action_mask",
    "Contract": "info.action_mask",
}


@pytest.mark.parametrize("name", SOURCES)
def test_masks_are_found_and_random_play_keeps_to_them(name):
    env_id = f"masked/{name}-v0"
    env = mmrl.make_env(env_id)
    source = SOURCES[name]
    (row,) = [row for row in adaptation(env) if row[2] == "action_mask"]
    size = env.observation_space["action_mask"].shape[0]
    assert row[:2] == (source, f"int8 [{size}]")
    assert play_episodes(RandomPolicy(), env_id, 20).lengths.sum() > 20  # it raises otherwise


def test_the_mask_of_the_next_episode_and_of_the_last_step():
    batch = mmrl.make_vec_env("masked/Info-v0", 3)
    observation, _ = batch.reset(seed=0)
    ended = 0
    for _ in range(40):
        place = observation["state"].argmax(1)
        expected = np.stack([place > 0, place < 3, place == 3], 1)
        np.testing.assert_array_equal(observation["action_mask"], expected)
        assert observation["action_mask"].dtype == np.int8
        actions = np.where(place == 3, 2, 1)
        observation, _, over, _, infos = batch.step(actions)
        for e in np.flatnonzero(over):
            ended += 1
            assert infos["final_obs"][e]["action_mask"].tolist() == [1, 0, 1]
    assert ended > 3


def test_worker_processes_have_the_same_masks():
    def trace(workers):
        batch = mmrl.make_vec_env("worlds.masked:masked/Levers-v0", 3, env_workers=workers)
        observation, _ = batch.reset(seed=1)
        policy, seen = RandomPolicy(), []
        policy.attach(batch, [1, 2, 3])
        for _ in range(15):
            seen.append(observation)
            actions = policy.act(observation, deterministic=False)
            observation = batch.step(actions)[0]
        batch.close()
        return seen

    for here, there in zip(trace(0), trace(2), strict=True):
        for key in ("state", "action_mask"):
            np.testing.assert_array_equal(here[key], there[key])


def test_the_configuration_names_another_source_or_none():
    env = mmrl.make_env("masked/Entry-v0", env_adapter={"action_masks": "none"})
    assert set(env.observation_space.spaces) == {"state", "legal_moves"}
    for given in ("auto", "legal_moves"):
        env = mmrl.make_env("masked/Entry-v0", env_adapter={"action_masks": given})
        assert set(env.observation_space.spaces) == {"state", "action_mask"}
    for given in ("nothing", "attribute.nothing", 3):
        with pytest.raises(UserError, match=f"env_adapter.action_masks={given!r}: "):
            mmrl.make_env("masked/Entry-v0", env_adapter={"action_masks": given})


@pytest.mark.parametrize(
    ("broken", "reason"),
    [("short", "has 2 numbers, and there are 3 actions"), ("none", "allows no action"),
     ("absent", "there is no info.action_mask")],
)  # fmt: skip
def test_a_mask_that_breaks_is_an_error_with_its_step(broken, reason):
    env = mmrl.make_vec_env("masked/Info-v0", 1, broken=broken)
    observation, _ = env.reset(seed=0)
    for _ in range(2):
        observation = env.step(observation["action_mask"].argmax(1))[0]
    actions = observation["action_mask"].argmax(1)
    with pytest.raises(EnvironmentFailedError, match=f"in step 3, .*{reason}"):
        env.step(actions)


def test_actions_without_masks_refuse_them_and_what_is_no_mask_is_left_out():
    class Continuous(worlds.masked.Corridor):
        action_space = spaces.Box(-1, 1, (2,))

    env = Continuous("method")
    assert find_action_masks(None, {}, env, {"action_mask": [1]}) is None
    with pytest.raises(UserError, match="only Discrete and MultiDiscrete actions have masks"):
        find_action_masks("info.action_mask", {}, env, {})
    env = worlds.masked.Corridor("none")
    refused = find_action_masks(None, {}, env, {"action_mask": [0, 2]})
    assert refused.space is None
    assert "has 2 numbers, and there are 3 actions" in refused.note
    assert find_action_masks(None, {}, env, {"legal_moves": [0, 2]}) is None


def test_a_method_that_needs_arguments_is_no_source():
    env = gym.make("Taxi-v4")
    _, info = env.reset(seed=0)
    assert find_action_masks(None, {}, env, info).name == "info.action_mask"
    assert find_action_masks(None, {}, env, {}) is None


def test_layouts():
    ones = [1, 1, 1]
    assert MaskLayout(spaces.Discrete(3, start=4)).convert([True, False, 1]).tolist() == [1, 0, 1]
    grid = MaskLayout(spaces.MultiDiscrete([[2, 3]], start=[[1, 1]]))
    assert grid.convert(([0, 1], ones)).tolist() == [0, 1, *ones]  # as Gymnasium samples
    assert grid.convert(np.array([0, 1, 1, 1, 1])).tolist() == [0, 1, *ones]
    parts = MaskLayout(
        spaces.Dict(a=spaces.Discrete(2), b=spaces.Tuple([spaces.MultiDiscrete([3, 2])]))
    )
    assert parts.convert({"a": [1, 0]}).tolist() == [1, 0, 1, 1, 1, 1, 1]
    nested = {"a": None, "b": ((np.array([0, 1, 0]), np.array([1, 0])),)}
    assert parts.convert(nested).tolist() == [1, 1, 0, 1, 0, 1, 0]
    assert parts.convert([1, 0, 1, 1, 1, 0, 1]).tolist() == [1, 0, 1, 1, 1, 0, 1]
    with pytest.raises(MaskError, match="no part of the actions, which are a, b.0"):
        parts.convert({"c": [1]})
    assert MaskLayout(spaces.Box(0, 1, (2,))).sizes is None
    assert MaskLayout(spaces.MultiBinary(2)).sizes is None


def test_masks_of_combinations():
    layout = MaskLayout(spaces.MultiDiscrete([2, 3]), bins=5)
    assert layout.space == spaces.Discrete(6)
    assert layout.convert([0, 1, 1, 0, 1]).tolist() == [0, 0, 0, 1, 0, 1]
    assert layout.convert([0, 0, 0, 0, 1], is_over=True).tolist() == [0, 0, 1, 0, 0, 1]
    mixed = MaskLayout(spaces.Dict(a=spaces.Discrete(2), b=spaces.Box(0, 1, ())), bins=2)
    assert mixed.convert({"a": [0, 1]}).tolist() == [0, 0, 1, 1]
    assert MaskLayout(spaces.Discrete(2), bins=5).convert([0, 1]).tolist() == [0, 1]
    assert MaskLayout(spaces.Box(0, 1, (2,)), bins=5).sizes is None


class Pair(gym.Env):
    """Two numbers to choose, of which some are not allowed."""

    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.MultiDiscrete([2, 3])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {"action_mask": self.mask()}

    def step(self, action):
        assert self.valid[0][action[0]]
        assert self.valid[1][action[1]]
        return np.zeros(1, np.float32), 0.0, False, False, {"action_mask": self.mask()}

    def mask(self):
        draws = [self.np_random.integers(2, size=n) for n in (2, 3)]
        self.valid = [one if one.any() else one + 1 for one in draws]
        return tuple(self.valid)


def test_only_valid_combinations_are_chosen():
    env = mmrl.make_env(Pair, env_adapter={"discrete_actions": 2})
    assert env.action_space == spaces.Discrete(6)
    assert env.observation_space["action_mask"].shape == (6,)
    observation, _ = env.reset(seed=0)
    for _ in range(50):
        action = env.action_space.sample(mask=observation["action_mask"])
        observation, *_ = env.step(action)


@pytest.mark.parametrize(
    ("mask", "message"),
    [([0, 0, 1, 0, 1], "no action of component 0"), ([1, 0, 2, 0, 0], "holds 2"),
     ([1, 0, np.nan, 0, 0], "holds nan"), ("yes", "is str"), ([1, 0], "has 2 numbers"),
     ({"a": 1}, "is dict")],
)  # fmt: skip
def test_what_is_no_mask(mask, message):
    with pytest.raises(MaskError, match=message):
        MaskLayout(spaces.MultiDiscrete([2, 3])).convert(mask)


def test_at_the_end_nothing_needs_to_be_valid():
    layout = MaskLayout(spaces.MultiDiscrete([2, 3]))
    assert layout.convert([0, 0, 1, 0, 0], is_over=True).tolist() == [1, 1, 1, 0, 0]
