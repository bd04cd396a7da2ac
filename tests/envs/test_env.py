"""The single environment: Gymnasium's own checker, its conventions, the window, determinism."""

import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled, ResetNeeded
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

import mmrl_envs
from mmrl_envs.grid.env import GridEnv
from mmrl_envs.grid.generation.levels import LEVELS
from mmrl_envs.grid.vector_env import GridVectorEnv

PROPERTY = settings(deadline=None, derandomize=True, max_examples=15)
IDS = sorted(
    name
    for name in gym.registry
    if name.startswith(f"{mmrl_envs.NAMESPACE}/") and not name.endswith("Strict-v0")
)


def plain(info):
    """An info as plain values."""
    return {name: np.asarray(value).tolist() for name, value in info.items()}


NOTHING_DONE = {"clauses_done": [False] * 4}


def trajectory(env, seed, actions):
    """All that is handed out from a reset on, with a reset after every episode, as plain values."""

    def shown(observation):
        return observation["image"].tobytes(), observation["instruction"]

    observation, info = env.reset(seed=seed)
    lived = [(*shown(observation), plain(info))]
    for action in actions:
        observation, *outcome, info = env.step(action)
        lived.append((*shown(observation), *outcome, plain(info)))
        if outcome[1] or outcome[2]:
            observation, info = env.reset()
            lived.append((*shown(observation), plain(info)))
    return lived


def test_every_level_is_registered():
    assert [f"mmrl/{name}-v0" for name in sorted(LEVELS)] == IDS
    mmrl_envs.register_envs()  # again: nothing happens, and nothing is warned of


@pytest.mark.parametrize("env_id", IDS)
def test_gymnasiums_checker_passes(env_id):
    env = gym.make(env_id, render_mode="rgb_array")
    with warnings.catch_warnings():
        # It warns of every observation that is not a plain Box: a dictionary with a sentence.
        warnings.filterwarnings("ignore", message=".*(not a typical|is not an image).*")
        check_env(env.unwrapped, skip_render_check=True)


@pytest.mark.parametrize("env_id", IDS)
def test_same_seed_same_life(env_id):
    """One determinism test over every registered environment."""
    actions = np.random.default_rng(0).integers(0, 7, 60).tolist()
    first, second = (trajectory(gym.make(env_id), 17, actions) for _ in range(2))
    assert first == second
    env = gym.make(env_id)
    trajectory(env, 3, actions[:20])
    assert trajectory(env, 17, actions) == first  # whatever came before
    assert trajectory(env, 18, actions) != first


@PROPERTY
@given(
    st.sampled_from(sorted(LEVELS)),
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 6), min_size=5, max_size=60),
)
def test_alone_as_in_a_batch(level, seed, actions):
    """An environment by itself lives as the first of a batch in mode "SameStep"."""
    alone = trajectory(GridEnv(level, max_steps=8), seed, actions)
    env = GridVectorEnv(3, level, autoreset_mode="SameStep", max_steps=8)
    observation, _ = env.reset(seed=seed)
    lived = [(observation["image"][0].tobytes(), observation["instruction"][0], NOTHING_DONE)]
    for action in actions:
        observation, reward, terminated, truncated, infos = env.step([action, 0, 1])
        now = (observation["image"][0].tobytes(), observation["instruction"][0])
        outcome = float(reward[0]), bool(terminated[0]), bool(truncated[0])
        if terminated[0] or truncated[0]:
            last = infos["final_obs"][0]
            final = {name: infos["final_info"][name][0] for name in ("clauses_done", "is_success")}
            seen = last["image"].tobytes(), last["instruction"]
            lived += [(*seen, *outcome, plain(final)), (*now, NOTHING_DONE)]
        else:
            info = {"clauses_done": infos["clauses_done"][0]}
            lived.append((*now, *outcome, plain(info)))
    assert lived == alone


def test_reward_and_success_at_the_end():
    """1 − 0.9 · steps / max_steps on success, else 0; reported at the end alone."""
    env = GridEnv("GoToObjS4", max_steps=40)
    rng = np.random.default_rng(1)
    outcomes = set()
    for seed in range(30):
        env.reset(seed=seed)
        for t in range(1, 41):  # noqa: B007  # used below
            _, reward, terminated, truncated, info = env.step(rng.integers(0, 3))
            if terminated or truncated:
                break
            assert reward == 0.0
            assert "is_success" not in info
        assert info["is_success"] == terminated
        assert reward == (1 - 0.9 * (t / 40) if terminated else 0.0)
        assert truncated == (t == 40)
        outcomes.add(terminated)
    assert outcomes == {True, False}


def test_step_limit_counts_clauses_and_room():
    for level, limit in (("GoToLocal", 64), ("GoToObjS4", 16), ("PutNextLocalS5N3", 50)):
        env = GridEnv(level)
        env.reset(seed=0)
        steps, truncated, terminated = 0, False, False
        while not (truncated or terminated):
            _, _, terminated, truncated, _ = env.step(6)
            steps += 1
        assert (steps, terminated) == (limit, False)


def test_without_a_seed_the_generator_continues():
    env = GridEnv("GoToLocal")
    images = [env.reset(seed=4)[0]["image"].tobytes()]
    images += [env.reset()[0]["image"].tobytes() for _ in range(5)]
    assert len(set(images)) == 6
    again = [env.reset(seed=4)[0]["image"].tobytes()]
    again += [env.reset()[0]["image"].tobytes() for _ in range(5)]
    assert again == images


def test_unseeded_environments_differ():
    generators = set()
    for _ in range(6):
        env = GridEnv("GoToLocal")
        env.reset()
        generators.add(int(env.worlds.state.rng[0]))
    assert len(generators) == 6


@pytest.mark.parametrize(
    "action", [-1, 7, 100, 1.0, "left", None, True, [1, 2], np.array([[1]]), np.float32(2)]
)
def test_wrong_actions_change_nothing(bytes_of, action):
    env = GridEnv("GoToLocal")
    env.reset(seed=0)
    before = bytes_of(env.worlds)
    with pytest.raises(ValueError, match=r"action .*: must be .*0 to 6"):
        env.step(action)
    assert bytes_of(env.worlds) == before


@pytest.mark.parametrize("action", [2, np.int64(2), np.uint8(2), np.array(2), np.array([2])])
def test_integers_of_any_kind_are_actions(action):
    env, other = GridEnv("GoToLocal"), GridEnv("GoToLocal")
    env.reset(seed=0)
    other.reset(seed=0)
    observation, *outcome, _ = env.step(action)
    expected, *rest, _ = other.step(2)
    assert np.array_equal(observation["image"], expected["image"])
    assert outcome == rest


def test_no_episode_no_step():
    env = GridEnv("GoToLocal", max_steps=1)
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(0)
    env.reset(seed=0)
    env.step(6)
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": "GotoLocal"}, "unknown level 'GotoLocal'; nearest: GoToLocal"),
        ({"render_mode": "ansi"}, "'ansi'.*'rgb_array' or 'human'"),
        ({"max_steps": -1}, "max_steps=-1: must be at least 1"),
        ({"rooms": 2}, "unknown parameter 'rooms'"),
        ({"room_size": 2}, "at least 3 cells"),
    ],
)
def test_impossible_environments_are_turned_down(arguments, message):
    with pytest.raises(ValueError, match=message):
        GridEnv(**arguments)


def test_a_negative_seed_is_turned_down(bytes_of):
    env = GridEnv("GoToLocal")
    env.reset(seed=0)
    before = bytes_of(env.worlds)
    with pytest.raises((ValueError, gym.error.Error), match="-1"):
        env.reset(seed=-1)
    assert bytes_of(env.worlds) == before


def test_observations_that_were_handed_out_never_change():
    env = GridEnv("GoToLocal", max_steps=12)
    held = [env.reset(seed=0)[0]["image"]]
    copies = [held[0].copy()]
    for action in np.random.default_rng(0).integers(0, 4, 60):
        observation, _, terminated, truncated, _ = env.step(action)
        held.append(observation["image"][::2])
        copies.append(held[-1].copy())
        if terminated or truncated:
            held.append(env.reset()[0]["image"])
            copies.append(held[-1].copy())
    assert len({copy.tobytes() for copy in copies}) > 10
    for frame, copy in zip(held, copies, strict=True):
        assert np.array_equal(frame, copy)


def test_render_shows_the_whole_grid():
    env = GridEnv("GoToObjS6", render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    assert (before.shape, before.dtype) == ((192, 192, 3), np.uint8)
    env.step(0)
    assert not np.array_equal(env.render(), before)
    assert GridEnv("GoToObjS6").render() is None


def test_window_shows_the_image_and_the_sentence(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    import pygame

    env = GridEnv("GoToObjS6", render_mode="human")
    env.metadata = {**env.metadata, "render_fps": 1000}
    env.reset(seed=0)
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    assert np.array_equal(shown[:192], env.worlds.image(0))
    footer = shown[192:]
    assert len(np.unique(footer.reshape(-1, 3), axis=0)) > 1  # letters on paper
    env.step(0)
    turned = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    assert np.array_equal(turned[:192], env.worlds.image(0))
    assert not np.array_equal(turned[:192], shown[:192])
    assert np.array_equal(turned[192:], footer)
    assert env.render() is None
    env.close()
    assert not pygame.display.get_init()
    env.close()  # twice does no harm
    env.reset(seed=0)  # and a new window opens
    assert pygame.display.get_init()
    env.close()


def test_window_fits_a_long_sentence(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    import pygame

    from mmrl_envs.grid.rendering.window import Window

    window = Window("a test", 1000)
    window.show(np.zeros((64, 96, 3), np.uint8), "go to the purple ball in front of you " * 4)
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    assert shown.shape[1] == 96
    paper = shown[-1, 0]
    columns = np.flatnonzero((shown[64:] != paper).any(axis=(0, 2)))
    assert len(columns) > 0
    assert columns[0] > 0
    assert columns[-1] < 95
    window.close()


def test_a_window_without_pygame(monkeypatch):
    from mmrl_envs.grid.rendering.window import Window

    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(DependencyNotInstalled, match=r"pip install 'multimodal-rl\[play\]'"):
        Window("a test", 30)
