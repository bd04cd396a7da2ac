"""Memory for the frames of a batch."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray


def _holders(buffers: list[NDArray[np.uint8]], index: int) -> int:
    """How many references there are to a buffer, those of this very look included."""
    return sys.getrefcount(buffers[index])


_UNHELD = _holders([np.empty(0, np.uint8)], 0)


class FramePool:
    """Memory for frames that is used again as soon as nobody holds it.

    A fresh array at every step would cost more in page faults than the whole engine. The pool
    hands out an array, keeps it, and hands it out again when the last view of it is gone: what a
    user still holds is never written to.

    Args:
        shape: of an array, [N, H, W, 3].
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._buffers: list[NDArray[np.uint8]] = []

    def take(self) -> NDArray[np.uint8]:
        """An array uint8 that nobody else holds; its contents are old."""
        for index in range(len(self._buffers)):
            if _holders(self._buffers, index) == _UNHELD:
                return self._buffers[index]
        if len(self._buffers) == 8:  # held by somebody who collects them: let those go
            self._buffers.clear()
        self._buffers.append(np.empty(self._shape, np.uint8))
        return self._buffers[-1]
