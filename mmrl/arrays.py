"""Files of numpy's arrays, whose sizes are checked before memory is asked for."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mmrl.schema import FileError, check_regular
from mmrl.text_output import shortened

MOST: Final = 2**28
"""Bytes that a compressed file of arrays unpacks to, at most."""
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE: Final = (
    OSError, EOFError, ValueError, RuntimeError, LookupError, TypeError, AttributeError,
    OverflowError, SyntaxError, MemoryError, TokenError, zipfile.BadZipFile, zlib.error,
    struct.error,
)  # fmt: skip
"""What zipfile and numpy raise for a damaged file."""


def read_npz(path: Path, most: int = MOST) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file by name; nothing is unpickled.

    Args:
        path: of the file.
        most: bytes that it may unpack to, where that is more than the file has.

    Raises:
        FileError: it is none, damaged, or larger than that.
    """
    size = check_regular(path)
    with _damaged(path), zipfile.ZipFile(path) as file:
        members = file.infolist()
        total = sum(one.file_size for one in members)
        if total > max(most, size):
            raise FileError(f"{path}: unpacks to {total:,} bytes, and at most {most:,} are read")
        return {one.filename.removesuffix(".npy"): _member(file, one) for one in members}


def read_npy(path: Path) -> NDArray[Any]:
    """The array of an ``.npy`` file; nothing is unpickled.

    Raises:
        FileError: it is none, or damaged.
    """
    size = check_regular(path)
    with _damaged(path), path.open("rb") as file:
        _check_header(file, size, path.name)
        file.seek(0)
        return np.asarray(npy.read_array(file, allow_pickle=False))


def _member(file: zipfile.ZipFile, about: zipfile.ZipInfo) -> NDArray[Any]:
    if about.compress_type not in _METHODS:
        raise ValueError(f"{about.filename} is packed by method {about.compress_type}")
    with file.open(about) as content:
        _check_header(content, about.file_size, about.filename)
    with file.open(about) as content:
        return np.asarray(npy.read_array(content, allow_pickle=False))


def _check_header(file: IO[bytes], size: int, name: str) -> None:
    """Make sure that an array is as large as its header says.

    Raises:
        ValueError: it is not.
    """
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError(f"{name} holds objects, which are never unpickled")
    declared, held = prod(shape) * dtype.itemsize, size - file.seek(0, os.SEEK_CUR)
    if min(shape, default=1) < 0 or declared != held:
        raise ValueError(
            f"{name} declares {dtype} {list(shape)}, {declared:,} bytes, and has {held:,}"
        )


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise FileError(
            f"{path}: is damaged: {shortened(error) or type(error).__name__}"
        ) from error
