"""Several themes at once: each episode has one, by its seed, and nothing else is changed."""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmrl_envs
from mmrl_envs.grid.env import GridEnv
from mmrl_envs.grid.rendering.themes.files import sprites_of, write_sprites
from mmrl_envs.grid.rendering.views import PIXELS
from mmrl_envs.grid.vector_env import GridVectorEnv

PROPERTY = settings(deadline=None, derandomize=True, max_examples=25)
THEMES = ["minigrid", "paper", "neon"]


def looks(images, singles):
    """By which of the themes alone each image is painted, int [N]."""
    same = np.stack([(images == one).all((1, 2, 3)) for one in singles])
    assert (same.sum(0) == 1).all()
    return same.argmax(0)


@pytest.mark.parametrize("view", PIXELS)
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_an_episode_keeps_its_theme_and_is_that_of_a_single_one(view, mode):
    options = {"view": view, "autoreset_mode": mode, "max_steps": 12}
    mixed = GridVectorEnv(8, "PickupLoc", theme=THEMES, **options)
    alone = [GridVectorEnv(8, "PickupLoc", theme=theme, **options) for theme in THEMES]
    observation, _ = mixed.reset(seed=5)
    theirs = [env.reset(seed=5)[0] for env in alone]
    before = looks(observation["image"], [one["image"] for one in theirs])
    seen, changed = set(before.tolist()), 0
    waits = np.zeros(8, bool)
    for actions in np.random.default_rng(0).integers(0, 7, (60, 8)):
        observation, reward, terminated, truncated, infos = mixed.step(actions)
        steps = [env.step(actions) for env in alone]
        now = looks(observation["image"], [one[0]["image"] for one in steps])
        over = terminated | truncated
        begun = over if mode == "SameStep" else waits
        assert np.array_equal(now[~begun], before[~begun])
        if mode == "SameStep":
            for e in np.flatnonzero(over):
                final = steps[before[e]][4]["final_obs"][e]["image"]
                assert np.array_equal(infos["final_obs"][e]["image"], final)
        for one in steps:
            assert one[0]["instruction"] == observation["instruction"]
            assert np.array_equal(one[1], reward)
        changed += int((now != before).sum())
        before, waits = now, over
        seen |= set(now.tolist())
    assert seen == {0, 1, 2}
    assert changed > 10


@PROPERTY
@given(st.integers(0, 2**40), st.integers(1, 6), st.data())
def test_same_seed_same_theme(seed, num_envs, data):
    """Whatever batch it stands in, however many threads paint it, and alone."""
    row = data.draw(st.integers(0, num_envs - 1))
    threads = data.draw(st.integers(1, 3))
    batch = GridVectorEnv(num_envs, theme=THEMES, num_threads=threads)
    alone = gym.make("mmrl/GoToLocal-v0", theme=THEMES)
    image = alone.reset(seed=seed + row)[0]["image"]
    assert np.array_equal(batch.reset(seed=seed)[0]["image"][row], image)
    assert np.array_equal(alone.reset(seed=seed + row)[0]["image"], image)
    worlds = batch.worlds
    assert np.array_equal(worlds.frame(row), image)
    batch.close()


def test_every_theme_is_drawn_alike():
    singles = [GridVectorEnv(900, theme=theme).reset(seed=0)[0]["image"] for theme in THEMES]
    mixed = GridVectorEnv(900, theme=THEMES).reset(seed=0)[0]["image"]
    assert (np.abs(np.bincount(looks(mixed, singles)) - 300) < 6 * np.sqrt(200)).all()


def test_the_image_from_above_and_an_edited_scene_are_in_the_same_theme():
    mixed = GridVectorEnv(6, theme=THEMES, view="full", tile_size=8, copy=False)
    alone = [GridVectorEnv(6, theme=theme, view="full", tile_size=8) for theme in THEMES]
    drawn = looks(mixed.reset(seed=3)[0]["image"], [one.reset(seed=3)[0]["image"] for one in alone])
    for e in range(6):
        expected = alone[drawn[e]].worlds.image(e, 32)
        assert np.array_equal(mixed.worlds.image(e, 32), expected)
    edits = {"edits": [(1, 2)] * 6}
    edited = mixed.reset(seed=3, options=edits)[0]["image"]
    theirs = [one.reset(seed=3, options=edits)[0]["image"] for one in alone]
    assert np.array_equal(looks(edited, theirs), drawn)


@PROPERTY
@given(st.integers(0, 10**6), st.integers(0, 30))
def test_it_goes_on_from_a_state_in_its_theme(seed, before):
    first, second = (GridVectorEnv(3, theme=THEMES, max_steps=9) for _ in range(2))
    actions = np.random.default_rng(seed).integers(0, 7, (before + 25, 3))
    first.reset(seed=seed)
    for action in actions[:before]:
        first.step(action)
    second.set_state(first.get_state())
    assert np.array_equal(first.observe()["image"], second.observe()["image"])
    for action in actions[before:]:
        one, other = first.step(action), second.step(action)
        assert np.array_equal(one[0]["image"], other[0]["image"])


def test_files_and_names_together(tmp_path):
    sprites = sprites_of(mmrl_envs.grid.rendering.themes.THEMES["paper"], 8)
    write_sprites(sprites | {"floor": np.full((8, 8, 4), 7, np.uint8)}, tmp_path / "mine.npz")
    names = ["minigrid", str(tmp_path / "mine.npz")]
    singles = [GridVectorEnv(20, theme=name).reset(seed=0)[0]["image"] for name in names]
    mixed = GridVectorEnv(20, theme=names).reset(seed=0)[0]["image"]
    assert set(looks(mixed, singles).tolist()) == {0, 1}


def test_a_list_of_one_is_that_one():
    one, other = GridVectorEnv(4, theme=["neon"]), GridVectorEnv(4, theme="neon")
    assert np.array_equal(one.reset(seed=0)[0]["image"], other.reset(seed=0)[0]["image"])


@pytest.mark.parametrize(
    ("theme", "reason"),
    [
        ([], r"theme=\[\]: must be a name, or a list of one name or more"),
        (["minigrid", "retro"], "theme='retro': choose from minigrid, paper, neon"),
        (["minigrid", 3], r"theme=\['minigrid', 3\]: must be a name"),
    ],
)
def test_what_is_no_theme_is_refused(theme, reason):
    with pytest.raises(ValueError, match=reason):
        GridEnv(theme=theme)
