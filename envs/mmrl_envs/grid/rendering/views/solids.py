"""Ray intersection with what a cell can hold: walls, doors, keys, balls and boxes."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import BOX, DOOR_CLOSED, DOOR_LOCKED, DOOR_OPEN, WALL, kinds
from mmrl_envs.grid.core.jit import device_function
from mmrl_envs.grid.rendering.views.perspective import EYE
from mmrl_envs.grid.rendering.views.textures import TEXELS

OPAQUE: Final = kinds(WALL, DOOR_CLOSED, DOOR_LOCKED)
"""The kinds that hide what is behind them, a bit each."""
THING_SIZE: Final = 0.9
"""Cells that the side of a thing's drawing takes."""
SHADOW: Final = -1
"""In place of a texel."""

_SHADOW_COVER: Final = 0.5
_SHADOW_RADIUS: Final = 0.32
_SIDE_LIGHT: Final = 0.8
_TOP_LIGHT: Final = 1.15

_FRAME: Final = 0.12  # thickness of a door's posts and lintels
_SILL: Final = 0.6  # how much of the floor of an open door is of its colour
_EDGE: Final = (0.1, 0.5)  # where a door's drawing has that colour
_ENDS: Final = ((0, _FRAME), (1 - _FRAME, 1))
_DOORWAY = np.array(
    [(*across, *along, 0, 1) for across in _ENDS for along in _ENDS]
    + [(0, 1, *along, 1 - _FRAME, 1) for along in _ENDS]
    + [(*across, 0, 1, 1 - _FRAME, 1) for across in _ENDS]
)
"""Posts and lintels of an open door, each from the left, from near and from below, to and fro."""


class Ray(NamedTuple):
    """A ray from the eye."""

    slope: float  # to the right for each step ahead
    rise: float  # up for each step ahead


class Place(NamedTuple):
    """A cell as the agent sees it, and where the ray of the column at hand enters it."""

    ahead: int
    right: int
    depth: float
    by_side: bool


class Hit(NamedTuple):
    """What a ray meets."""

    cover: float  # how much it hides of what is behind it
    light: float  # of the face that is met
    depth: float
    texel: int


_NOTHING: Final = Hit(0.0, 0.0, 0.0, SHADOW)


@device_function
def texel_at(u: float, v: float) -> int:
    """``u`` from the left and ``v`` from the top, 0 to 1."""
    column = min(max(int(u * TEXELS), 0), TEXELS - 1)
    return min(max(int(v * TEXELS), 0), TEXELS - 1) * TEXELS + column


@device_function
def _face(place: Place, ray: Ray) -> Hit:
    """The face of a cell that is filled: the one that the ray of the column meets, so that all rays
    of a pixel meet the same.
    """
    z, light, u = place.depth, 1.0, ray.slope * place.depth - place.right + 0.5
    if place.by_side:
        z, light = (abs(place.right) - 0.5) / abs(ray.slope), _SIDE_LIGHT
        along = z - place.ahead
        u = along if place.right < 0 else 1 - along
    height = EYE + ray.rise * z
    if height < 0 or height > 1:
        return _NOTHING
    return Hit(1.0, light, z, texel_at(u, 1 - height))


@device_function
def _shadow(place: Place, ray: Ray) -> Hit:
    """A round shadow on the floor of the cell."""
    if ray.rise >= 0:
        return _NOTHING
    z = -EYE / ray.rise
    x = ray.slope * z - place.right
    away = (x * x + (z - place.ahead - 0.5) ** 2) / _SHADOW_RADIUS**2
    return Hit(max(0.0, _SHADOW_COVER * (1 - away)), 1.0, z, SHADOW)


@device_function
def _billboard(
    covered: NDArray[np.bool_], bounds: NDArray[np.float64], kind: int, place: Place, ray: Ray
) -> Hit:
    """A drawing that stands in the middle of the cell and faces the agent."""
    z = place.ahead + 0.5
    middle, foot = (bounds[kind, 0] + bounds[kind, 1]) / 2, bounds[kind, 3]
    u = (ray.slope * z - place.right) / THING_SIZE + middle
    v = foot - (EYE + ray.rise * z) / THING_SIZE
    texel = texel_at(u, v)
    if 0 <= u < 1 and 0 <= v <= foot and covered[kind, texel]:
        return Hit(1.0, 1.0, z, texel)
    return _shadow(place, ray)


@device_function
def _enter(
    ray: Ray, left: float, right: float, near: float, far: float, low: float, high: float
) -> tuple[float, int]:
    """Where a ray enters a block, by slabs (Kay and Kajiya, 1986).

    Returns:
        The depth, -1 where it does not, and the face: 0 the front, 1 a side, 2 top or bottom.
    """
    start, stop, face = near, far, 0
    for k in range(2):
        gain = ray.slope if k == 0 else ray.rise
        one, two = (left, right) if k == 0 else (low - EYE, high - EYE)
        if gain == 0:
            gain = 1e-12
        enters, leaves = min(one / gain, two / gain), max(one / gain, two / gain)
        if enters > start:
            start, face = enters, 1 + k
        stop = min(stop, leaves)
    return (start, face) if start < stop else (-1.0, 0)


@device_function
def _box(bounds: NDArray[np.float64], place: Place, ray: Ray) -> Hit:
    """A cube with the drawing of a box on each face."""
    left, right = bounds[BOX, 0], bounds[BOX, 1]
    top, bottom = bounds[BOX, 2], bounds[BOX, 3]
    wide, tall = (right - left) * THING_SIZE, (bottom - top) * THING_SIZE
    x, middle = place.right - wide / 2, place.ahead + 0.5
    z, face = _enter(ray, x, x + wide, middle - wide / 2, middle + wide / 2, 0.0, tall)
    if z < 0:
        return _shadow(place, ray)
    across, along = (ray.slope * z - x) / wide, (z - middle) / wide + 0.5
    up, light = (EYE + ray.rise * z) / tall, 1.0
    if face == 1:
        across, light = (along if place.right < 0 else 1 - along), _SIDE_LIGHT
    elif face == 2:
        up, light = along, _TOP_LIGHT
    texel = texel_at(left + across * (right - left), bottom - up * (bottom - top))
    return Hit(1.0, light, z, texel)


@device_function
def _sill(place: Place, ray: Ray) -> Hit:
    """The floor of an open door."""
    if ray.rise >= 0:
        return _NOTHING
    z = -EYE / ray.rise
    x = ray.slope * z - place.right + 0.5
    if x < 0 or x > 1 or z < place.ahead or z > place.ahead + 1:
        return _NOTHING
    return Hit(_SILL, 1.0, z, texel_at(_EDGE[0], _EDGE[1]))


@device_function
def _doorway(place: Place, ray: Ray) -> Hit:
    """Posts and lintels on all four sides, cut out of the door's own drawing."""
    nearest, face = np.inf, 0
    x, z = place.right - 0.5, float(place.ahead)
    for k in range(len(_DOORWAY)):
        left, right, near, far, low, high = _DOORWAY[k]
        depth, met = _enter(ray, x + left, x + right, z + near, z + far, low, high)
        if 0 <= depth < nearest:
            nearest, face = depth, met
    if nearest == np.inf:
        return _sill(place, ray)
    along = nearest - place.ahead
    across = along if face == 1 else ray.slope * nearest - x
    down = along if face == 2 else 1 - (EYE + ray.rise * nearest)
    light = _SIDE_LIGHT if face else 1.0
    return Hit(1.0, light, nearest, texel_at(across, down))


@device_function
def meet(
    covered: NDArray[np.bool_], bounds: NDArray[np.float64], kind: int, place: Place, ray: Ray
) -> Hit:
    """Intersect a ray with a cell that holds something of a kind.

    Args:
        covered: bool [13 kinds, TEXELS²], see :class:`~.textures.Textures`.
        bounds: float64 [13 kinds, 4].
    """
    if OPAQUE >> kind & 1:
        return _face(place, ray)
    if kind == DOOR_OPEN:
        return _doorway(place, ray)
    if kind == BOX:
        return _box(bounds, place, ray)
    return _billboard(covered, bounds, kind, place, ray)
