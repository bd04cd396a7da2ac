"""A square to draw a tile on: coordinates run from 0 to 1, x to the right and y down."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLES: Final = 3  # each pixel is the mean of 3 × 3 samples

Color = tuple[float, float, float]
Point = tuple[float, float]


class Canvas:
    """A square of samples, drawn on in layers.

    Args:
        tile_size: pixels a side of the tile in the end.
    """

    def __init__(self, tile_size: int) -> None:
        side = tile_size * SAMPLES
        self.samples = np.zeros((side, side, 3), np.uint8)
        centres = (np.arange(side) + 0.5) / side
        self.x, self.y = np.meshgrid(centres, centres)

    def fill(self, color: Color) -> None:
        """Everything in one colour."""
        self.samples[:] = color

    def rectangle(self, x0: float, x1: float, y0: float, y1: float, color: Color) -> None:
        """Filled, edges included."""
        inside = (self.x >= x0) & (self.x <= x1) & (self.y >= y0) & (self.y <= y1)
        self.samples[inside] = color

    def frame(self, x0: float, x1: float, y0: float, y1: float, width: float, color: Color) -> None:
        """The border of a rectangle, drawn on its inner side."""
        self.rectangle(x0, x1, y0, y0 + width, color)
        self.rectangle(x0, x1, y1 - width, y1, color)
        self.rectangle(x0, x0 + width, y0, y1, color)
        self.rectangle(x1 - width, x1, y0, y1, color)

    def disc(self, cx: float, cy: float, radius: float, color: Color) -> None:
        """A filled circle."""
        x, y = self.x - cx, self.y - cy
        self.samples[x * x + y * y <= radius * radius] = color

    def ring(self, cx: float, cy: float, radius: float, width: float, color: Color) -> None:
        """A circle line, ``width`` thick towards its inside."""
        distance = np.hypot(self.x - cx, self.y - cy)
        self.samples[(distance <= radius) & (distance >= radius - width)] = color

    def line(self, start: Point, end: Point, width: float, color: Color) -> None:
        """A straight line with round ends."""
        (x0, y0), (x1, y1) = start, end
        dx, dy = x1 - x0, y1 - y0
        length = max(dx * dx + dy * dy, 1e-12)
        along = np.clip(((self.x - x0) * dx + (self.y - y0) * dy) / length, 0, 1)
        distance = np.hypot(self.x - x0 - along * dx, self.y - y0 - along * dy)
        self.samples[distance <= width / 2] = color

    def triangle(self, corners: tuple[Point, Point, Point], direction: int, color: Color) -> None:
        """A triangle given as it looks when it points right, turned to a direction (0 right,
        1 down, 2 left, 3 up); by barycentric coordinates.
        """
        angle = -0.5 * math.pi * direction
        x, y = self.x - 0.5, self.y - 0.5
        turned_x = 0.5 + x * math.cos(angle) - y * math.sin(angle)
        turned_y = 0.5 + y * math.cos(angle) + x * math.sin(angle)
        a, b, c = np.array(corners, np.float32)
        side_c, side_b = c - a, b - a
        px, py = turned_x - a[0], turned_y - a[1]
        cc, cb, bb = side_c @ side_c, side_c @ side_b, side_b @ side_b
        cp = side_c[0] * px + side_c[1] * py
        bp = side_b[0] * px + side_b[1] * py
        scale = 1 / (cc * bb - cb * cb)
        u, v = (bb * cp - cb * bp) * scale, (cc * bp - cb * cp) * scale
        self.samples[(u >= 0) & (v >= 0) & (u + v < 1)] = color

    def blend(self, color: Color, share: float) -> None:
        """Mix everything with a colour: ``share`` of it, from 0 to 1."""
        target = np.array(color)
        self.samples[:] = (self.samples + share * (target - self.samples)).astype(np.uint8)

    def pixels(self) -> NDArray[np.uint8]:
        """The tile, uint8 [tile_size, tile_size, 3]."""
        side = self.samples.shape[0] // SAMPLES
        blocks = self.samples.reshape(side, SAMPLES, side, SAMPLES, 3)
        return np.asarray(blocks.mean(axis=3).mean(axis=1), np.uint8)
