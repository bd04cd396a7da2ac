"""Atomic writes: a file or folder is replaced by a whole new one, or stays as it was.

Everything that mmrl keeps is written through this module. Modes follow the umask. :func:`exists`,
:func:`is_file` and :func:`is_folder` take any name that a user may give.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from mmrl.errors import UserError

DRAFT: Final = ".draft-"
"""What is being written has a name that begins so; what a killed process left may be removed."""

_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)
_NO_NAME: Final = (errno.ENAMETOOLONG, errno.EINVAL)


class WriteError(UserError):
    """A file or folder cannot be written; what was there is as it was.

    Args:
        path: of the file or folder.
        error: of the operating system.
    """

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"{path} cannot be written: {error.strerror or error}; what was there is as it was"
        )
        self.disk_is_full = error.errno in _NO_SPACE


def as_os_error(error: Exception) -> OSError:
    """The error of the operating system within one of safetensors, which gives but a text."""
    found = re.search(r"os error (\d+)", str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else OSError(str(error))


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; it takes that one's place when the block ends well.

    Raises:
        WriteError: it cannot be written.
    """
    with _folder_beside(path) as folder:
        draft = folder / path.name
        yield draft
        _publish(draft)
        os.replace(draft, path)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """An empty folder to write into; it takes the place of ``path`` when the block ends well.

    The files in it are on the disk before they appear under their name.

    Raises:
        WriteError: it cannot be written.
    """
    with _folder_beside(path) as folder:
        draft = folder / path.name
        draft.mkdir()
        yield draft
        for file in sorted(draft.rglob("*")):
            _publish(file)
        _publish(draft)
        _exchange(draft, path, folder / "replaced")
        _to_disk(path.parent)


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """A temporary folder on the same disk as ``path``.

    Raises:
        WriteError: in the block or outside, for any error of the operating system.
    """
    try:
        with tempfile.TemporaryDirectory(
            dir=path.parent, prefix=DRAFT, ignore_cleanup_errors=True
        ) as folder:
            yield Path(folder)
    except OSError as error:
        raise WriteError(path, error) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, atomically.

    Raises:
        WriteError: it cannot be written.
    """
    with atomic_file(path) as draft:
        draft.write_bytes(content)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file in UTF-8, atomically.

    Raises:
        WriteError: it cannot be written.
    """
    write_bytes(path, text.encode())


def make_folder(folder: Path) -> None:
    """Make a folder, with those above it; nothing happens where it is there.

    Raises:
        WriteError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(folder, error) from error


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically.

    Raises:
        WriteError: it cannot be written.
        TypeError: it is no JSON.
    """
    write_atomically(path, json.dumps(value, indent=2) + "\n")


def remove_drafts(folder: Path) -> None:
    """Remove what a process that was killed while it wrote has left in a folder."""
    for draft in folder.glob(f"{DRAFT}*"):
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


def _exchange(draft: Path, path: Path, aside: Path) -> None:
    """Put a draft in the place of a folder; if that fails, the folder is back."""
    if path.exists():
        os.replace(path, aside)
    try:
        os.replace(draft, path)
    except BaseException:
        if aside.exists():
            os.replace(aside, path)
        raise


def _publish(path: Path) -> None:
    """Put a file or folder on the disk, with the mode that the umask asks for."""
    mask = os.umask(0o077)
    os.umask(mask)
    path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)
    _to_disk(path)


def _to_disk(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows opens no folders
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether there is a file or folder of a name; there is none of a name that none can have."""
    return _look(Path(path).exists)


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether there is a regular file of a name, as :func:`exists`."""
    return _look(Path(path).is_file)


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether there is a folder of a name, as :func:`exists`."""
    return _look(Path(path).is_dir)


def _look(is_there: Callable[[], bool]) -> bool:
    try:
        return is_there()
    except ValueError:  # a null character
        return False
    except OSError as error:
        if error.errno not in _NO_NAME:
            raise
        return False
