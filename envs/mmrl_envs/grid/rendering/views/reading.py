"""Reading images: recovers the cells that an image of a grid world shows, by its theme's tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import (
    CODES,
    COLOR_SHIFT,
    COLORS,
    DOORS,
    EMPTY_CELL,
    KIND_MASK,
    PORTABLE,
    UNSEEN,
    WALL_CELL,
    symbols,
)
from mmrl_envs.grid.core.state import NOTHING
from mmrl_envs.grid.core.visibility import MIDDLE, VIEW
from mmrl_envs.grid.language.descriptions import Scene, scenes_of
from mmrl_envs.grid.rendering.themes import find_theme
from mmrl_envs.grid.rendering.views.egocentric import egocentric_atlas
from mmrl_envs.grid.rendering.views.overview import AGENTS, GROUND, UNDERFOOT, overview_atlas

_KINDS: Final = range(KIND_MASK + 1)


@dataclass(frozen=True)
class Reading:
    """What N images show.

    Attributes:
        codes: of the cells as they lie in the image, uint8 [N, rows, columns]; where an agent
            looks for itself, its own cell holds what it carries.
        visible: which cells the agent sees, bool [N, rows, columns].
        agent: row, column and direction of the agent, int64 [N, 3]; the first where an image
            shows several, -1 where it shows none.
        off: how far each tile is from the theme's, float32 [N, rows, columns]: the mean
            difference of its bytes; 0 where it is painted exactly so.
    """

    codes: NDArray[np.uint8]
    visible: NDArray[np.bool_]
    agent: NDArray[np.int64]
    off: NDArray[np.float32]

    @property
    def symbols(self) -> NDArray[np.uint8]:
        """Minigrid's (object, colour, state) of every cell, uint8 [N, rows, columns, 3]."""
        return symbols()[self.codes]

    @property
    def carried(self) -> NDArray[np.uint8]:
        """The code of what is in the agent's hands, uint8 [N]; of an empty cell where nothing is,
        or where the image does not determine it.
        """
        rows = np.arange(len(self.codes))
        own = self.codes[rows, self.agent[:, 0], self.agent[:, 1]]
        carries = (PORTABLE >> (own.astype(np.int64) & KIND_MASK)) & 1
        return np.where(carries & (self.agent[:, 0] >= 0), own, EMPTY_CELL).astype(np.uint8)

    def scenes(self) -> list[Scene]:
        """What the agents of N views of their own see, in words: everything.

        Raises:
            ValueError: images of whole grids.
        """
        if self.codes.shape[1:] != (VIEW, VIEW):
            raise ValueError(f"{self.codes.shape[1:]} cells: an agent's own view has 7 × 7")
        return list(scenes_of(self.codes[:, ::-1]))


class TileReader:
    """Reads images by the nearest of a theme's tiles, cell by cell.

    Where two cells look the same, as may be with very small tiles, the one with the lower code is
    read.

    Args:
        theme: a name, as for environments.
        tile_size: pixels a side of a cell.
        view: "egocentric", or "full" for whole grids.

    Raises:
        ValueError: an unknown theme or view.
    """

    def __init__(
        self, theme: str = "minigrid", tile_size: int = 8, view: str = "egocentric"
    ) -> None:
        if view not in ("egocentric", "full"):
            raise ValueError(f"view={view!r}: choose from egocentric, full")
        make = egocentric_atlas if view == "egocentric" else overview_atlas
        self.tile_size, self.view = tile_size, view
        self._tiles = make(find_theme(theme), tile_size).reshape(-1, 3 * tile_size**2)
        self._own = np.array([CODES + code for code in _possible() if not _is(DOORS, code)])
        self._cells = np.array([UNSEEN, *_possible()])
        if view == "full":
            lit = [CODES + code for code in _possible()]
            self._cells = np.array([*_possible(), *lit, *range(AGENTS, len(self._tiles))])

    def __call__(self, images: NDArray[np.uint8]) -> Reading:
        """Read images, uint8 [N, H, W, 3].

        Raises:
            ValueError: images that are not made of such tiles.
        """
        tiles, off = self._nearest(self._cut(images))
        return self._seen(tiles, off) if self.view == "egocentric" else self._surveyed(tiles, off)

    def _cut(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Tiles, uint8 [N, rows, columns, bytes]."""
        size = self.tile_size
        count, height, width = images.shape[:3]
        own_size = self.view == "full" or height == width == VIEW * size
        if height % size or width % size or not own_size:
            raise ValueError(
                f"images of {height} × {width} pixels: an image of view={self.view!r} with "
                f"tile_size={size} has "
                + ("whole tiles" if self.view == "full" else f"{VIEW * size} × {VIEW * size}")
            )
        cut = images.reshape(count, height // size, size, width // size, size, 3)
        return cut.swapaxes(2, 3).reshape(count, height // size, width // size, -1)

    def _nearest(self, cut: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The number of the nearest tile in the atlas, int64 [N, rows, columns], and how far."""
        tiles = np.empty(cut.shape[:3], np.int64)
        off = np.empty(cut.shape[:3], np.float32)
        own = np.zeros(cut.shape[:3], np.bool_)
        if self.view == "egocentric":
            own[:, VIEW - 1, MIDDLE] = True
        for where, among in ((own, self._own), (~own, self._cells)):
            tiles[where], off[where] = self._match(cut[where], among)
        return tiles, off

    def _match(
        self, tiles: NDArray[np.uint8], among: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Of each of T tiles, uint8 [T, bytes]; what comes often is looked up once."""
        rows = np.ascontiguousarray(tiles).view(np.dtype((np.void, tiles.shape[1]))).ravel()
        _, first, back = np.unique(rows, return_index=True, return_inverse=True)
        known = self._tiles[among].astype(np.int16)
        best, off = np.empty(len(first), np.int64), np.empty(len(first), np.float32)
        for k, row in enumerate(first.tolist()):
            distances = np.abs(known - tiles[row]).mean(1)
            best[k] = distances.argmin()
            off[k] = distances[best[k]]
        return among[best][back], off[back]

    def _seen(self, tiles: NDArray[np.int64], off: NDArray[np.float32]) -> Reading:
        codes = (tiles % CODES).astype(np.uint8)
        agent = np.tile([VIEW - 1, MIDDLE, 3], (len(codes), 1))
        return Reading(codes, codes != UNSEEN, agent, off)

    def _surveyed(self, tiles: NDArray[np.int64], off: NDArray[np.float32]) -> Reading:
        is_agent = tiles >= AGENTS
        direction, ground = np.divmod(tiles - AGENTS, UNDERFOOT)
        codes = np.where(is_agent, np.array(GROUND)[ground], tiles % CODES).astype(np.uint8)
        agent = np.full((len(tiles), 3), NOTHING, np.int64)
        for k, row, column in np.argwhere(is_agent)[::-1].tolist():
            agent[k] = row, column, direction[k, row, column]
        return Reading(codes, tiles >= CODES, agent, off)


def _possible() -> list[int]:
    """The codes of all cells that a grid can have, in order."""
    things = [
        kind | color << COLOR_SHIFT
        for color in range(len(COLORS))
        for kind in _KINDS
        if _is(PORTABLE | DOORS, kind)
    ]
    return sorted([EMPTY_CELL, WALL_CELL, *things])


def _is(kinds: int, code: int) -> bool:
    return bool(kinds >> (code & KIND_MASK) & 1)
