"""Precomputed slices: what each column of a frame shows of each cell along its ray."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import (
    BALL,
    BOX,
    COLORS,
    DOOR_CLOSED,
    DOOR_LOCKED,
    DOOR_OPEN,
    KEY,
    WALL,
)
from mmrl_envs.grid.core.jit import device_function, kernel, signed
from mmrl_envs.grid.rendering.themes import Theme
from mmrl_envs.grid.rendering.views.perspective import (
    EYE,
    HORIZON,
    SLOPE,
    Rays,
    cast_rays,
    rise_of,
    slope_of,
)
from mmrl_envs.grid.rendering.views.solids import (
    OPAQUE,
    SHADOW,
    THING_SIZE,
    Place,
    Ray,
    meet,
    texel_at,
)
from mmrl_envs.grid.rendering.views.textures import TEXELS, Textures, textures_of

KINDS: Final = 16
_THINGS: Final = (KEY, BALL, BOX)
_DRAWN = np.array((WALL, DOOR_CLOSED, DOOR_LOCKED, DOOR_OPEN, *_THINGS))
_RAYS: Final = 4  # a side of a pixel
_GROUND_RAYS: Final = 8
_VIEW_RANGE: Final = 12.0  # depth at which half of a thing's light is left
_HAND: Final = 0.34  # side of what is carried, in frames


class Slices(NamedTuple):
    """Images of cells, column by column.

    A pixel is ``red | green << 8 | blue << 16 | cover << 24``, its colours already weighted by its
    cover. In the slices of what cannot be seen through, cover is 0: there is nothing to mix, and
    their edges are mixed with the ground already.
    """

    cells: NDArray[np.int32]  # [C] how many the ray of a column meets at most
    lines: NDArray[np.int32]  # [C, S, 16 kinds, 4] first pixel, row, pixels; pixels to next colour
    pixels: NDArray[np.uint32]  # slices, those of the six colours one after another
    ground: NDArray[np.uint32]  # [C, C] floor and ceiling, by column and row
    hand: NDArray[np.uint32]  # [16 kinds, 6 colours, P, P] what is carried, by column and row


@device_function
def _own_share(depth: float) -> float:
    """How much of its own light a thing shows; the rest is haze."""
    return 1 / (1 + (depth / _VIEW_RANGE) ** 2)


@device_function
def _packed(red: float, green: float, blue: float, cover: float) -> int:
    """A pixel, its parts from 0 to 255."""
    low = int(red + 0.5) | int(green + 0.5) << 8
    return low | int(blue + 0.5) << 16 | int(cover + 0.5) << 24


@kernel
def _paint_ground(
    floor: NDArray[np.uint8],
    ceiling: NDArray[np.float64],
    haze: NDArray[np.float64],
    sums: NDArray[np.float64],
    ground: NDArray[np.uint32],
) -> None:
    """Floor and ceiling of an empty world into ``ground``; ``sums`` float64 [3] to work in."""
    side, rays = len(ground), _GROUND_RAYS
    for c in range(side):
        for y in range(side):
            sums[:] = 0
            for k in range(rays * rays):
                slope = slope_of(c + (k % rays + 0.5) / rays, side)
                rise = rise_of(y + (k // rays + 0.5) / rays, side)
                z = (1 - EYE if rise > 0 else -EYE) / rise if rise != 0 else np.inf
                own, texel = _own_share(z), SHADOW
                if rise < 0:
                    x = slope * z + 0.5
                    texel = texel_at(x - np.floor(x), 1 - (z - np.floor(z)))
                for p in range(3):
                    light = ceiling[p] if texel == SHADOW else floor[texel, p]
                    sums[p] += (own * light + (1 - own) * haze[p]) / (rays * rays)
            ground[c, y] = _packed(sums[0], sums[1], sums[2], 0.0)


@device_function
def _add_light(
    texture: NDArray[np.uint8],
    light: float,
    share: float,
    own: float,
    haze: NDArray[np.float64],
    texel: int,
    sums: NDArray[np.float64],
) -> None:
    """Add one ray's colour and cover to a pixel's ``sums``, float64 [4]."""
    for p in range(3):
        bright = 0.0 if texel == SHADOW else min(light * texture[texel, p], 255.0)
        sums[p] += share * (own * bright + (1 - own) * haze[p])
    sums[3] += share * 255


@device_function
def _look(
    things: NDArray[np.uint8],
    covered: NDArray[np.bool_],
    bounds: NDArray[np.float64],
    haze: NDArray[np.float64],
    kind: int,
    place: Place,
    c: int,
    y: int,
    side: int,
    sums: NDArray[np.float64],
) -> None:
    """The mean of a pixel's rays in all colours into ``sums``, float64 [6, 4]."""
    sums[:] = 0
    drawing = DOOR_CLOSED if kind == DOOR_OPEN else kind
    for k in range(_RAYS * _RAYS):
        slope = slope_of(c + (k % _RAYS + 0.5) / _RAYS, side)
        rise = rise_of(y + (k // _RAYS + 0.5) / _RAYS, side)
        cover, light, depth, texel = meet(covered, bounds, kind, place, Ray(slope, rise))
        if cover > 0:
            share, own = cover / (_RAYS * _RAYS), _own_share(depth)
            for color in range(len(sums)):
                _add_light(things[drawing, color], light, share, own, haze, texel, sums[color])


@device_function
def _mixed(sums: NDArray[np.float64], under: int) -> int:
    """A pixel that hides all: what it does not cover is mixed with the ground ``under`` it."""
    bare = 1 - sums[3] / 255
    red, green, blue = under & 255, under >> 8 & 255, under >> 16 & 255
    return _packed(sums[0] + bare * red, sums[1] + bare * green, sums[2] + bare * blue, 0.0)


@kernel
def _paint_slices(
    rays: Rays,
    things: NDArray[np.uint8],
    covered: NDArray[np.bool_],
    bounds: NDArray[np.float64],
    haze: NDArray[np.float64],
    ground: NDArray[np.uint32],
    sums: NDArray[np.float64],
    lines: NDArray[np.int32],
    pixels: NDArray[np.uint32],
) -> None:
    """Fill ``pixels``, and cut ``lines`` to the rows where there is something.

    Args:
        things: uint8 [13, 6, TEXELS², 3].
        covered: bool [13, TEXELS²].
        sums: float64 [6, 4] to work in.
        lines: of windows that surely hold what there is; see :class:`Slices`.
    """
    side = len(ground)
    for c in range(side):
        for s in range(rays.cells[c]):
            ahead, right = signed(rays.ahead[c, s]), signed(rays.right[c, s])
            place = Place(ahead, right, rays.depth[c, s], rays.by_side[c, s])
            for kind in _DRAWN:
                start, row, count, each = lines[c, s, kind]
                first, last = signed(count), -1
                for y in range(count):
                    _look(things, covered, bounds, haze, kind, place, c, row + y, side, sums)
                    if sums[0, 3] > 0:
                        first, last = min(first, y), y
                    for color in range(len(sums)):
                        mean = sums[color]
                        pixel = _packed(mean[0], mean[1], mean[2], mean[3])
                        if OPAQUE >> kind & 1:
                            pixel = _mixed(mean, signed(ground[c, row + y]))
                        pixels[start + color * each + y] = pixel
                lines[c, s, kind, 0] = start + first
                lines[c, s, kind, 1] = row + first
                lines[c, s, kind, 2] = max(last + 1 - first, 0)


def _windows(rays: Rays, side: int, bounds: NDArray[np.float64]) -> NDArray[np.int32]:
    """Rows of a frame that surely hold what it shows of a cell, as :class:`Slices` has them."""
    tall = np.ones(KINDS)
    for kind in _THINGS:
        tall[kind] = (bounds[kind, 3] - bounds[kind, 2]) * THING_SIZE
    near = np.maximum(rays.depth, 1e-6)[..., None]
    top_depth = np.where(tall < EYE, rays.ahead[..., None] + 1.0, near)
    high, low = (tall - EYE) / top_depth, -EYE / near
    first = np.floor(side * (HORIZON - high / (2 * SLOPE))).clip(0, side)
    last = np.ceil(side * (HORIZON - low / (2 * SLOPE))).clip(0, side)
    lines = np.zeros((*rays.depth.shape, KINDS, 4), np.int32)
    lines[..., 1] = first
    lines[..., 2] = lines[..., 3] = (last - first) * np.isin(np.arange(KINDS), _DRAWN)
    pixels = (lines[..., 3] * len(COLORS)).ravel()
    lines[..., 0] = (np.cumsum(pixels) - pixels).reshape(lines.shape[:-1])
    return lines


def _hand(textures: Textures, size: int) -> NDArray[np.uint32]:
    """Images of what is carried, ``size`` pixels a side; see :class:`Slices`."""
    points = ((np.arange(size * _RAYS) + 0.5) / (size * _RAYS) * TEXELS).astype(int)
    hand = np.zeros((KINDS, len(COLORS), size, size), np.uint32)
    square = np.ix_(np.arange(len(COLORS)), points, points)
    for kind in _THINGS:
        cover = np.uint8(255) * textures.covered[kind][np.ix_(points, points)]
        fine = np.zeros((len(COLORS), len(points), len(points), 4))
        fine[..., :3] = textures.things[kind][square] * (cover[..., None] > 0)
        fine[..., 3] = cover
        means = fine.reshape(len(COLORS), size, _RAYS, size, _RAYS, 4).mean(axis=(2, 4))
        parts = (means + 0.5).astype(np.uint32).transpose(3, 0, 2, 1)
        hand[kind] = parts[0] | parts[1] << 8 | parts[2] << 16 | parts[3] << 24
    return hand


@lru_cache(maxsize=4)
def slices_of(theme: Theme, side: int, reach: int) -> Slices:
    """The slices of frames of ``side`` × ``side`` pixels in grids of ``reach`` × ``reach`` cells or
    fewer; made once and remembered.
    """
    textures, rays = textures_of(theme), cast_rays(side, reach)
    things = textures.things.reshape(*textures.things.shape[:2], TEXELS * TEXELS, 3)
    covered = textures.covered.reshape(-1, TEXELS * TEXELS)
    floor, haze, bounds = textures.floor.reshape(-1, 3), textures.haze, textures.bounds
    ground, sums = np.zeros((side, side), np.uint32), np.zeros((len(COLORS), 4))
    _paint_ground(floor, textures.ceiling, haze, sums[0, :3], ground)
    lines = _windows(rays, side, bounds)
    pixels = np.zeros(int(lines[..., 3].sum()) * len(COLORS), np.uint32)
    _paint_slices(rays, things, covered, bounds, haze, ground, sums, lines, pixels)
    return Slices(rays.cells, lines, pixels, ground, _hand(textures, round(side * _HAND)))
