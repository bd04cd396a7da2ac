"""The protocol of views: the shape of the frames, and rendering a range of the batch."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.state import State


class View(Protocol):
    """Turns states into frames."""

    shape: tuple[int, int, int]

    def paint(
        self,
        state: State,
        start: int,
        stop: int,
        skip: NDArray[np.bool_],
        frames: NDArray[np.uint8],
    ) -> None:
        """Write the frames of environments ``start`` to ``stop - 1`` that are not to be skipped."""
