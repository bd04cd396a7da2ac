"""Themes in files: what is written is rendered again, and errors name what is wrong with a file."""

import sys

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

import mmrl_envs  # noqa: F401  # registers
from mmrl_envs.grid.core.cells import BALL, CODES, KIND_MASK, WALL, WALL_CELL
from mmrl_envs.grid.rendering.themes import THEMES, find_theme
from mmrl_envs.grid.rendering.themes.__main__ import main
from mmrl_envs.grid.rendering.themes.files import (
    NEEDED,
    read_sprites,
    sprites_of,
    write_sprites,
)
from mmrl_envs.grid.rendering.views.egocentric import egocentric_atlas
from mmrl_envs.grid.rendering.views.reading import TileReader


@pytest.mark.parametrize("theme", sorted(THEMES))
@pytest.mark.parametrize("form", ["tiles", "tiles.npz"])
def test_a_theme_comes_back(theme, form, tmp_path):
    path = tmp_path / form
    write_sprites(sprites_of(THEMES[theme], 16), path)
    again = find_theme(str(path))
    for code in filter(again.can_draw, range(1, CODES)):
        if code & KIND_MASK == WALL and code != WALL_CELL:
            continue  # there are grey walls only
        ours, theirs = again.tile(code, 16), THEMES[theme].tile(code, 16)
        off = np.abs(ours.astype(int) - theirs)
        assert off.max() <= 16, code  # where an edge crosses a mark on the floor
        assert off.mean() < 0.5, code
    agents = [
        one.tile(1, 16, agent_direction=direction)
        for one in (again, THEMES[theme])
        for direction in range(4)
    ]
    for ours, theirs in zip(agents[:4], agents[4:], strict=True):
        assert np.abs(ours.astype(int) - theirs).mean() < 8  # turned, not drawn anew


def test_environments_are_painted_with_it(tmp_path):
    sprites = sprites_of(THEMES["paper"], 8)
    sprites["red ball"] = np.full((8, 8, 4), (1, 2, 3, 255), np.uint8)
    write_sprites(sprites, tmp_path / "mine")
    path = str(tmp_path / "mine")
    env = gym.make("mmrl/GoToRedBall-v0", theme=path, view="full")
    observation, _ = env.reset(seed=0)
    assert (find_theme(path).tile(BALL, 8) == (1, 2, 3)).all()
    reading = TileReader(path, view="full")(observation["image"][None])
    assert not reading.off.any()
    assert (reading.symbols[0, ..., 0] == BALL).any()


@pytest.mark.parametrize("tile_size", [4, 8, 24, 50])
def test_any_tile_size(tile_size, tmp_path):
    write_sprites(sprites_of(THEMES["neon"], 16), tmp_path / "neon.npz")
    atlas = egocentric_atlas(find_theme(str(tmp_path / "neon.npz")), tile_size)
    known = egocentric_atlas(THEMES["neon"], tile_size)
    assert atlas.shape == known.shape
    assert np.abs(atlas.astype(int) - known).mean() < 20


def test_what_is_transparent_shows_the_floor(tmp_path):
    sprites = sprites_of(THEMES["minigrid"], 8)
    sprites["blue key"] = np.zeros((8, 8, 4), np.uint8)
    del sprites["unseen"]
    write_sprites(sprites, tmp_path / "mine.npz")
    theme = find_theme(str(tmp_path / "mine.npz"))
    assert np.array_equal(theme.tile(5 | 2 << 4, 8), theme.tile(1, 8))
    assert np.array_equal(theme.tile(0, 8), theme.tile(1, 8))


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(ValueError, match="theme='retro': choose from minigrid, paper, neon, or na"):
        find_theme("retro")
    sprites = sprites_of(THEMES["minigrid"], 8)
    del sprites["red key"]
    write_sprites(sprites, tmp_path / "few")
    with pytest.raises(ValueError, match=f"lacks 1 of {len(NEEDED)} images: red key"):
        find_theme(str(tmp_path / "few"))
    Image.new("RGB", (9, 9)).save(tmp_path / "few" / "red key.png")
    with pytest.raises(ValueError, match=r"red key is uint8 \[9, 9, 4\].*floor, which is 8"):
        find_theme(str(tmp_path / "few"))
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="broken.npz' cannot be read"):
        find_theme(str(tmp_path / "broken.npz"))


def test_the_command_writes_a_folder(tmp_path, monkeypatch):
    out = tmp_path / "neon"
    monkeypatch.setattr(sys, "argv", ["themes", "neon", str(out), "--tile-size", "12"])
    main()
    read = read_sprites(out)
    assert set(read) == {*NEEDED, "unseen"}
    assert read["purple box"].shape == (12, 12, 4)
