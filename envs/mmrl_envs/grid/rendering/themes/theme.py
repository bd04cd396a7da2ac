"""A theme: how every cell is drawn, and nothing else; the rules do not depend on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import COLOR_SHIFT, COLORS, EMPTY, KIND_MASK, UNSEEN
from mmrl_envs.grid.rendering.themes.canvas import Canvas, Color

Drawing = Callable[[Canvas, Color], None]


@dataclass(frozen=True, eq=False)
class Theme:
    """A theme.

    Attributes:
        colors: the RGB of each colour name, 0 to 255.
        floor: draws what lies under everything.
        drawings: draws an object of a kind (see :mod:`mmrl_envs.grid.core.cells`) in a colour.
        agent: draws the agent, pointing in a direction (0 right, 1 down, 2 left, 3 up).
        highlight: brightens a tile that the agent sees.
        unseen: draws a cell that the agent does not see in its own view.
    """

    colors: Mapping[str, Color]
    floor: Callable[[Canvas], None]
    drawings: Mapping[int, Drawing]
    agent: Callable[[Canvas, int], None]
    highlight: Callable[[Canvas], None]
    unseen: Callable[[Canvas], None]
    _tiles: dict[tuple[int, int, bool, int | None], NDArray[np.uint8]] = field(
        default_factory=dict, repr=False
    )

    def tile(
        self,
        code: int,
        tile_size: int,
        *,
        highlight: bool = False,
        agent_direction: int | None = None,
    ) -> NDArray[np.uint8]:
        """One tile, uint8 [tile_size, tile_size, 3]; drawn once and remembered.

        Args:
            code: the cell, see :mod:`mmrl_envs.grid.core.cells`.
            tile_size: pixels a side.
            highlight: as cells in the agent's view are.
            agent_direction: the agent is drawn on top, pointing there.
        """
        key = code, tile_size, highlight, agent_direction
        if key not in self._tiles:
            self._tiles[key] = self._draw(*key)
        return self._tiles[key]

    def can_draw(self, code: int) -> bool:
        """Whether a code is one that a cell can have."""
        kind, color = code & KIND_MASK, code >> COLOR_SHIFT
        return code in (UNSEEN, EMPTY) or (kind in self.drawings and color < len(COLORS))

    def _draw(
        self, code: int, tile_size: int, highlight: bool, agent_direction: int | None
    ) -> NDArray[np.uint8]:
        canvas = Canvas(tile_size)
        if code == UNSEEN and agent_direction is None:
            self.unseen(canvas)
            return canvas.pixels()
        self.floor(canvas)
        draw = self.drawings.get(code & KIND_MASK)
        if draw is not None:
            draw(canvas, self.colors[COLORS[code >> COLOR_SHIFT]])
        if agent_direction is not None:
            self.agent(canvas, agent_direction)
        if highlight:
            self.highlight(canvas)
        return canvas.pixels()
