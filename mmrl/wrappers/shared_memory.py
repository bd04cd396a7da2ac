"""Shared memory: NumPy arrays that several processes see."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

_ALIGNMENT: Final = 64  # bytes of a cache line


class ArrayLayout(NamedTuple):
    """An array's shape and the name of its dtype, such as ``uint8``."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """Bytes, up to the next cache line."""
        size = math.prod(self.shape) * np.dtype(self.dtype).itemsize
        return -(-size // _ALIGNMENT) * _ALIGNMENT


class SharedArrays:
    """Named arrays in memory without a name, which is gone with the last process that uses it.

    Args:
        layouts: of the arrays, by their names.
        descriptor: of the file that holds them.

    Attributes:
        arrays: by their names.
        descriptor: for a process that is to see them.
    """

    def __init__(self, layouts: Mapping[Any, ArrayLayout], descriptor: int) -> None:
        self.descriptor = descriptor
        memory = mmap.mmap(descriptor, _total(layouts))
        self.arrays: dict[Any, NDArray[Any]] = {}
        offset = 0
        for name, one in layouts.items():
            self.arrays[name] = np.ndarray(one.shape, one.dtype, memory, offset)
            offset += one.size

    @classmethod
    def allocate(cls, layouts: Mapping[Any, ArrayLayout]) -> Self:
        """New arrays of zeros."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("mmrl")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, _total(layouts))
        return cls(layouts, descriptor)

    def close_descriptor(self) -> None:
        """Let no further process see them; where they are seen, they stay."""
        os.close(self.descriptor)


def _total(layouts: Mapping[Any, ArrayLayout]) -> int:
    return max(sum(one.size for one in layouts.values()), 1)
