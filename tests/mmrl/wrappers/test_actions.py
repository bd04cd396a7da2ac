"""Wrappers of actions work alone, and together for any environment."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

from mmrl.action_labels import action_names
from mmrl.data import ExpertSource, RandomSource, Request, collect, find_place, open_dataset
from mmrl.errors import UserError
from mmrl.evaluation.random_policy import RandomPolicy
from mmrl.viz.clips import record_clip
from mmrl.wrappers.actions import (
    BoundedAction,
    CombinedAction,
    DiscretisedAction,
    FlatAction,
    MergedAction,
    RescaledAction,
    ZeroBasedAction,
    action_notes,
    adapt_actions,
    own_action,
    takes_as_is,
)
from mmrl.wrappers.adapters import make_env, make_vec_env
from mmrl.wrappers.error_context import EnvironmentFailedError, ErrorContext
from mmrl.wrappers.optional_methods import find_expert

ID = "test/AnyActions-v0"
KINDS = {
    "start": spaces.Discrete(3, start=1),
    "starts": spaces.MultiDiscrete([2, 3], start=[1, -1]),
    "table": spaces.MultiDiscrete([[2, 3], [4, 5]]),
    "binary": spaces.MultiBinary([2, 2]),
    "infinite": spaces.Box(-np.inf, np.inf, (2, 3), np.float32),
    "tiny": spaces.Box(-0.01, 0.01, (2,), np.float64),
    "large": spaces.Box(0, 1000, (), np.float32),
    "bytes": spaces.Box(0, 255, (2,), np.uint8),
    "continuous": spaces.Dict(arm=spaces.Box(-1, 1, (2,)), gas=spaces.Box(0, 5, ())),
    "mixed": spaces.Dict(
        arm=spaces.Box(-1, 1, (2,)),
        rest=spaces.Tuple([spaces.Discrete(3, start=1), spaces.MultiBinary(2)]),
    ),
}


class AnyActions(gym.Env):
    """Insists on an action of its space; its expert takes the last sample."""

    metadata = {"render_modes": ["rgb_array"], "actions": {1: "left", 2: "right", 3: "up"}}
    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (8, 8, 3), np.uint8), instruction=spaces.Text(9)
    )

    def __init__(self, action_space=None, render_mode=None):
        self.action_space = KINDS["start"] if action_space is None else action_space
        self.render_mode = render_mode
        self.action_space.seed(0)
        self.taken = []

    def look(self):
        return {"image": np.full((8, 8, 3), self.steps, np.uint8), "instruction": "do"}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.look(), {}

    def step(self, action):
        assert action in self.action_space, action
        self.taken.append(action)
        self.steps += 1
        return self.look(), 0.0, self.steps == 3, False, {}

    def expert_action(self, knowledge="none"):
        self.asked = knowledge
        self.wanted = self.action_space.sample()
        return self.wanted

    def render(self):
        return np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def register():
    """Registers an environment with an action space; its id."""
    made = []

    def make(space, **more):
        name = f"test/AnyActions{len(made)}-v0"
        entry = lambda **kwargs: AnyActions(space, **kwargs)  # noqa: E731
        gym.register(name, entry, disable_env_checker=True, **more)
        made.append(name)
        return name

    yield make
    for name in made:
        del gym.registry[name]


@pytest.mark.parametrize("kind", KINDS)
def test_any_environment_takes_an_agents_actions(kind, register):
    env = make_env(register(KINDS[kind]))
    assert takes_as_is(env.action_space)
    env.reset(seed=0)
    env.action_space.seed(1)
    for _ in range(3):
        env.step(env.action_space.sample())
    assert len(action_notes(env)) == 1
    assert "→" in action_notes(env)[0]


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(3),
        spaces.MultiDiscrete([2, 3]),
        spaces.MultiBinary(3),
        spaces.Box(-1, 1, (2,), np.float32),
    ],
)
def test_what_agents_take_is_left_as_it_is(space):
    env = AnyActions(space)
    assert adapt_actions(env) == (env, [])


def test_grid_worlds_keep_their_engine():
    batch = make_vec_env("mmrl/GoToObjS4-v0", 2)
    assert not isinstance(batch.unwrapped, SyncVectorEnv)
    assert action_notes(batch) == []


def test_an_engine_whose_actions_must_be_adapted_is_not_used(register):
    def engine(num_envs, **kwargs):
        batch = SyncVectorEnv([AnyActions] * num_envs, **kwargs)
        batch.is_engine = True
        return batch

    batch = make_vec_env(register(KINDS["start"], vector_entry_point=engine), 2)
    assert not hasattr(batch.unwrapped, "is_engine")
    assert batch.single_action_space == spaces.Discrete(3)
    assert action_notes(batch) == ["Discrete(3) from 1 → Discrete(3): counted from 0"]


@pytest.mark.parametrize(
    ("wrap", "space", "expected", "action", "taken"),
    [
        (ZeroBasedAction, spaces.Discrete(3, start=1), spaces.Discrete(3), 0, 1),
        (FlatAction, spaces.MultiBinary([1, 2]), spaces.MultiBinary(2), [0, 1], [[0, 1]]),
        (BoundedAction, spaces.Box(0, np.inf, (1,)), spaces.Box(0, 2, (1,)), np.float32([0.5]),
         [0.5]),
        (RescaledAction, spaces.Box(0, 10, (1,)), spaces.Box(-1, 1, (1,)), [0], [5]),
        (DiscretisedAction, spaces.Box(0, 10, (1,)), spaces.MultiDiscrete([11]), [3], [3]),
        (CombinedAction, spaces.MultiDiscrete([2, 3]), spaces.Discrete(6), 5, [1, 2]),
        (MergedAction, spaces.Tuple([spaces.Box(0, 10, ())]), spaces.Box(-1, 1, (1,)), [0], (5,)),
    ],
)  # fmt: skip
def test_each_wrapper_works_alone(wrap, space, expected, action, taken):
    env = wrap(AnyActions(space))
    assert env.action_space == expected
    env.reset(seed=0)
    env.step(action)
    got = env.unwrapped.taken[0]
    assert (got if isinstance(got, tuple) else np.asarray(got).tolist()) == taken
    with pytest.raises(UserError, match=f"{wrap.__name__} takes actions of a "):
        wrap(AnyActions(spaces.Text(3)))


def test_wrappers_with_options():
    arm = AnyActions(spaces.Box(-np.inf, np.inf, (2,)))
    env = DiscretisedAction(BoundedAction(arm, scale=4), bins=3)
    env.reset(seed=0)
    env.step([0, 2])
    assert arm.taken[0].tolist() == [-4, 4]
    assert len(action_notes(env)) == 2


def test_actions_that_nobody_takes(register):
    name = register(spaces.Dict(say=spaces.Text(4)))
    with pytest.raises(UserError, match=f"environment '{name}': agents cannot act in Text"):
        make_env(name)
    assert not takes_as_is(spaces.Text(4))


@pytest.mark.parametrize("kind", KINDS)
def test_an_experts_actions_are_mapped_back(kind, register):
    env = make_vec_env(register(KINDS[kind]), 2)
    env.reset(seed=0)
    experts = find_expert(env, "full")
    env.step(experts())
    inner = env.unwrapped.envs[0].unwrapped
    assert inner.asked == "full"
    if kind in ("start", "starts", "table", "binary", "bytes"):  # nothing is rounded
        assert np.array_equal(inner.taken[0], inner.wanted)


def _seen(labels):
    """Notes the label of each frame instead of drawing it."""

    def draw(scene, view, instruction, label, *others, **more):
        labels.append(label)
        return np.zeros((8, 8, 3), np.uint8)

    return draw


@pytest.mark.parametrize("kind", KINDS)
def test_clips_show_the_environments_own_action(kind, register, monkeypatch):
    labels = []
    draw = "mmrl.viz.clips._draw"
    monkeypatch.setattr(draw, _seen(labels))
    name = register(KINDS[kind])
    policy = RandomPolicy()
    policy.attach(make_vec_env(name, 1), [0])
    assert len(record_clip(policy, name, seed=0).frames) == 4
    assert all(0 < len(label) <= 60 for label in labels[1:])
    if kind == "start":
        assert set(labels[1:]) <= {"left", "right", "up"}
    if kind == "mixed":
        assert labels[1].startswith("arm: ")


def test_errors_name_the_environments_own_action(register, monkeypatch):
    def step(self, action):
        raise ValueError("no")

    monkeypatch.setattr(AnyActions, "step", step)
    env = ErrorContext(make_env(register(KINDS["start"])))
    env.reset(seed=0)
    with pytest.raises(EnvironmentFailedError, match="raised in step 1, action 2, ValueError: no"):
        env.step(1)


def test_names_by_the_environments_own_action(register):
    env = make_env(register(KINDS["start"]))
    assert action_names(env) == {0: "left", 1: "right", 2: "up"}
    assert own_action(env, 0) == (1, KINDS["start"])


@pytest.mark.parametrize("source", [RandomSource, ExpertSource])
@pytest.mark.parametrize("kind", KINDS)
def test_collected_actions_are_the_agents(kind, source, register, tmp_path):
    pytest.importorskip("minari")
    name = register(KINDS[kind])
    collect(Request(name, 3, "anyone", num_envs=2), source, find_place(str(tmp_path / "data")))
    rollouts = open_dataset(str(tmp_path / "data"))
    space = make_env(name).action_space
    assert rollouts.spaces.action == space
    for episode in rollouts:
        assert all(np.asarray(action, space.dtype) in space for action in episode.actions)
