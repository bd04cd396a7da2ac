"""Views: equal to what minigrid's wrappers hand out, in every size and in any range of a batch."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from minigrid.wrappers import FullyObsWrapper, RGBImgObsWrapper, RGBImgPartialObsWrapper

from mmrl_envs.grid.env import GridEnv
from mmrl_envs.grid.generation.levels import LEVELS
from mmrl_envs.grid.rendering.views import PIXELS, SYMBOLS, make_view
from mmrl_envs.grid.vector_env import GridVectorEnv
from mmrl_envs.grid.worlds import GridWorlds

LEVEL_SAMPLE = ["GoToLocal", "BossLevel", "KeyCorridorS3R3", "UnlockToUnlock"]
WRAPPED = {
    ("egocentric", "pixels", 8): lambda env: RGBImgPartialObsWrapper(env, tile_size=8),
    ("egocentric", "pixels", 5): lambda env: RGBImgPartialObsWrapper(env, tile_size=5),
    ("egocentric", "pixels", 16): lambda env: RGBImgPartialObsWrapper(env, tile_size=16),
    ("full", "pixels", 8): lambda env: RGBImgObsWrapper(env, tile_size=8),
    ("full", "pixels", 3): lambda env: RGBImgObsWrapper(env, tile_size=3),
    ("egocentric", "symbolic", 8): lambda env: env,
    ("full", "symbolic", 8): FullyObsWrapper,
}


@pytest.mark.parametrize("level", LEVEL_SAMPLE)
def test_views_equal_minigrids_wrappers(parity, level):
    pair = parity.ParityPair(parity.minigrid_id(level), level)
    assert pair.reset(3) == []
    rng = np.random.default_rng(0)
    wrapped = {key: wrap(pair.source) for key, wrap in WRAPPED.items()}
    worlds = pair.ours.worlds
    views = {key: make_view(worlds.layout, *key, "minigrid") for key in WRAPPED}
    for t in range(60):
        observation = pair.source.gen_obs()
        for key, view in views.items():
            frames = np.empty((1, *view.shape), np.uint8)
            view.paint(worlds.state, 0, 1, np.zeros(1, bool), frames)
            env = wrapped[key]
            theirs = observation if env is pair.source else env.observation(dict(observation))
            assert np.array_equal(frames[0], theirs["image"]), (key, t)
        _, terminated, truncated, _ = pair.step(
            int(rng.choice(7, p=[0.1, 0.1, 0.3, 0.2, 0.1, 0.2, 0]))
        )
        if terminated or truncated:
            assert pair.reset(100 + t) == []


@pytest.mark.parametrize(
    ("obs", "view"),
    [("pixels", view) for view in PIXELS] + [("symbolic", view) for view in SYMBOLS],
)
@pytest.mark.parametrize("tile_size", [8, 6])
def test_gymnasiums_checker_passes_in_every_view(view, obs, tile_size):
    env = gym.make(
        "mmrl/GoToLocal-v0", view=view, obs=obs, tile_size=tile_size, theme="paper"
    ).unwrapped
    check_env(env, skip_render_check=True)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)


@pytest.mark.parametrize("view", PIXELS)
@pytest.mark.parametrize("tile_size", [8, 5])
def test_a_range_is_painted_and_nothing_else(view, tile_size):
    worlds = GridWorlds("GoToDoor", 5, view=view, tile_size=tile_size)
    worlds.seed(np.arange(5, dtype=np.uint64))
    worlds.reset()
    whole = np.zeros(worlds.frames_shape, np.uint8)
    worlds.paint(whole)
    skip = np.array([False, False, True, False, False])
    some = np.full(worlds.frames_shape, 7, np.uint8)
    worlds.view.paint(worlds.state, 1, 4, skip, some)
    for e in range(5):
        expected = whole[e] if e in (1, 3) else np.full_like(whole[e], 7)
        assert np.array_equal(some[e], expected)
        assert np.array_equal(worlds.frame(e), whole[e])


def test_a_theme_changes_the_pixels_and_nothing_else():
    actions = np.random.default_rng(0).integers(0, 7, (80, 4))
    lives = []
    for theme in ("minigrid", "neon"):
        envs = GridVectorEnv(4, "PickupLoc", theme=theme, max_steps=20)
        observation, _ = envs.reset(seed=0)
        life, images = [observation["instruction"]], [observation["image"]]
        for action in actions:
            observation, reward, terminated, _truncated, _ = envs.step(action)
            life.append((observation["instruction"], reward.tolist(), terminated.tolist()))
            images.append(observation["image"])
        lives.append((life, np.stack(images)))
    assert lives[0][0] == lives[1][0]
    assert (lives[0][1] != lives[1][1]).mean() > 0.5


def test_render_is_in_the_theme():
    images = [
        GridEnv("GoToObj", theme=theme, render_mode="rgb_array") for theme in ("minigrid", "paper")
    ]
    for env in images:
        env.reset(seed=0)
    assert not np.array_equal(images[0].render(), images[1].render())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"view": "bird"}, "view='bird': choose from egocentric, full, first_person"),
        ({"obs": "smell"}, "obs='smell': choose from pixels, symbolic"),
        ({"theme": "retro"}, "theme='retro': choose from minigrid, paper, neon"),
        (
            {"view": "first_person", "obs": "symbolic"},
            "view='first_person' has no symbols: choose from egocentric, full",
        ),
        ({"view": "first_person", "tile_size": 65}, "tile_size=65: view='first_person' takes at"),
        ({"tile_size": 0}, "tile_size=0: must be a whole number of pixels, 1 or more"),
        ({"tile_size": 2.5}, "tile_size=2.5: must be"),
    ],
)
def test_what_there_is_not_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GridEnv("GoToObj", **options)


def test_every_view_has_symbols_of_every_level_size():
    for name in ("GoToObjS4", "KeyCorridorS3R1", "OneRoomS20"):
        assert name in LEVELS
        for view in SYMBOLS:
            worlds = GridWorlds(name, 1, view=view, obs="symbolic")
            worlds.seed(np.zeros(1, np.uint64))
            worlds.reset()
            side = (7, 7) if view == "egocentric" else (worlds.layout.width, worlds.layout.height)
            assert worlds.frame(0).shape == (*side, 3)


# The caller's buffer.


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("copy", [True, False])
def test_a_rollout_buffer_is_filled_without_a_copy(mode, copy):
    options = {"autoreset_mode": mode, "max_steps": 9}
    ours, other = (
        GridVectorEnv(3, "GoToObjS4", copy=copy, **options),
        GridVectorEnv(3, "GoToObjS4", **options),
    )
    rollout = np.zeros((40, 3, 56, 56, 3), np.uint8)
    ours.write_into(rollout[0])
    observation, _ = ours.reset(seed=4)
    expected = [other.reset(seed=4)[0]["image"]]
    assert np.shares_memory(observation["image"], rollout[0])
    actions = np.random.default_rng(1).integers(0, 3, (39, 3))
    for t, action in enumerate(actions, 1):
        ours.write_into(rollout[t])
        observation, *_ = ours.step(action)
        assert np.shares_memory(observation["image"], rollout[t])
        expected.append(other.step(action)[0]["image"])
    assert np.array_equal(rollout, np.stack(expected))
    observation, *_ = ours.step(actions[0])  # used once
    assert not np.shares_memory(observation["image"], rollout)
    assert np.array_equal(rollout[-1], expected[-1])


def test_a_masked_reset_keeps_the_other_frames_in_the_callers_buffer():
    env = GridVectorEnv(4, "GoToObj", autoreset_mode="Disabled")
    before = env.reset(seed=0)[0]["image"]
    buffer = np.zeros((4, 56, 56, 3), np.uint8)
    env.write_into(buffer)
    mask = np.array([True, False, False, True])
    env.reset(seed=9, options={"reset_mask": mask})
    assert np.array_equal(buffer[1:3], before[1:3])
    assert not np.array_equal(buffer[0], before[0])


@pytest.mark.parametrize(
    ("buffer", "message"),
    [
        (np.zeros((2, 56, 56, 3), np.float32), "uint8, got float32"),
        ([1, 2], "uint8, got list"),
        (np.zeros((3, 56, 56, 3), np.uint8), r"shape \(3, 56, 56, 3\): must be \(2, 56, 56, 3\)"),
        (np.zeros((4, 56, 56, 3), np.uint8)[::2], "C-contiguous"),
        (np.zeros(2 * 9408 + 1, np.uint8)[1:].reshape(2, 56, 56, 3), "multiple of 8"),
    ],
)
def test_buffers_that_do_not_fit_are_refused(buffer, message):
    env = GridVectorEnv(2, "GoToObj")
    with pytest.raises(ValueError, match=message):
        env.write_into(buffer)
    env.reset(seed=0)


# Threads.


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_threads_change_nothing(mode, assert_same):
    lives = []
    for threads in (1, 2, 3, 9):
        env = GridVectorEnv(7, "PickupLoc", num_threads=threads, autoreset_mode=mode, max_steps=12)
        life = [env.reset(seed=5)]
        for action in np.random.default_rng(0).integers(0, 7, (60, 7)):
            life += [env.step(action), env.expert_actions("seen"), env.expert_actions("full")]
        lives.append(tuple(life))
        env.close()
    for life in lives[1:]:
        assert_same(life, lives[0])


@pytest.mark.parametrize("threads", [0, -1, 1.5])
def test_impossible_numbers_of_threads_are_refused(threads):
    with pytest.raises(ValueError, match=f"num_threads={threads}: must be"):
        GridVectorEnv(4, "GoToObj", num_threads=threads)
