"""What is read off an image is what was painted: cells, hands, agent; in every level and look."""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmrl_envs  # noqa: F401  # registers
from mmrl_envs.grid.core.cells import EMPTY_CELL
from mmrl_envs.grid.generation.levels import LEVELS
from mmrl_envs.grid.language.descriptions import ALL, scenes
from mmrl_envs.grid.rendering.themes import THEMES
from mmrl_envs.grid.rendering.views import make_view
from mmrl_envs.grid.rendering.views.reading import TileReader
from mmrl_envs.grid.worlds import GridWorlds


def lived(level, seed, num_envs=3):
    """Worlds in the midst of an episode."""
    worlds = GridWorlds(level, num_envs)
    worlds.seed(np.arange(seed, seed + num_envs, dtype=np.uint64))
    worlds.reset()
    generator = np.random.default_rng(seed)
    nobody = np.zeros(num_envs, bool)
    frames = np.empty(worlds.frames_shape, np.uint8)
    for _ in range(int(generator.integers(60))):
        expert, random = worlds.expert_actions("full"), generator.integers(6, size=num_envs)
        worlds.step(np.where(generator.random(num_envs) < 0.7, expert, random), nobody, frames)
    return worlds


def painted(worlds, view, obs, tile_size=8, theme="minigrid"):
    made = make_view(worlds.layout, view, obs, tile_size, theme)
    frames = np.empty((worlds.num_envs, *made.shape), np.uint8)
    made.paint(worlds.state, 0, worlds.num_envs, np.zeros(worlds.num_envs, bool), frames)
    return frames


@given(
    level=st.sampled_from(sorted(LEVELS)),
    seed=st.integers(0, 10**6),
    theme=st.sampled_from(sorted(THEMES)),
    tile_size=st.sampled_from([8, 12, 16]),
)
@settings(max_examples=25, deadline=None)
def test_cells_hands_and_agent_are_read_as_painted(level, seed, theme, tile_size):
    worlds = lived(level, seed)
    for view in ("egocentric", "full"):
        images = painted(worlds, view, "pixels", tile_size, theme)
        symbols = painted(worlds, view, "symbolic").swapaxes(1, 2)  # [e, row, column]
        reading = TileReader(theme, tile_size, view)(images)
        assert not reading.off.any()
        if view == "egocentric":
            assert np.array_equal(reading.symbols, symbols)
            assert np.array_equal(reading.visible, symbols[..., 0] > 0)
            held = worlds.state.carried
            codes = worlds.state.object_code[np.arange(3), held]
            assert reading.carried.tolist() == np.where(held < 0, EMPTY_CELL, codes).tolist()
            described = scenes(worlds.state, worlds.layout, np.arange(3), ALL)
            assert reading.scenes() == list(described)
            continue
        is_agent = symbols[..., 0] == 10
        assert np.array_equal(reading.symbols[~is_agent], symbols[~is_agent])
        assert np.array_equal(reading.agent[:, :2], np.argwhere(is_agent)[:, 1:])
        assert np.array_equal(reading.agent[:, 2], symbols[is_agent][:, 2])
        assert (reading.carried == EMPTY_CELL).all()


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_every_level_is_read(level):
    worlds = lived(level, 7, 1)
    for view in ("egocentric", "full"):
        symbols = painted(worlds, view, "symbolic").swapaxes(1, 2)
        reading = TileReader(view=view)(painted(worlds, view, "pixels"))
        cells = symbols[..., 0] != 10
        assert np.array_equal(reading.symbols[cells], symbols[cells])


@pytest.mark.parametrize("theme", sorted(THEMES))
def test_a_blurred_image_is_read_with_its_error(theme):
    worlds = lived("BossLevel", 3)
    images = painted(worlds, "egocentric", "pixels", theme=theme)
    noise = np.random.default_rng(0).integers(-12, 13, images.shape)
    blurred = (images.astype(int) + noise).clip(0, 255).astype(np.uint8)
    read = TileReader(theme)
    assert np.array_equal(read(blurred).codes, read(images).codes)
    assert 0 < read(blurred).off.min() <= read(blurred).off.max() < 12


def test_what_the_full_view_shows_as_seen():
    worlds = lived("GoTo", 11, 1)
    full = TileReader(view="full")(painted(worlds, "full", "pixels"))
    own = TileReader()(painted(worlds, "egocentric", "pixels"))
    inside = worlds.layout.width * worlds.layout.height
    assert 0 < full.visible.sum() <= min(own.visible.sum(), inside)


@pytest.mark.parametrize("shape", [(56, 60), (64, 64), (57, 56)])
def test_images_that_are_not_made_of_tiles_are_refused(shape):
    with pytest.raises(ValueError, match=f"images of {shape[0]} × {shape[1]} pixels"):
        TileReader()(np.zeros((1, *shape, 3), np.uint8))


def test_what_there_is_not_is_refused():
    with pytest.raises(ValueError, match="view='bird'"):
        TileReader(view="bird")
    with pytest.raises(ValueError, match="theme='retro'"):
        TileReader("retro")
    with pytest.raises(ValueError, match="an agent's own view"):
        TileReader(view="full")(np.zeros((1, 16, 16, 3), np.uint8)).scenes()
    with pytest.raises(ValueError, match="describe='much'"):
        GridWorlds("GoToLocal", 1, describe="much")


def test_all_is_described_where_asked_for():
    near, everything = (
        gym.make("mmrl/GoToLocal-v0", num_dists=15, describe=how) for how in (True, "all")
    )
    described = [env.reset(seed=5)[1]["description"] for env in (near, everything)]
    assert described[1].startswith(described[0])
    assert described[0].count("sees") == 3 < described[1].count("sees")
