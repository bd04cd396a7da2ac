"""What an adapter understands of an environment, by itself and as it is configured."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.contract import contract_violation
from mmrl.errors import UserError
from mmrl.wrappers.adapt.adapter import ContractAdapter
from mmrl.wrappers.adapt.config import AdapterConfig
from mmrl.wrappers.adapt.images import Resize
from mmrl.wrappers.adapt.plan import make_plan, named
from mmrl.wrappers.nested_spaces import leaves

RGB = spaces.Box(0, 255, (18, 20, 3), np.uint8)
VECTOR = spaces.Box(-1, 1, (2,), np.float32)
TEXT = spaces.Text(10)


class World(gym.Env):
    """An environment of an observation space, whose observations are samples."""

    action_space = spaces.Discrete(2)

    def __init__(self, space, info=None, **attributes):
        self.observation_space, self.info = space, info or {}
        vars(self).update(attributes)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), dict(self.info)

    def step(self, action):
        return self.observation_space.sample(), 1.0, True, False, dict(self.info)

    def render(self):
        return np.zeros((9, 9, 3), np.uint8)


def adapted(env, **config):
    return ContractAdapter(env, config=AdapterConfig.read(config))


def keys(env):
    return sorted(env.observation_space.spaces)


def test_a_nested_observation_by_its_paths():
    arm = spaces.Dict({"q": VECTOR, "force": spaces.Tuple((VECTOR, spaces.Discrete(3)))})
    space = spaces.Dict({"arm": arm, "rgb": RGB, "task": TEXT})
    env = adapted(World(space))
    assert keys(env) == ["arm.force.0", "arm.force.1", "arm.q", "image", "instruction"]
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (RGB, ["image"]),
        (VECTOR, ["state"]),
        (spaces.Discrete(4), ["state"]),
        (spaces.Tuple((RGB, VECTOR)), ["1", "image"]),
        (spaces.Dict({"a": RGB, "b": RGB}), ["b", "image"]),
        (spaces.Dict({"a": RGB, "pixels": RGB}), ["a", "image"]),
        (spaces.Dict({"achieved_goal": VECTOR, "goal": VECTOR}), ["achieved_goal", "goal_"]),
        (spaces.Dict({"a b/c": VECTOR}), ["a_b_c"]),
        (spaces.Dict({"a b": VECTOR, "a_b": VECTOR}), ["a_b", "a_b_"]),
        (spaces.Dict({"a.b": VECTOR, "a": spaces.Dict({"b": VECTOR})}), ["a.b", "a.b_"]),
    ],
)
def test_keys(space, expected):
    assert keys(adapted(World(space))) == expected


def test_the_main_image_can_be_chosen():
    space = spaces.Dict({"front": RGB, "image": RGB})
    env = adapted(World(space), image="front")
    assert keys(env) == ["image", "image_2"]
    rows = {row[0]: row[2] for row in env.plan.rows()}
    assert (rows["front"], rows["image"]) == ("image", "image_2")


def test_what_is_rendered_can_be_the_image():
    env = adapted(World(VECTOR), image="render")
    assert env.reset(seed=0)[0]["image"].shape == (9, 9, 3)
    assert keys(env) == ["image", "state"]


def test_images_are_resized():
    space = spaces.Dict({"rgb": RGB, "top": spaces.Box(0, 1, (3, 40, 30), np.float32), "q": VECTOR})
    env = adapted(World(space), image_size=[20, 16])
    for observation in (env.reset(seed=3)[0], env.step(0)[0]):
        for key in ("image", "top"):
            assert env.observation_space[key].shape == (20, 16, 3)
            assert env.observation_space[key].contains(observation[key])
    assert "[C, H, W] → [H, W, 3]" in str(env.plan.rows())
    assert "→ 20 x 16 pixels" in str(env.plan.rows())

    halves = np.zeros((40, 60, 3), np.uint8)
    halves[:, :29] = 255
    resized = Resize((20, 2))(halves)
    assert (resized[:, 0] == round(255 * 29 / 30)).all()  # the mean of what a pixel covers
    assert not resized[:, 1].any()
    assert np.array_equal(Resize((40, 60))(halves), halves)


def test_what_is_rendered_is_resized():
    env = adapted(World(spaces.Dict({"q": VECTOR})), image="render", image_size=[24, 20])
    assert env.observation_space["image"].shape == (24, 20, 3)
    assert env.observation_space["image"].contains(env.reset(seed=0)[0]["image"])
    assert ("render()", "uint8 [24, 20, 3]", "image", "the rendered image, resized") in (
        env.plan.rows()
    )


def test_what_cannot_be_used_is_named():
    space = spaces.Dict({"rgb": RGB, "graph": spaces.Graph(VECTOR, None)})
    rows = adapted(World(space)).plan.rows()
    assert ("graph", "left out", "neither an image, numbers nor text") in {
        (row[0], row[2], row[3]) for row in rows
    }


@pytest.mark.parametrize(
    ("env", "config", "name", "sentence"),
    [
        (World(spaces.Dict({"rgb": RGB, "task": TEXT})), {}, "task", None),
        (World(RGB, {"mission": "dig"}), {}, "info.mission", "dig"),
        (World(RGB, mission="dig"), {}, "attribute.mission", "dig"),
        (World(RGB, {"todo": b"dig"}), {"instruction": "info.todo"}, "info.todo", "dig"),
        (
            World(RGB, what=lambda: "dig"),
            {"instruction": "attribute.what"},
            "attribute.what",
            "dig",
        ),
        (World(RGB), {"instruction": {"text": "dig"}}, "a fixed sentence", "dig"),
    ],
)
def test_instructions(env, config, name, sentence):
    env = adapted(env, **config)
    assert env.plan.instruction.name == name
    observation, _ = env.reset(seed=0)
    assert sentence is None or observation["instruction"] == sentence
    assert isinstance(env.step(0)[0]["instruction"], str)


def test_several_texts_are_one_instruction_the_task_first():
    env = adapted(World(spaces.Dict({"hint": TEXT, "rgb": RGB, "task": TEXT})))
    observation, _ = env.reset(seed=0)
    task, hint = (env.env.observation_space[key] for key in ("task", "hint"))
    first, second = observation["instruction"].split("; ")
    assert task.contains(first)
    assert hint.contains(second)


def test_a_goal_by_a_template():
    goal = {"from": "goal", "template": "pick the {name} ({i})", "names": ["cup", "bowl"]}
    space = spaces.Dict({"goal": spaces.Discrete(2, start=1), "rgb": RGB})
    env = adapted(World(space), instruction=goal)
    said = {env.reset(seed=seed)[0]["instruction"] for seed in range(20)}
    assert said == {"pick the cup (0)", "pick the bowl (1)"}
    assert keys(env) == ["image", "instruction"]
    one_hot = spaces.Dict({"goal": spaces.MultiBinary(2), "rgb": RGB})
    env = adapted(World(one_hot), instruction=goal)
    assert env.reset(seed=0)[0]["instruction"].startswith("pick the ")


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("to {vector}", "to 0.12 -3 0"),
        ("to {vector:+.2f}", "to +0.12 -3.00 +0.00"),
        ("{vector[1]:.1f} beside {vector[0]:.1f}", "-3.0 beside 0.1"),
    ],
)
def test_the_numbers_of_a_goal_in_a_template(template, sentence):
    class Goal(World):
        def reset(self, *, seed=None, options=None):
            observation, info = super().reset(seed=seed)
            return {**observation, "goal": np.float32([0.123, -3, 0])}, info

    space = spaces.Dict({"goal": spaces.Box(-9, 9, (3,), np.float32), "rgb": RGB})
    env = adapted(Goal(space), instruction={"from": "goal", "template": template})
    assert env.reset(seed=0)[0]["instruction"] == sentence


def test_an_info_without_the_instruction_leaves_it_as_it_was():
    class Once(World):
        def step(self, action):
            return self.observation_space.sample(), 0.0, False, False, {}

    env = adapted(Once(RGB, {"task": "dig"}))
    env.reset(seed=0)
    assert env.step(0)[0]["instruction"] == "dig"


@pytest.mark.parametrize(
    ("info", "config", "success"),
    [
        ({}, {}, None),
        ({"success": 1.0}, {}, True),
        ({"is_success": False, "success": True}, {}, False),
        ({}, {"success": "terminated_with_reward"}, True),
        ({}, {"success": {"return_above": 0.5}}, True),
        ({}, {"success": {"return_above": 1}}, False),
        ({"done": np.array([True])}, {"success": "done"}, True),
        ({"success": True}, {"success": "none"}, None),
    ],
)
def test_success(info, config, success):
    env = adapted(World(RGB, info), **config)
    env.reset(seed=0)
    assert env.step(0)[4].get("is_success") is success


def test_rewards_are_scaled_and_time_is_limited():
    class Endless(World):
        def step(self, action):
            return self.observation_space.sample(), 2.0, False, False, {}

    env = adapted(Endless(RGB), reward_scale=0.5, time_limit=2)
    env.reset(seed=0)
    steps = [env.step(0) for _ in range(2)]
    assert [one[1] for one in steps] == [1.0, 1.0]
    assert [one[3] for one in steps] == [False, True]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"imag": "a"}, "unknown option of env_adapter 'imag'"),
        ({"image": "back"}, "env_adapter.image='back'.*has rgb"),
        ({"image": 3}, "env_adapter.image=3"),
        ({"leave_out": "q"}, "env_adapter.leave_out='q'.*has rgb, task"),
        ({"leave_out": ["rgb", "task"]}, "nothing to see"),
        ({"instruction": "q"}, "env_adapter.instruction='q'.*has rgb, task"),
        ({"instruction": 4}, "env_adapter.instruction=4"),
        ({"instruction": {"from": "q", "template": "x"}}, "env_adapter.instruction="),
        ({"instruction": {"from": "rgb", "template": "{x}"}}, "template='{x}'.*{i}"),
        ({"instruction": {"from": "rgb", "template": "{vector[0]:d}"}}, "vector.0.*code 'd'"),
        ({"instruction": {"from": "rgb", "template": "{vector[9999]}"}}, "out of range"),
        ({"instruction": {"from": "task", "template": "{i}"}}, "an entry that is text"),
        ({"instruction": "attribute.q"}, "the environment has no 'q'"),
        ({"success": {"above": 1}}, "env_adapter.success="),
        ({"time_limit": 0}, "env_adapter.time_limit=0"),
        ({"image_size": 64}, "env_adapter.image_size=64: give height and width"),
        ({"image_size": [64, 2]}, r"env_adapter.image_size=\[64, 2\].*at least 16"),
        ({"discrete_actions": 1}, "env_adapter.discrete_actions=1: give an integer of at least 2"),
        ({"discrete_actions": 2.5}, "env_adapter.discrete_actions=2.5"),
        ({"discrete_actions": True}, "env_adapter.discrete_actions=True"),
        ({"reward_scale": "much"}, "env_adapter.reward_scale='much'"),
    ],
)
def test_a_configuration_that_does_not_fit(config, words):
    with pytest.raises(UserError, match=words):
        adapted(World(spaces.Dict({"rgb": RGB, "task": TEXT})), **config)


def test_an_image_where_there_is_none():
    with pytest.raises(UserError, match="env_adapter.image='back'.*has q"):
        adapted(World(spaces.Dict({"q": VECTOR})), image="back")


def test_a_configuration_that_is_no_mapping():
    with pytest.raises(UserError, match="env_adapter='render': give a mapping"):
        AdapterConfig.read("render")


LEAVES = st.sampled_from(
    [RGB, VECTOR, TEXT, spaces.Discrete(3), spaces.MultiBinary(2), spaces.MultiDiscrete([2, 3]),
     spaces.Box(0, 1, (3, 18, 20), np.float32), spaces.Box(0, 255, (18, 20), np.uint8),
     spaces.Box(0, 255, (18, 20, 4), np.uint8), spaces.Box(-9, 9, (2, 2), np.int32)]
)  # fmt: skip
NAMES = st.sampled_from(
    ["a", "b.c", "image", "state", "goal", "instruction", "speech", "task", "0"]
)
NESTED = st.recursive(
    LEAVES,
    lambda inner: (
        st.dictionaries(NAMES, inner, min_size=1, max_size=4).map(spaces.Dict)
        | st.lists(inner, min_size=1, max_size=3).map(spaces.Tuple)
    ),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(NESTED, st.integers(0, 99))
def test_any_observation_fulfils_the_contract(space, seed):
    found = {named(leaf): leaf.space for leaf in leaves(space)}
    seen = {path for path, one in found.items() if not isinstance(one, spaces.Text)}
    if not seen or (seen == {"speech"} and found["speech"] is VECTOR):
        with pytest.raises(UserError, match="nothing to see"):
            make_plan(World(space), AdapterConfig())
        return
    env = adapted(World(space))
    assert contract_violation(env.observation_space) is None
    for observation in (env.reset(seed=seed)[0], env.step(0)[0]):
        assert sorted(observation) == keys(env)
        for key, value in observation.items():
            if key != "instruction":
                assert env.observation_space[key].contains(value), key
    used = env.plan.instruction.entries if env.plan.instruction else ()
    assert {*used, *(named(one.leaf) for one in env.plan.entries)} == set(found)
