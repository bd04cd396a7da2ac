"""Patches are taken apart into the shapes and colours that they were made of, pairs unseen too."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmrl.generative.image.color import Factors, find_factors
from mmrl_envs.grid.core.cells import CODES, EMPTY_CELL, WALL_CELL
from mmrl_envs.grid.core.cells import COLORS as COLORS_OF_CELLS
from mmrl_envs.grid.language.splits import HELD_OUT_PAIRS
from mmrl_envs.grid.rendering.themes import find_theme
from mmrl_envs.grid.rendering.views.egocentric import egocentric_atlas

NOUNS = {4: "door", 5: "key", 6: "ball", 7: "box", 11: "door", 12: "door"}
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [112, 39, 195], [255, 255, 0]])
SIDE = 6


def made(seed: int, shapes: int = 4) -> NDArray[np.uint8]:
    """Patches of shapes, each on a ground of its own, in every colour: uint8 [S, C, p, p, 3]."""
    random = np.random.default_rng(seed)
    covers = random.random((shapes, 1, SIDE, SIDE, 1)) * (random.random((SIDE, SIDE, 1)) < 0.6)
    covers[:, 0, 0, 0] = np.linspace(0.7, 1, shapes)[:, None]  # few are covered wholly
    grounds = random.integers(0, 120, (shapes, 1, SIDE, SIDE, 3))
    return (grounds * (1 - covers) + COLORS[:, None, None] * covers).astype(np.uint8)


def shown(factors: Factors, shape: int, color: int) -> NDArray[np.float64]:
    patch = factors.grounds[shape] + factors.covers[shape][:, None] * factors.colors[color]
    return patch.reshape(SIDE, SIDE, 3)


@given(st.integers(0, 10_000), st.lists(st.integers(0, 4), min_size=4, max_size=4))
@settings(max_examples=25, deadline=None)
def test_pairs_that_were_never_seen_are_made_of_their_parts(seed: int, unseen: list[int]) -> None:
    """Each shape lacks a colour."""
    patches = made(seed)
    pairs = [one for one in product(range(4), range(5)) if unseen[one[0]] != one[1]]
    pairs = [pairs[k] for k in np.random.default_rng(seed).permutation(len(pairs))]
    factors = find_factors(np.stack([patches[one] for one in pairs]))
    assert factors.colored == len(factors.grounds) == 4
    shape, color = (dict(zip((p[k] for p in pairs), found, strict=True)) for k, found in (
        (0, factors.shape.tolist()), (1, factors.color.tolist()),
    ))  # fmt: skip
    if len(color) < 5:  # nobody has it
        return
    assert len(factors.colors) == 5
    for one, other in product(range(4), range(5)):
        off = np.abs(shown(factors, shape[one], color[other]) - patches[one, other])
        assert off.max() < 6


@pytest.mark.parametrize("theme", ["minigrid", "neon", "paper"])
def test_tiles_of_held_out_pairs_are_made_of_others(theme: str) -> None:
    """An agent's own view: things, doors, walls, and what it has in its hands."""
    codes = [0, EMPTY_CELL, WALL_CELL, CODES + EMPTY_CELL]
    codes += [kind | color << 4 for kind in NOUNS for color in range(len(COLORS_OF_CELLS))]
    codes += [CODES + code for code in codes[4:] if NOUNS[code & 15] != "door"]
    names = [(COLORS_OF_CELLS[code % CODES >> 4], NOUNS.get(code & 15, "")) for code in codes]
    new = [name in HELD_OUT_PAIRS for name in names]
    tiles = egocentric_atlas(find_theme(theme), 8)[codes]
    factors = find_factors(tiles[[not one for one in new]])
    every = factors.grounds[:, None] + factors.covers[:, None, :, None] * factors.colors[:, None]
    off = np.abs(every.reshape(-1, 8, 8, 3) - tiles[:, None]).max((2, 3, 4)).min(1)
    assert (factors.colored, len(factors.colors), sum(new)) == (9, 6, 13)
    assert off.max() < 2


def test_what_stands_behind_several_shapes_is_a_shape_of_its_own() -> None:
    floor = np.full((1, 1, SIDE, SIDE, 3), 70.0)
    covers = np.zeros((2, 1, SIDE, SIDE, 1))
    covers[0, :, 1:3], covers[1, :, 2:5] = 1, 1
    patches = (floor * (1 - covers) + COLORS[:, None, None] * covers).reshape(-1, SIDE, SIDE, 3)
    factors = find_factors(np.concatenate([floor[0], patches]).astype(np.uint8))
    assert (factors.colored, len(factors.grounds), len(factors.colors)) == (2, 3, 5)
    assert factors.shape[0] == 2
    assert not factors.covers[2].any()


def test_patches_without_a_colour_in_common_stay_as_they_are() -> None:
    patches = np.random.default_rng(0).integers(0, 256, (12, SIDE, SIDE, 3), dtype=np.uint8)
    factors = find_factors(patches)
    assert (factors.colored, len(factors.colors)) == (0, 1)
    assert sorted(factors.shape.tolist()) == list(range(12))
    assert np.array_equal(factors.grounds[factors.shape].reshape(patches.shape), patches)


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_to_tell(count: int) -> None:
    factors = find_factors(made(0)[0, :count])
    assert (factors.colored, len(factors.grounds)) == (0, count)
