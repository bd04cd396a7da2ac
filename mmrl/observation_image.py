"""An observation as an image: the main image, or vectors as a sheet of cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.contract import ACTION_MASK, IMAGE, INSTRUCTION, SPEECH

_CELL: Final = 16  # pixels
_MOST: Final = 256  # cells
_LOW: Final = np.array([33, 102, 172])
_HIGH: Final = np.array([178, 24, 43])
_PAPER: Final = np.array([247, 247, 247])


def observation_image(observation: Mapping[str, Any]) -> NDArray[np.uint8]:
    """What an agent sees, for people: uint8 [H, W, 3].

    That is a copy of the main image. Without one, each number of the vectors is a cell: white for
    0, red above and blue below, and full for 1 and more.

    Args:
        observation: of one environment, of the contract.
    """
    if IMAGE in observation:
        return np.array(observation[IMAGE])
    others = (INSTRUCTION, SPEECH, ACTION_MASK)
    vectors = [np.ravel(one) for key, one in observation.items() if key not in others]
    numbers = np.clip(np.nan_to_num(np.concatenate(vectors)[:_MOST]), -1, 1)
    side = int(np.ceil(np.sqrt(len(numbers))))
    cells = np.zeros(side * side)
    cells[: len(numbers)] = numbers
    share = np.abs(cells)[:, None]
    colors = _PAPER * (1 - share) + np.where(cells[:, None] > 0, _HIGH, _LOW) * share
    grid = colors.round().astype(np.uint8).reshape(side, side, 3)
    return grid.repeat(_CELL, 0).repeat(_CELL, 1)
