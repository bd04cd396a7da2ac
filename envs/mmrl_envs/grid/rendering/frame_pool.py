"""Buffers for the frames of a batch, reused once nobody references them.

This relies on CPython's reference counts: every view of an array, numpy's or torch's, holds one
reference to it. ``tests/envs/rendering/test_frame_pool.py`` asserts that of the Python it runs on.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray


def _references(buffers: list[NDArray[np.uint8]], index: int) -> int:
    """The reference count of a buffer, with those that counting itself takes."""
    return sys.getrefcount(buffers[index])


_UNREFERENCED = _references([np.empty(0, np.uint8)], 0)
"""Measured, not written down: how many that takes differs between versions of Python."""


class FramePool:
    """Buffers for frames, each used again as soon as nobody references it.

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
        """An array uint8 that nobody else references; its contents are old."""
        for index in range(len(self._buffers)):
            if _references(self._buffers, index) == _UNREFERENCED:
                return self._buffers[index]
        if len(self._buffers) == 8:  # somebody collects them: release those
            self._buffers.clear()
        self._buffers.append(np.empty(self._shape, np.uint8))
        return self._buffers[-1]
