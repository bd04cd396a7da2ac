"""HDF5 files: read only what is in the file itself, and written so that a full disk is an error."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from mmrl.errors import UserError

_VERSION: Final = ("v110", "v110")
DAMAGE: Final = (
    OSError, RuntimeError, KeyError, IndexError, TypeError, ValueError, AttributeError, MemoryError
)  # fmt: skip
"""What h5py and numpy raise where a file is damaged, or holds values of another type or shape."""
_LARGE: Final = 1 << 28
_PACKED: Final = 2000  # what gzip makes of the same byte again and again is 1,032 times smaller
_MOST_LINKS: Final = 16  # soft links on the way to one member


class ForeignDataError(UserError):
    """An HDF5 file takes some of its content from other files."""

    def __init__(self, group: Any, name: str, what: str) -> None:
        super().__init__(
            f"{group.file.filename}: {group.name.rstrip('/')}/{name} {what}, which is refused: "
            "copy the data into the file itself"
        )


def open_hdf5(path: Path) -> Any:
    """An HDF5 file, to be read.

    Raises:
        UserError: it is none, or damaged.
    """
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise UserError(f"{path} is no HDF5 file, or damaged: {error}") from error


def member(group: Any, path: str) -> Any:
    """What lies under a path in a group; None where there is nothing.

    Raises:
        ForeignDataError: its content is not in the file: an external link, a soft link through
            one, a dataset in external storage or a virtual one. Nothing of it is opened.
        UserError: soft links that lead in a circle.
    """
    import h5py

    found, names, links = group, deque(path.split("/")), 0
    while names:
        name = names.popleft()
        if name in ("", "."):
            continue
        if not isinstance(found, h5py.Group) or name not in found:
            return None
        link = _link(found, name)
        if isinstance(link, h5py.SoftLink):
            links += 1
            if links > _MOST_LINKS:
                raise UserError(f"{group.file.filename}: the soft links of {path} never end")
            names.extendleft(reversed(link.path.split("/")))
            found = found.file if link.path.startswith("/") else found
        else:
            found = found[name]
            _check_storage(found, name)
    return found


class Members:
    """The members of a group by their paths, each looked for once; see :func:`member`.

    Args:
        group: of an HDF5 file.
    """

    def __init__(self, group: Any) -> None:
        self.group = group
        self._found: dict[str, Any] = {}

    def __call__(self, path: str) -> Any:
        """The member under a path; None where there is nothing."""
        if path not in self._found:
            before, _, name = path.rpartition("/")
            self._found[path] = member(self(before) if before else self.group, name)
        return self._found[path]


def _link(group: Any, name: str) -> Any:
    """The soft link of that name in a group; None for what lies there itself.

    Raises:
        ForeignDataError: a link to another file.
    """
    import h5py

    if group.id.links.get_info(name.encode()).type == h5py.h5l.TYPE_HARD:
        return None  # nearly all are
    try:
        link = group.get(name, getlink=True)
    except TypeError as error:  # a kind that h5py does not know
        raise ForeignDataError(group, name, "is a link of an unknown kind") from error
    if isinstance(link, h5py.ExternalLink):
        raise ForeignDataError(group, name, f"is a link to the file {link.filename!r}")
    return link


def _check_storage(found: Any, name: str) -> None:
    """Refuse a dataset whose values lie in other files, or nowhere."""
    import h5py

    if not isinstance(found, h5py.Dataset):
        return
    settings = found.id.get_create_plist()
    if settings.get_external_count():
        raise ForeignDataError(found.parent, name, f"is kept in the file {found.external[0][0]!r}")
    if settings.get_layout() == h5py.h5d.VIRTUAL:
        raise ForeignDataError(found.parent, name, "is a virtual dataset")
    if found.nbytes > _LARGE and found.nbytes > _PACKED * found.id.get_storage_size():
        raise UserError(
            f"{found.file.filename}: {found.name} declares {found.nbytes:,} bytes, of which only "
            f"{found.id.get_storage_size():,} packed ones are in the file: it is damaged"
        )


def check_members(group: Any) -> None:
    """Look through a group and the groups in it, without reading any dataset.

    Raises:
        ForeignDataError, UserError: as :func:`member`.
    """
    import h5py

    waiting, seen = [group], set()
    while waiting:
        one = waiting.pop()
        address = h5py.h5o.get_info(one.id).addr
        if address in seen:  # a group may hold itself
            continue
        seen.add(address)
        found = [member(one, name) for name in one]
        waiting += [each for each in found if isinstance(each, h5py.Group)]


def hdf5_bytes(fill: Callable[[Any], None]) -> bytes:
    """The content of an HDF5 file that a function fills, made in memory."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=_VERSION) as file:
        fill(file)
    return buffer.getvalue()


@contextmanager
def hdf5_writer(path: Path) -> Iterator[Any]:
    """An HDF5 file that is written on the disk.

    HDF5 may crash where a write fails, so it never sees one: what the disk does not take is kept in
    memory until the file is closed.

    Yields:
        The file, and a function that raises the error of the first write that failed, if any; call
        it now and then.

    Raises:
        OSError: a write has failed.
    """
    import h5py

    with path.open("w+b", buffering=0) as disk:
        sink = _Sink(disk)
        with h5py.File(sink, "w", libver=_VERSION) as file:
            yield file, sink.check
        sink.check()


class _Sink(io.RawIOBase):
    """A file whose writes never fail: those that the disk does not take are kept.

    Args:
        disk: a file without a buffer.
    """

    def __init__(self, disk: io.FileIO) -> None:
        super().__init__()
        self._disk = disk
        self._at = self._end = 0
        self._kept: list[tuple[int, bytes]] = []
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the error of the first write that has failed, if any."""
        if self._error is not None:
            raise self._error

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def truncate(self, size: int | None = None) -> int:
        self._end = self._at if size is None else size
        if self._error is None:
            self._attempt(lambda: self._disk.truncate(self._end))
        return self._end

    def write(self, content: Any) -> int:
        data, start = bytes(content), self._at
        self._at += len(data)
        self._end = max(self._end, self._at)
        if self._error is not None or not self._attempt(lambda: self._write(start, data)):
            self._kept.append((start, data))
        return len(data)

    def readinto(self, buffer: Any) -> int:
        view, start = memoryview(buffer).cast("B"), self._at
        self._disk.seek(start)
        content = bytearray(self._disk.read(len(view)) or b"").ljust(len(view), b"\0")
        for at, data in self._kept:
            first, last = max(at, start), min(at + len(data), start + len(view))
            if first < last:
                content[first - start : last - start] = data[first - at : last - at]
        view[:] = content
        self._at += len(view)
        return len(view)

    def _write(self, start: int, data: bytes) -> None:
        self._disk.seek(start)
        rest = memoryview(data)
        while rest:
            rest = rest[self._disk.write(rest) :]

    def _attempt(self, act: Callable[[], Any]) -> bool:
        try:
            act()
        except OSError as error:
            self._error = error
        return self._error is None
