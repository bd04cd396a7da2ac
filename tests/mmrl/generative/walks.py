"""Walks through small maps of tokens whose every step is known, to test world models on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mmrl.generative.world_model.spatial_memory import STILL, Motion

WALL, CODES, GRID = 0, 8, (3, 3)
LEFT, RIGHT, FORWARD = range(3)
# the agent stands in the middle of the lowest row and looks up
TURN_LEFT, TURN_RIGHT, ADVANCE = Motion(3, 3, -1), Motion(1, 1, 3), Motion(0, -1, 0)
MOTIONS = [STILL, ADVANCE, TURN_LEFT, TURN_RIGHT]
_AHEAD = np.array([[-1, 0], [0, 1], [1, 0], [0, -1]])


class Walk(NamedTuple):
    """T steps: tokens int64 [T + 1, 9], actions int64 [T], motions int64 [T] (by ``MOTIONS``), and
    the places in view, int64 [T + 1, 9, 2].
    """

    ids: torch.Tensor
    actions: torch.Tensor
    motions: torch.Tensor
    places: NDArray[np.int64]


def walk(seed: int, steps: int, size: int = 12) -> Walk:
    """A random walk; walls are not walked through."""
    generator = np.random.default_rng(seed)
    world = generator.integers(1, CODES, (size, size))
    world[[0, -1]] = WALL
    world[:, [0, -1]] = WALL
    world[generator.random((size, size)) < 0.15] = WALL
    where, facing = np.array([size // 2, size // 2]), 0
    actions, motions, places = generator.integers(3, size=steps), [], [_view(where, facing)]
    for action in actions:
        if action == FORWARD:
            ahead = where + _AHEAD[facing]
            is_free = world[tuple(ahead)] != WALL
            where = ahead if is_free else where
            motions.append(1 if is_free else 0)
        else:
            facing = (facing + (1 if action == RIGHT else -1)) % 4
            motions.append(3 if action == RIGHT else 2)
        places.append(_view(where, facing))
    seen = np.stack(places)
    inside = seen.clip(0, size - 1)
    ids = world[inside[..., 0], inside[..., 1]]
    ids[(seen != inside).any(-1)] = WALL
    return Walk(torch.from_numpy(ids), torch.from_numpy(actions), torch.tensor(motions), seen)


def _view(where: NDArray[np.int64], facing: int) -> NDArray[np.int64]:
    """The places of the view, row by row: int64 [9, 2]."""
    ahead, right = _AHEAD[facing], _AHEAD[(facing + 1) % 4]
    return np.array(
        [
            where + (2 - row) * ahead + (column - 1) * right
            for row in range(3)
            for column in range(3)
        ]
    )
