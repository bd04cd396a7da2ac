"""The native batch: Gymnasium's conventions, independence of the batch, and what it rejects."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

import mmrl_envs  # noqa: F401  # registers
from mmrl_envs.grid.vector_env import GridVectorEnv

PROPERTY = settings(deadline=None, derandomize=True, max_examples=20)
MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED]
BUSY = np.array([2, 2, 5, 3, 3, 1, 1]) / 17  # actions that go about and pick things up


def actions_of(seed, steps, num_envs):
    return np.random.default_rng(seed).choice(7, size=(steps, num_envs), p=BUSY)


def episodes(env, row, actions, seed):
    """What environment ``row`` lives through, without the steps in which it is only reset, and
    with the same actions in whatever mode: (image, sentence) at a reset, (image, sentence, reward,
    terminated, truncated) at a step.
    """
    mode = env.autoreset_mode
    observation, _ = env.reset(seed=seed)
    lived = [seen(observation, row)]
    taken = 0
    waits = False
    while taken < len(actions):
        batch = np.random.default_rng(taken).integers(0, 7, env.num_envs)
        if waits and mode is AutoresetMode.NEXT_STEP:
            observation, reward, terminated, truncated, _ = env.step(batch)
            assert (reward[row], terminated[row], truncated[row]) == (0, False, False)
            lived.append(seen(observation, row))
            waits = False
            continue
        batch[row] = actions[taken]
        taken += 1
        observation, reward, terminated, truncated, infos = env.step(batch)
        over = bool(terminated[row] or truncated[row])
        outcome = float(reward[row]), bool(terminated[row]), bool(truncated[row])
        if over and mode is AutoresetMode.SAME_STEP:
            final = infos["final_obs"][row]
            lived.append((final["image"].tobytes(), final["instruction"], *outcome))
            lived.append(seen(observation, row))
        else:
            lived.append((*seen(observation, row), *outcome))
        waits = over
        if mode is AutoresetMode.DISABLED and (terminated | truncated).any():
            observation, _ = env.reset(options={"reset_mask": terminated | truncated})
            if over:
                lived.append(seen(observation, row))
    return lived if len(lived[-1]) > 2 else lived[:-1]  # a last reset comes late in "NextStep"


def seen(observation, row):
    return observation["image"][row].tobytes(), observation["instruction"][row]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("level", "max_steps"), [("GoToLocal", 9), ("PickupLoc", 40)])
def test_as_gymnasiums_own_vector_environment(assert_same, mode, level, max_steps):
    """Observations, rewards, ends, final_obs, final_info: the same as SyncVectorEnv's."""
    options = {"num_envs": 5, "max_steps": max_steps}
    ours = gym.make_vec(f"mmrl/{level}-v0", autoreset_mode=mode, **options)
    theirs = gym.make_vec(
        f"mmrl/{level}-v0",
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": mode},
        **options,
    )
    assert isinstance(ours.unwrapped, GridVectorEnv)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"]
    assert_same(ours.reset(seed=11), theirs.reset(seed=11), "reset")
    successes = ends = 0
    for t, actions in enumerate(actions_of(3, 400, 5)):
        one, two = ours.step(actions), theirs.step(actions)
        assert_same(one, two, f"step {t}")
        done = one[2] | one[3]
        ends += done.sum()
        successes += one[2].sum()
        if mode is AutoresetMode.DISABLED and done.any():
            masked = [env.reset(options={"reset_mask": done.copy()}) for env in (ours, theirs)]
            assert_same(*masked, f"reset after step {t}")
    assert successes > 0
    assert ends - successes > 10
    ours.close()
    theirs.close()


@pytest.mark.parametrize("level", ["GoToLocal", "GoToObjS4", "PickupLoc"])
def test_an_episode_depends_on_its_seed_and_actions_alone(level):
    """In batches of whatever size, at whatever place, in whatever mode."""
    actions = actions_of(0, 600, 1)[:, 0].tolist()
    reference = None
    for num_envs, row in ((1, 0), (2, 1), (7, 0), (16, 13)):
        for mode in MODES:
            env = GridVectorEnv(num_envs, level, autoreset_mode=mode, max_steps=15)
            seeds = [1000 + e for e in range(num_envs)]
            seeds[row] = 42
            lived = episodes(env, row, actions, seeds)
            reference = reference or lived
            assert lived == reference, (num_envs, row, mode)
    assert len(reference) > 600 + 600 // 15  # with at least one episode that ended in success


@PROPERTY
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.data())
def test_seed_of_a_batch_is_the_first_of_its_seeds(seed, num_envs, data):
    row = data.draw(st.integers(0, num_envs - 1))
    batch, _ = GridVectorEnv(num_envs, "PickupLoc").reset(seed=seed)
    alone, _ = gym.make("mmrl/PickupLoc-v0").reset(seed=seed + row)
    assert seen(batch, row) == (alone["image"].tobytes(), alone["instruction"])


def test_observations_lie_in_the_space():
    env = GridVectorEnv(4, "PickupLoc")
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    for actions in actions_of(1, 50, 4):
        observation, *_ = env.step(actions)
        assert env.observation_space.contains(observation)


def test_without_a_seed_generators_continue_and_with_one_they_restart():
    env = GridVectorEnv(2, "GoToLocal")
    first = seen(env.reset(seed=5)[0], 0)
    second = seen(env.reset()[0], 0)
    assert second != first
    assert seen(env.reset(seed=5)[0], 0) == first
    assert seen(env.reset()[0], 0) == second
    both = env.reset(seed=[5, None])[0]
    assert seen(both, 0) == first


def test_unseeded_batches_differ():
    """In their random generators: what two agents see at first may coincide."""
    generators = []
    for _ in range(4):
        env = GridVectorEnv(2, "GoToLocal")
        env.reset()
        generators += env.worlds.state.rng.tolist()
    assert len(set(generators)) == 8


@pytest.mark.parametrize("mode", MODES)
def test_a_masked_reset_leaves_the_others_alone(mode):
    env = GridVectorEnv(4, "GoToLocal", autoreset_mode=mode)
    env.reset(seed=0)
    before, *_ = env.step(np.array([0, 1, 0, 1]))
    state = [array.copy() for array in env.worlds.state]
    mask = np.array([True, False, False, True])
    after, infos = env.reset(options={"reset_mask": mask})
    assert not infos["clauses_done"].any()
    for e in (1, 2):
        assert seen(after, e) == seen(before, e)
    for one, two in zip(state, env.worlds.state, strict=True):
        assert np.array_equal(one[~mask], two[~mask])
    assert env.worlds.state.step_count.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("seed", [[7, 8], [None, 8]])
def test_a_masked_reset_seeds_only_the_masked(seed):
    env = GridVectorEnv(2, "GoToLocal")
    env.reset(seed=0)
    generators = env.worlds.state.rng.copy()
    after, _ = env.reset(seed=seed, options={"reset_mask": np.array([False, True])})
    assert env.worlds.state.rng[0] == generators[0]
    assert seen(after, 1) == seen(GridVectorEnv(1, "GoToLocal").reset(seed=8)[0], 0)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros(2, int), r"shape \(3,\), got int64 of shape \(2,\)"),
        (np.zeros((3, 1), int), r"shape \(3,\), got int64 of shape \(3, 1\)"),
        (np.zeros(3), r"integers of shape \(3,\), got float64"),
        (np.zeros(3, bool), r"integers of shape \(3,\), got bool"),
        (0, r"shape \(3,\), got int64 of shape \(\)"),
        ([0, 1, 7], "action 7: must be 0 to 6"),
        ([0, -1, 2], "action -1: must be 0 to 6"),
        (["left", "left", "left"], r"integers of shape \(3,\)"),
        (None, r"integers of shape \(3,\)"),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_wrong_actions_change_nothing(bytes_of, mode, actions, message):
    env = GridVectorEnv(3, "GoToLocal", autoreset_mode=mode)
    env.reset(seed=0)
    observation, *_ = env.step([2, 2, 2])
    image = observation["image"].copy()
    before = bytes_of(env.worlds)
    with pytest.raises(ValueError, match=message):
        env.step(actions)
    assert bytes_of(env.worlds) == before
    assert np.array_equal(observation["image"], image)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_integers_of_any_width_are_actions(dtype, assert_same):
    outcomes = []
    for kind in (np.int64, dtype):
        env = GridVectorEnv(3, "GoToLocal")
        env.reset(seed=0)
        outcomes.append([env.step(row.astype(kind)) for row in actions_of(2, 20, 3)])
    assert_same(*outcomes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed -1: must be 0 to"),
        ({"seed": [0, 1, -5]}, "seed -5: must be 0 to"),
        ({"seed": [0, 1]}, "2 seeds for 3 environments"),
        ({"options": {"reset_mask": np.zeros(3, bool)}}, "with a True in it"),
        ({"options": {"reset_mask": np.ones(2, bool)}}, r"bool of shape \(3,\)"),
        ({"options": {"reset_mask": np.ones(3, int)}}, r"got int64 of shape \(3,\)"),
    ],
)
def test_wrong_resets_change_nothing(bytes_of, arguments, message):
    env = GridVectorEnv(3, "GoToLocal")
    env.reset(seed=0)
    env.step([2, 2, 2])
    before = bytes_of(env.worlds)
    with pytest.raises(ValueError, match=message):
        env.reset(**arguments)
    assert bytes_of(env.worlds) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_envs": 0}, "num_envs=0: must be at least 1"),
        ({"num_envs": -2}, "num_envs=-2: must be at least 1"),
        ({"level": "GoToLocale"}, "unknown level 'GoToLocale'; nearest: GoToLocal"),
        ({"max_steps": 0}, "max_steps=0: must be at least 1"),
        ({"render_mode": "human"}, "'human'.*None and 'rgb_array'"),
        ({"autoreset_mode": "Sometimes"}, "'Sometimes'"),
        ({"speed": 3}, "unknown parameter 'speed': this level has room_size, num_dists"),
        ({"room_size": 2}, "room_size=2: a room needs at least 3"),
        ({"room_size": 4}, "8 objects do not fit.*room_size=4 hold at most 1"),
        ({"num_dists": -1}, "-1 objects: must be 0 or more"),
        ({"num_dists": 0}, "too few objects"),
        ({"level": "PutNextLocal", "num_objs": 1}, "too few objects"),
        ({"level": "PutNextLocal", "num_objs": 19}, "there are only 18"),
        ({"num_dists": 65, "room_size": 20}, "a grid holds at most 64"),
    ],
)
def test_impossible_batches_are_turned_down(arguments, message):
    with pytest.raises(ValueError, match=message):
        GridVectorEnv(**{"num_envs": 2, **arguments})


def test_a_room_too_full_to_generate_raises():
    env = GridVectorEnv(1, "GoToLocal", room_size=5, num_dists=6)
    with pytest.raises(RuntimeError, match=r"GoToLocal could not be generated from seed 3.*room"):
        env.reset(seed=3)


@pytest.mark.parametrize("mode", MODES)
def test_step_before_the_first_reset(mode):
    with pytest.raises(ResetNeeded, match="reset"):
        GridVectorEnv(2, "GoToLocal", autoreset_mode=mode).step([0, 0])


def test_step_after_the_end_where_nobody_resets(bytes_of):
    env = GridVectorEnv(2, "GoToLocal", autoreset_mode="Disabled", max_steps=2)
    env.reset(seed=0)
    for _ in range(2):
        *_, truncated, infos = env.step([6, 6])
    assert truncated.all()
    assert not infos["is_success"].any()
    before = bytes_of(env.worlds)
    with pytest.raises(ResetNeeded, match="environment 0"):
        env.step([6, 6])
    assert bytes_of(env.worlds) == before
    env.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(ResetNeeded, match="environment 1"):
        env.step([6, 6])


@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize("kept", ["image", "one of it", "a corner of it"])
def test_frames_that_were_handed_out_never_change(mode, kept):
    """Whoever holds a frame, or any view of it, for however long."""
    env = GridVectorEnv(3, "GoToLocal", autoreset_mode=mode, max_steps=7)
    cut = {"image": slice(None), "one of it": 1, "a corner of it": np.s_[2, 16:40, ::2]}[kept]
    held = [env.reset(seed=0)[0]["image"][cut]]
    copies = [held[0].copy()]
    for t, actions in enumerate(actions_of(4, 60, 3)):
        observation, *_, infos = env.step(actions)
        held.append(observation["image"][cut])
        copies.append(held[-1].copy())
        for final in filter(None, infos.get("final_obs", ())):
            held.append(final["image"])
            copies.append(held[-1].copy())
        if t % 20 == 19:  # let some of them go, so that their memory is used again
            del held[::2], copies[::2]
        if t == 30:
            env.reset(options={"reset_mask": np.array([True, False, False])})
    assert len({copy.tobytes() for copy in copies}) > 3
    for frame, copy in zip(held, copies, strict=True):
        assert np.array_equal(frame, copy)


def test_without_copies_there_is_one_buffer(assert_same):
    one, two = (GridVectorEnv(3, "GoToLocal", copy=copy, max_steps=9) for copy in (True, False))
    first = two.reset(seed=0)[0]["image"]
    assert_same(one.reset(seed=0)[0]["image"], first)
    for actions in actions_of(5, 40, 3):
        again = two.step(actions)
        assert_same(one.step(actions), again)
        assert np.shares_memory(first, again[0]["image"])


def test_render_draws_every_world():
    env = GridVectorEnv(2, "GoToLocal", render_mode="rgb_array")
    env.reset(seed=0)
    images = env.render()
    assert [image.shape for image in images] == [(256, 256, 3)] * 2
    assert not np.array_equal(*images)
    assert GridVectorEnv(2, "GoToLocal").render() is None


@pytest.mark.parametrize("mode", MODES)
def test_mode_may_be_a_string(mode):
    assert GridVectorEnv(1, autoreset_mode=mode.value).autoreset_mode is mode


@pytest.mark.parametrize("level", ["GoToLocal", "BossLevel"])
def test_sync_async_and_native_live_alike(level):
    """All three ways of ``make_vec``, in Gymnasium's default autoreset mode.

    With shared memory, Gymnasium's asynchronous batch reads strings but once, when it is made
    (Gymnasium#1164): it has to do without.
    """
    ways = {"sync": None, "async": {"shared_memory": False}, "vector_entry_point": None}
    batches = [
        gym.make_vec(
            f"mmrl/{level}-v0", 3, vectorization_mode=way, vector_kwargs=vector_kwargs, max_steps=15
        )
        for way, vector_kwargs in ways.items()
    ]
    lives = []
    for envs in batches:
        observation, _ = envs.reset(seed=2)
        life = [(observation["image"].copy(), tuple(observation["instruction"]))]
        for action in actions_of(0, 40, 3):
            observation, *ends, _ = envs.step(action)
            shown = (observation["image"].copy(), tuple(observation["instruction"]))
            life.append((*shown, *(np.array(end) for end in ends)))
        lives.append(life)
        envs.close()
    for life in lives[1:]:
        for one, two in zip(lives[0], life, strict=True):
            for a, b in zip(one, two, strict=True):
                assert np.array_equal(a, b)
