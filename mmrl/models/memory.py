"""A bound on the memory of tensors: sizes that no machine holds are refused before it is taken."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, Final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmrl.schema import FileError

_MAKERS: Final = frozenset(
    {"empty", "zeros", "ones", "full", "rand", "randn", "randint", "empty_strided"}
)
"""Operators of torch whose first list of numbers is the shape of a new tensor."""
_RANGES: Final = frozenset({"arange", "linspace", "eye"})
"""Operators whose numbers bound the length of a new tensor."""


_MOST: Final = 8  # bytes in memory for one in a file of weights
_MARGIN: Final = 2**30


def bound_of(weights: int) -> int:
    """Bytes that building a model may take, whose weights have so many."""
    return _MOST * weights + _MARGIN


def machine_memory() -> int:
    """Bytes of memory of this machine; a terabyte where that is not known."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 2**40


@contextmanager
def bounded_memory(most: int, source: str) -> Iterator[None]:
    """A block in which new tensors have at most so many bytes together.

    Args:
        most: bytes.
        source: what declares the sizes, for the error.

    Raises:
        FileError: they would have more.
    """
    with _Bound(most, source):
        yield


class _Bound(TorchDispatchMode):
    """Adds up the tensors that torch is asked for."""

    def __init__(self, most: int, source: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._left, self._most, self._source = most, most, source

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if name in _MAKERS or name in _RANGES:
            self._take(name, args, kwargs)
        return func(*args, **kwargs)

    def _take(self, name: str, args: Any, kwargs: Any) -> None:
        if name in _MAKERS:
            shape = next((one for one in args if isinstance(one, list | tuple)), ())
            count = prod(int(one) for one in shape)
        else:
            count = max((abs(int(one)) for one in args if isinstance(one, int | float)), default=0)
        if getattr(kwargs.get("device"), "type", "cpu") == "meta":
            return
        self._left -= count * (kwargs.get("dtype") or torch.get_default_dtype()).itemsize
        if self._left < 0:
            raise FileError(
                f"{self._source}: its sizes would take more than {self._most:,} bytes of memory: "
                "it is damaged, or a size in it is wrong"
            )
