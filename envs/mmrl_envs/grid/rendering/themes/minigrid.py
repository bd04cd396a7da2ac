"""The theme of Minigrid, pixel for pixel."""

from __future__ import annotations

from typing import Final

from mmrl_envs.grid.core.cells import BALL, BOX, DOOR_CLOSED, DOOR_LOCKED, DOOR_OPEN, KEY, WALL
from mmrl_envs.grid.rendering.themes.canvas import Canvas, Color
from mmrl_envs.grid.rendering.themes.theme import Theme

_GRID_LINE: Final = (100, 100, 100)
_BLACK: Final = (0, 0, 0)
_RED: Final = (255, 0, 0)
_HIGHLIGHT: Final = 0.30


def _floor(canvas: Canvas) -> None:
    canvas.rectangle(0, 0.031, 0, 1, _GRID_LINE)
    canvas.rectangle(0, 1, 0, 0.031, _GRID_LINE)


def _wall(canvas: Canvas, color: Color) -> None:
    canvas.rectangle(0, 1, 0, 1, color)


def _open_door(canvas: Canvas, color: Color) -> None:
    canvas.rectangle(0.88, 1.00, 0.00, 1.00, color)
    canvas.rectangle(0.92, 0.96, 0.04, 0.96, _BLACK)


def _closed_door(canvas: Canvas, color: Color) -> None:
    for inset, fill in ((0.00, color), (0.04, _BLACK), (0.08, color), (0.12, _BLACK)):
        canvas.rectangle(inset, 1 - inset, inset, 1 - inset, fill)
    canvas.disc(0.75, 0.50, 0.08, color)


def _locked_door(canvas: Canvas, color: Color) -> None:
    red, green, blue = color
    canvas.rectangle(0.00, 1.00, 0.00, 1.00, color)
    canvas.rectangle(0.06, 0.94, 0.06, 0.94, (0.45 * red, 0.45 * green, 0.45 * blue))
    canvas.rectangle(0.52, 0.75, 0.50, 0.56, color)


def _key(canvas: Canvas, color: Color) -> None:
    canvas.rectangle(0.50, 0.63, 0.31, 0.88, color)
    canvas.rectangle(0.38, 0.50, 0.59, 0.66, color)
    canvas.rectangle(0.38, 0.50, 0.81, 0.88, color)
    canvas.disc(0.56, 0.28, 0.190, color)
    canvas.disc(0.56, 0.28, 0.064, _BLACK)


def _ball(canvas: Canvas, color: Color) -> None:
    canvas.disc(0.5, 0.5, 0.31, color)


def _box(canvas: Canvas, color: Color) -> None:
    canvas.rectangle(0.12, 0.88, 0.12, 0.88, color)
    canvas.rectangle(0.18, 0.82, 0.18, 0.82, _BLACK)
    canvas.rectangle(0.16, 0.84, 0.47, 0.53, color)


THEME: Final = Theme(
    colors={
        "red": _RED,
        "green": (0, 255, 0),
        "blue": (0, 0, 255),
        "purple": (112, 39, 195),
        "yellow": (255, 255, 0),
        "grey": (100, 100, 100),
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
    agent=lambda canvas, direction: canvas.triangle(
        ((0.12, 0.19), (0.87, 0.50), (0.12, 0.81)), direction, _RED
    ),
    highlight=lambda canvas: canvas.blend((255, 255, 255), _HIGHLIGHT),
    unseen=_floor,
)
