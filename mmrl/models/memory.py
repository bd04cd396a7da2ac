"""A bound on the memory of tensors: sizes that no machine holds are refused before it is taken."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, Final

import torch
from torch.overrides import TorchFunctionMode

from mmrl.schema import FileError

_MAKERS: Final = frozenset({"empty", "zeros", "ones", "full", "rand", "randn"})
"""Functions of torch that make a tensor of a shape."""
_RANGES: Final = frozenset({"arange", "linspace", "eye"})
"""Functions whose numbers bound the length of what they make."""
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


class _Bound(TorchFunctionMode):
    """Adds up the tensors that torch is asked for."""

    def __init__(self, most: int, source: str) -> None:
        super().__init__()
        self._left, self._most, self._source = most, most, source

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _MAKERS or name in _RANGES:
            self._take(_count(name, args, kwargs), kwargs)
        return func(*args, **kwargs)

    def _take(self, count: int, options: Any) -> None:
        device = torch.device(options.get("device") or torch.get_default_device())
        if device.type == "meta":  # takes none
            return
        self._left -= count * (options.get("dtype") or torch.get_default_dtype()).itemsize
        if self._left < 0:
            raise FileError(
                f"{self._source}: its sizes would take more than {self._most:,} bytes of memory: "
                "it is damaged, or a size in it is wrong"
            )


def _count(name: str, args: Any, kwargs: Any) -> int:
    """How many numbers a new tensor has; 0 where the arguments are wrong, which torch reports."""
    numbers = [*args, *(kwargs[key] for key in ("size", "end", "n", "steps") if key in kwargs)]
    shapes = [one for one in numbers if isinstance(one, tuple | list)]
    plain = [one for one in numbers if isinstance(one, int | float)]
    try:
        if name in _RANGES:
            return max((abs(int(one)) for one in plain), default=0)
        return prod(int(one) for one in (shapes[0] if shapes else plain))
    except (TypeError, ValueError, OverflowError):
        return 0
