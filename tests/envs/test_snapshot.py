"""Snapshots: exact, into any rows of any batch, and all of it or nothing."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl_envs.grid.core.state import State
from mmrl_envs.grid.env import GridEnv
from mmrl_envs.grid.generation.levels import LEVELS
from mmrl_envs.grid.vector_env import GridVectorEnv

PROPERTY = settings(deadline=None, derandomize=True, max_examples=25)
MODES = ["NextStep", "SameStep"]


def live(env, actions):
    """What a batch hands out from here on."""
    return [env.step(action) for action in actions]


@PROPERTY
@given(
    st.sampled_from(sorted(LEVELS)),
    st.sampled_from(MODES),
    st.integers(0, 10**6),
    st.integers(0, 40),
    st.booleans(),
)
def test_episodes_resume_bit_for_bit(level, mode, seed, before, knows):
    options = {"autoreset_mode": mode, "max_steps": 25}
    first, second = GridVectorEnv(3, level, **options), GridVectorEnv(3, level, **options)
    actions = np.random.default_rng(seed).integers(0, 7, (before + 40, 3))
    first.reset(seed=seed)
    if knows:
        first.expert_actions()
    live(first, actions[:before])
    state = first.get_state()
    kept = {name: array.copy() for name, array in state.items()}
    second.set_state(state)
    for a, b in zip(live(first, actions[before:]), live(second, actions[before:]), strict=True):
        assert np.array_equal(a[0]["image"], b[0]["image"])
        assert a[0]["instruction"] == b[0]["instruction"]
        for k in (1, 2, 3):
            assert np.array_equal(a[k], b[k])
    if knows:
        assert np.array_equal(first.expert_actions(), second.expert_actions())
        assert np.array_equal(first.worlds.state.seen, second.worlds.state.seen)
    for name, array in kept.items():  # a copy: what was handed out did not live on
        assert np.array_equal(array, state[name])


def test_rows_of_one_batch_go_into_rows_of_another():
    one, other = GridVectorEnv(5, "PutNextLocal"), GridVectorEnv(4, "PutNextLocal")
    one.reset(seed=0)
    live(one, np.random.default_rng(0).integers(0, 7, (20, 5)))
    other.reset(seed=50)
    before = other.observe()
    other.set_state(one.get_state([4, 1]), rows=[0, 3])
    after, source = other.observe(), one.observe()
    for there, here in ((0, 4), (3, 1)):
        assert np.array_equal(after["image"][there], source["image"][here])
        assert after["instruction"][there] == source["instruction"][here]
    for e in (1, 2):
        assert np.array_equal(after["image"][e], before["image"][e])
    actions = np.random.default_rng(1).integers(0, 7, (60, 5))
    for a in actions:
        x, y = one.step(a), other.step([a[4], 0, 0, a[1]])
        assert np.array_equal(x[0]["image"][[4, 1]], y[0]["image"][[0, 3]])
        assert np.array_equal(x[1][[4, 1]], y[1][[0, 3]])


def test_a_single_environment_and_a_row_are_the_same():
    alone, batch = GridEnv("BossLevel"), GridVectorEnv(3, "BossLevel", autoreset_mode="Disabled")
    alone.reset(seed=3)
    batch.reset(seed=9)
    batch.set_state(alone.get_state(), rows=[1])
    for action in np.random.default_rng(0).integers(0, 7, 50).tolist():
        image = alone.step(action)[0]["image"]
        assert np.array_equal(batch.step([0, action, 0])[0]["image"][1], image)
    back = GridEnv("BossLevel")
    back.set_state(batch.get_state([1]))
    assert np.array_equal(back.observe()["image"], alone.observe()["image"])


def test_an_episode_that_is_over_stays_over():
    env, other = GridEnv("GoToObj", max_steps=1), GridEnv("GoToObj", max_steps=1)
    env.reset(seed=0)
    env.step(6)
    other.set_state(env.get_state())
    with pytest.raises(ResetNeeded):
        other.step(0)


def test_it_survives_a_file_without_pickle(tmp_path):
    env = gym.make_vec("mmrl/KeyInBox-v0", num_envs=4)
    env.reset(seed=1)
    np.savez(tmp_path / "state.npz", **env.unwrapped.get_state())
    other = gym.make_vec("mmrl/KeyInBox-v0", num_envs=4)
    with np.load(tmp_path / "state.npz", allow_pickle=False) as stored:
        other.unwrapped.set_state(dict(stored))
    assert np.array_equal(other.unwrapped.observe()["image"], env.unwrapped.observe()["image"])


def spoilt(state, **changes):
    return {**state, **changes}


def without(state, name):
    return {key: array for key, array in state.items() if key != name}


def altered(state, name, index, value):
    array = state[name].copy()
    array[index] = value
    return {**state, name: array}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda s: without(s, "grid"), "lacks grid"),
        (lambda s: without(s, "over"), "'over' of the state must be bool"),
        (lambda s: spoilt(s, mood=np.zeros(2)), "holds mood"),
        (lambda s: spoilt(s, version=np.array(99)), "version 99 .*: versions 1 to 3 are read"),
        (lambda s: spoilt(s, level=np.array("GoTo")), "level GoTo: this is GoToLocal"),
        (lambda s: spoilt(s, program=s["program"][1:]), "with other sizes"),
        (lambda s: spoilt(s, fixed_max_steps=np.array(7)), "max_steps=7: this is 0"),
        (lambda s: spoilt(s, grid=s["grid"].astype(np.int64)), "grid .* uint8 .* got int64"),
        (lambda s: spoilt(s, carried=s["carried"][:1]), r"carried .* shape \(2,\), got"),
        (lambda s: spoilt(s, rng=s["rng"].tolist()), "rng .* numpy array"),
        (lambda s: spoilt(s, over=np.zeros(2)), "'over' of the state must be bool"),
        (lambda s: altered(s, "agent_direction", 1, 4), "environment 1 .* direction is not 0 to 3"),
        (lambda s: altered(s, "agent_cell", 0, 3), "environment 0 .* outside of the grid"),
        (lambda s: altered(s, "max_steps", 1, 0), "environment 1 .* limit"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(spoil, reason, bytes_of):
    env = GridVectorEnv(2, "GoToLocal")
    env.reset(seed=0)
    state = env.get_state()
    live(env, np.random.default_rng(0).integers(0, 7, (10, 2)))
    before = bytes_of(env.worlds)
    with pytest.raises(ValueError, match=reason):
        env.set_state(spoil(state))
    assert bytes_of(env.worlds) == before
    env.set_state(state)


def test_a_snapshot_of_version_1_is_read(assert_same):
    env, other = GridVectorEnv(2, "GoToLocal"), GridVectorEnv(2, "GoToLocal")
    env.reset(seed=0)
    state = env.get_state()
    names = {"rng": "streams", "program": "recipe"}
    former = {names.get(name, name): array for name, array in state.items()}
    other.set_state(former | {"version": np.array(1)})
    assert_same(other.get_state(), state)
    with pytest.raises(ValueError, match="the state lacks program, rng"):
        other.set_state(former)


def test_sizes_and_rows_have_to_fit():
    env = GridVectorEnv(2, "GoToLocal")
    with pytest.raises(ResetNeeded):
        env.get_state()
    env.reset(seed=0)
    for rows in ([2], [-1], [0, 0]):
        with pytest.raises(ValueError, match="each of 0 to 1 once"):
            env.get_state(rows)
    larger = GridVectorEnv(2, "GoToLocal", room_size=9)
    with pytest.raises(ValueError, match="with other sizes"):
        larger.set_state(env.get_state())
    with pytest.raises(ResetNeeded, match="have no state yet"):
        GridVectorEnv(2, "GoToLocal").set_state(env.get_state([0]), rows=[0])


def test_every_array_of_the_state_is_in_it():
    env = GridEnv("GoToObj")
    env.reset(seed=0)
    assert set(State._fields) <= set(env.get_state())
