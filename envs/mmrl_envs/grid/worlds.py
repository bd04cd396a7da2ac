"""A batch of grid worlds without Gymnasium: state and recipe brought together with the kernels."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid import sprites
from mmrl_envs.grid.dynamics import step_envs
from mmrl_envs.grid.instructions import Instruction, sentence
from mmrl_envs.grid.levels import find_level
from mmrl_envs.grid.state import make_scratch, make_state
from mmrl_envs.grid.streams import seed_streams
from mmrl_envs.grid.vision import FRAME_SHAPE, FRAME_WORDS, paint_views, seen_cells


class GridWorlds:
    """``num_envs`` worlds of one level, stepped together.

    Args:
        level: a name from :data:`mmrl_envs.grid.levels.LEVELS`.
        num_envs: how many.
        max_steps: the limit of steps of an episode; None for BabyAI's.
        sizes: the level's parameters, such as ``room_size``.

    Raises:
        ValueError: unknown level or parameter, impossible sizes.
    """

    def __init__(
        self, level: str, num_envs: int, *, max_steps: int | None = None, **sizes: Any
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs={num_envs}: must be at least 1")
        if max_steps is not None and max_steps < 1:
            raise ValueError(f"max_steps={max_steps}: must be at least 1")
        self.level = level
        self.num_envs = num_envs
        recipe = find_level(level).recipe(**sizes)
        self.layout, self._recipe = recipe.finish()
        self.state = make_state(num_envs, self.layout)
        self._scratch = make_scratch(self.layout)
        self.sentences: list[str] = [""] * num_envs
        self._atlas = sprites.view_atlas()
        self._max_steps = max_steps or recipe.max_steps
        self._seeds = np.zeros(num_envs, np.uint64)
        self._all = np.arange(num_envs)
        self._nobody = np.zeros(num_envs, np.bool_)
        self._no_frames = np.empty((0, FRAME_WORDS), np.uint64)

    def seed(self, seeds: NDArray[np.uint64], rows: NDArray[np.int64] | None = None) -> None:
        """Start the random streams of environments ``rows`` (all, if None) anew, uint64 [K]."""
        rows = self._all if rows is None else rows
        streams = np.empty(len(rows), np.uint64)
        seed_streams(streams, seeds)
        self.state.streams[rows] = streams
        self._seeds[rows] = seeds

    def reset(
        self, rows: NDArray[np.int64] | None = None, frames: NDArray[np.uint64] | None = None
    ) -> None:
        """Begin a new episode in environments ``rows`` (all, if None), int64 [K]; what their
        agents see goes to ``frames``, uint64 [N, 1176], if given.

        Raises:
            RuntimeError: no level could be generated; names the level and the seed.
        """
        restart = np.zeros(self.num_envs, np.bool_)
        restart[self._all if rows is None else rows] = True
        self.step(self._all, ~restart, self._no_frames if frames is None else frames, restart)

    def step(
        self,
        actions: NDArray[np.int64],
        paused: NDArray[np.bool_],
        frames: NDArray[np.uint64],
        restart: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_], int]:
        """Step every environment that is not ``paused``, or begin its new episode where
        ``restart``; see :func:`mmrl_envs.grid.dynamics.step_envs`.

        Returns:
            Rewards, terminated, truncated, success (each [N]), and how many episodes ended.

        Raises:
            RuntimeError: no level could be generated; names the level and the seed.
        """
        n = self.num_envs
        rewards = np.empty(n)
        terminated, truncated, success = np.empty((3, n), np.bool_)
        ended = step_envs(
            self.state,
            self.layout,
            self._recipe,
            self._scratch,
            self._max_steps,
            actions,
            paused,
            self._nobody if restart is None else restart,
            self._atlas,
            frames.reshape(-1),
            rewards,
            terminated,
            truncated,
            success,
        )
        if ended < 0:
            raise RuntimeError(
                f"level {self.level} could not be generated from seed {self._seeds[-1 - ended]}: "
                "every attempt was turned down; give it more room or fewer objects"
            )
        if restart is not None:
            for e in np.flatnonzero(restart).tolist():
                self.sentences[e] = sentence(self.state.instruction[e].tobytes())
        return rewards, terminated, truncated, success, ended

    def paint(self, frames: NDArray[np.uint64], rows: NDArray[np.int64] | None = None) -> None:
        """Paint the views of ``rows`` (all, if None) at their own places in ``frames``."""
        rows = self._all if rows is None else rows
        paint_views(self.state, self.layout, rows, self._atlas, frames.reshape(-1))

    def views(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The views of ``rows``, uint8 [K, 56, 56, 3], in fresh memory."""
        frames = np.empty((self.num_envs, FRAME_WORDS), np.uint64)
        self.paint(frames, rows)
        return as_pictures(frames[rows])

    def picture(self, e: int, tile_size: int = 32) -> NDArray[np.uint8]:
        """The whole grid of environment ``e`` from above, what the agent sees brightened: uint8
        [height · tile_size, width · tile_size, 3], as Minigrid draws it.
        """
        state, layout = self.state, self.layout
        mask = np.empty(state.grid.shape[1], np.bool_)
        seen_cells(state, layout, e, mask)
        rows = []
        for y in range(layout.height):
            tiles = []
            for x in range(layout.width):
                cell = layout.cell_index(x, y)
                here = cell == state.agent_cell[e]
                tiles.append(
                    sprites.draw_tile(
                        int(state.grid[e, cell]),
                        tile_size,
                        highlight=bool(mask[cell]),
                        agent_direction=int(state.agent_direction[e]) if here else None,
                    )
                )
            rows.append(np.concatenate(tiles, axis=1))
        return np.concatenate(rows)

    def instruction(self, e: int) -> Instruction:
        """The instruction of environment ``e``, parsed."""
        return Instruction.from_code(self.state.instruction[e])


def as_pictures(frames: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Frames written as words, uint64 [K, 1176], as pictures, uint8 [K, 56, 56, 3]; no copy."""
    return frames.view(np.uint8).reshape(-1, *FRAME_SHAPE)


def _holders(buffers: list[NDArray[np.uint64]], index: int) -> int:
    """How many references there are to a buffer, those of this very look included."""
    return sys.getrefcount(buffers[index])


_UNHELD = _holders([np.empty(0, np.uint64)], 0)


class FramePool:
    """Memory for frames that is used again as soon as nobody holds it.

    A fresh array at every step would cost more in page faults than the whole engine. The pool
    hands out an array, keeps it, and hands it out again when the last view of it is gone: what a
    user still holds is never written to.

    Args:
        num_envs: frames in an array.
    """

    def __init__(self, num_envs: int) -> None:
        self._shape = (num_envs, FRAME_WORDS)
        self._buffers: list[NDArray[np.uint64]] = []

    def take(self) -> NDArray[np.uint64]:
        """An array uint64 [N, 1176] that nobody else holds; its contents are old."""
        for index in range(len(self._buffers)):
            if _holders(self._buffers, index) == _UNHELD:
                return self._buffers[index]
        if len(self._buffers) == 8:  # held by somebody who collects them: let those go
            self._buffers.clear()
        self._buffers.append(np.empty(self._shape, np.uint64))
        return self._buffers[-1]
