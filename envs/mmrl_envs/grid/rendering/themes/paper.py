"""A light theme: flat pastel objects with a dark outline on paper."""

from __future__ import annotations

from typing import Final

from mmrl_envs.grid.core.cells import BALL, BOX, DOOR_CLOSED, DOOR_LOCKED, DOOR_OPEN, KEY, WALL
from mmrl_envs.grid.rendering.themes.canvas import Canvas, Color
from mmrl_envs.grid.rendering.themes.theme import Theme

_PAPER: Final = (236, 231, 219)
_DOT: Final = (205, 198, 182)
_INK: Final = (46, 44, 56)
_HATCH: Final = (168, 162, 152)
_SHADE: Final = (146, 140, 132)
_SKIN: Final = (255, 140, 60)


def _floor(canvas: Canvas) -> None:
    canvas.fill(_PAPER)
    canvas.disc(0.0, 0.0, 0.10, _DOT)
    canvas.disc(1.0, 0.0, 0.10, _DOT)
    canvas.disc(0.0, 1.0, 0.10, _DOT)
    canvas.disc(1.0, 1.0, 0.10, _DOT)


def _unseen(canvas: Canvas) -> None:
    canvas.fill(_HATCH)
    for offset in (-0.5, 0.0, 0.5):
        canvas.line((offset, 1.0), (offset + 1.0, 0.0), 0.12, _SHADE)


def _wall(canvas: Canvas, color: Color) -> None:
    """Bricks, darker than the colour itself."""
    red, green, blue = color
    canvas.fill((0.8 * red, 0.8 * green, 0.8 * blue))
    for y in (0.0, 0.5):
        canvas.rectangle(0, 1, y, y + 0.07, _INK)
    canvas.rectangle(0.46, 0.54, 0.0, 0.5, _INK)
    canvas.rectangle(0.0, 0.08, 0.5, 1.0, _INK)


def _open_door(canvas: Canvas, color: Color) -> None:
    """Two posts, the way between them free."""
    for x0, x1 in ((0.0, 0.2), (0.8, 1.0)):
        canvas.rectangle(x0, x1, 0, 1, _INK)
        canvas.rectangle(x0 + 0.05, x1 - 0.05, 0.05, 0.95, color)


def _closed_door(canvas: Canvas, color: Color) -> None:
    canvas.fill(_INK)
    canvas.rectangle(0.08, 0.92, 0.08, 0.92, color)
    canvas.frame(0.22, 0.78, 0.20, 0.80, 0.07, _INK)
    canvas.disc(0.68, 0.5, 0.07, _INK)


def _locked_door(canvas: Canvas, color: Color) -> None:
    """With a keyhole and two bolts."""
    canvas.fill(_INK)
    canvas.rectangle(0.08, 0.92, 0.08, 0.92, color)
    canvas.rectangle(0.08, 0.92, 0.16, 0.27, _INK)
    canvas.rectangle(0.08, 0.92, 0.73, 0.84, _INK)
    canvas.disc(0.5, 0.45, 0.13, _INK)
    canvas.rectangle(0.44, 0.56, 0.45, 0.68, _INK)


def _key(canvas: Canvas, color: Color) -> None:
    """Lying on its side."""
    for width, fill in ((0.26, _INK), (0.14, color)):
        canvas.line((0.42, 0.5), (0.84, 0.5), width, fill)
        canvas.line((0.66, 0.5), (0.66, 0.68), width, fill)
        canvas.line((0.82, 0.5), (0.82, 0.68), width, fill)
    canvas.disc(0.30, 0.5, 0.25, _INK)
    canvas.disc(0.30, 0.5, 0.19, color)
    canvas.disc(0.30, 0.5, 0.09, _PAPER)


def _ball(canvas: Canvas, color: Color) -> None:
    canvas.disc(0.5, 0.52, 0.38, _INK)
    canvas.disc(0.5, 0.52, 0.31, color)
    canvas.disc(0.40, 0.41, 0.09, (255, 255, 255))


def _box(canvas: Canvas, color: Color) -> None:
    """A parcel with a ribbon."""
    canvas.rectangle(0.10, 0.90, 0.14, 0.90, _INK)
    canvas.rectangle(0.17, 0.83, 0.21, 0.83, color)
    canvas.rectangle(0.44, 0.56, 0.21, 0.83, (255, 255, 255))
    canvas.rectangle(0.17, 0.83, 0.34, 0.44, _INK)


def _agent(canvas: Canvas, direction: int) -> None:
    canvas.triangle(((0.06, 0.08), (0.97, 0.50), (0.06, 0.92)), direction, _INK)
    canvas.triangle(((0.16, 0.23), (0.80, 0.50), (0.16, 0.77)), direction, _SKIN)


THEME: Final = Theme(
    colors={
        "red": (226, 74, 70),
        "green": (88, 178, 92),
        "blue": (72, 122, 216),
        "purple": (160, 92, 196),
        "yellow": (244, 202, 60),
        "grey": (138, 142, 150),
    },
    floor=_floor,
    drawings={
        WALL: _wall,
        DOOR_OPEN: _open_door,
        DOOR_CLOSED: _closed_door,
        DOOR_LOCKED: _locked_door,
        KEY: _key,
        BALL: _ball,
        BOX: _box,
    },
    agent=_agent,
    highlight=lambda canvas: canvas.blend((255, 244, 176), 0.22),
    unseen=_unseen,
)
