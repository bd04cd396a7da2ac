"""A dark theme: glowing outlines on a night-blue board."""

from __future__ import annotations

from typing import Final

from mmrl_envs.grid.core.cells import BALL, BOX, DOOR_CLOSED, DOOR_LOCKED, DOOR_OPEN, KEY, WALL
from mmrl_envs.grid.rendering.themes.canvas import Canvas, Color
from mmrl_envs.grid.rendering.themes.theme import Theme

_NIGHT: Final = (10, 12, 34)
_LINE: Final = (28, 36, 78)
_WHITE: Final = (255, 255, 255)
_STROKE: Final = 0.13


def _floor(canvas: Canvas) -> None:
    canvas.fill(_NIGHT)
    canvas.rectangle(0.47, 0.53, 0.40, 0.60, _LINE)
    canvas.rectangle(0.40, 0.60, 0.47, 0.53, _LINE)


def _wall(canvas: Canvas, color: Color) -> None:
    """A dim block with a bright rim, struck through."""
    red, green, blue = color
    canvas.fill((0.28 * red, 0.28 * green, 0.42 * blue))
    canvas.line((0.0, 1.0), (1.0, 0.0), 0.16, (0.5 * red, 0.5 * green, 0.7 * blue))


def _open_door(canvas: Canvas, color: Color) -> None:
    """Four corners."""
    for x in (0.0, 1.0):
        for y in (0.0, 1.0):
            canvas.rectangle(x - 0.30, x + 0.30, y - _STROKE, y + _STROKE, color)
            canvas.rectangle(x - _STROKE, x + _STROKE, y - 0.30, y + 0.30, color)


def _closed_door(canvas: Canvas, color: Color) -> None:
    canvas.fill(_NIGHT)
    canvas.frame(0, 1, 0, 1, _STROKE, color)
    for x in (0.34, 0.66):
        canvas.rectangle(x - 0.06, x + 0.06, 0, 1, color)


def _locked_door(canvas: Canvas, color: Color) -> None:
    canvas.fill(_NIGHT)
    canvas.frame(0, 1, 0, 1, _STROKE, color)
    canvas.line((0, 0), (1, 1), _STROKE, color)
    canvas.line((0, 1), (1, 0), _STROKE, color)
    canvas.rectangle(0.32, 0.68, 0.32, 0.68, color)


def _key(canvas: Canvas, color: Color) -> None:
    """From the lower left to the upper right."""
    canvas.line((0.20, 0.82), (0.62, 0.38), _STROKE, color)
    canvas.line((0.30, 0.70), (0.46, 0.86), _STROKE, color)
    canvas.ring(0.68, 0.30, 0.24, _STROKE, color)


def _ball(canvas: Canvas, color: Color) -> None:
    canvas.ring(0.5, 0.5, 0.40, _STROKE, color)


def _box(canvas: Canvas, color: Color) -> None:
    canvas.frame(0.12, 0.88, 0.12, 0.88, _STROKE, color)
    canvas.rectangle(0.40, 0.60, 0.40, 0.60, color)


def _agent(canvas: Canvas, direction: int) -> None:
    canvas.triangle(((0.08, 0.10), (0.95, 0.50), (0.08, 0.90)), direction, _WHITE)
    canvas.triangle(((0.08, 0.32), (0.48, 0.50), (0.08, 0.68)), direction, _NIGHT)


THEME: Final = Theme(
    colors={
        "red": (255, 60, 84),
        "green": (56, 240, 128),
        "blue": (60, 130, 255),
        "purple": (206, 84, 255),
        "yellow": (255, 226, 70),
        "grey": (150, 160, 180),
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
    highlight=lambda canvas: canvas.blend((96, 110, 190), 0.22),
    unseen=lambda canvas: canvas.fill((0, 0, 0)),
)
