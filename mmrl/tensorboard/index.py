"""The index of all episode records below TensorBoard's log folders."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from heapq import nlargest
from pathlib import Path
from sys import intern
from typing import Any, Final

from mmrl.records import EPISODES_FOLDER, NewerFormatError, RecordError, Summary, read_summary
from mmrl.records.file import SUFFIX

_FRESH: Final = 2.0  # seconds that a scan is used again
_MOST: Final = 100_000  # records; of more, the newest are listed
_LONGEST: Final = 2_000  # characters of a text that is kept
_LARGEST: Final = 4_096  # characters of the arguments of an environment that are kept
_CAMERAS: Final = 16  # that are kept


@dataclass(frozen=True, slots=True)
class Entry:
    """A record that was found.

    Attributes:
        id: unique and stable: its path from the log folder on.
        run: the folder of its run, from the log folder on.
        path: of the file.
        time: when it was written, in seconds since 1970.
        version: of the file's content; another one after it was replaced.
        summary: of the episode.
    """

    id: str
    run: str
    path: str
    time: float
    version: str
    summary: Summary


@dataclass(frozen=True)
class Scan:
    """What was found.

    Attributes:
        entries: by their ids.
        damaged: files that cannot be read.
        newer: files of a format that only newer versions read.
        left_out: records beyond the largest number that is listed.
    """

    entries: Mapping[str, Entry]
    damaged: int = 0
    newer: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class _File:
    """A file that may be a record."""

    id: str
    run: str
    path: str
    modified: int  # nanoseconds since 1970
    size: int

    @property
    def version(self) -> str:
        return f"{self.modified:x}-{self.size:x}"


class RecordIndex:
    """Finds records, and reads each summary once.

    Links are not followed, so that nothing outside the log folders is served. The newest 100,000
    records are kept, with texts of bounded length.

    Args:
        folders: by the names that go before the runs'; a single one may have an empty name.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = dict(folders)
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, Entry | type[RecordError]]] = {}
        self._scan = Scan({})
        self._scanned_at = float("-inf")

    def has_records(self) -> bool:
        """Whether there is any; quick, as this is asked often."""
        if self._scan.entries:
            return True
        return any(True for name, folder in self._folders.items() for _ in _files(name, folder))

    def scan(self) -> Scan:
        """What is there now, or was two seconds ago."""
        with self._lock:
            if time.monotonic() - self._scanned_at > _FRESH:
                self._scan = self._look()
                self._scanned_at = time.monotonic()
            return self._scan

    def _look(self) -> Scan:
        files = [one for name, folder in self._folders.items() for one in _files(name, folder)]
        left_out = max(0, len(files) - _MOST)
        if left_out:
            files = nlargest(_MOST, files, key=lambda one: one.modified)
        known = {}
        for file in files:
            before = self._known.get(file.id)
            if before is None or before[0] != file.version:
                before = (file.version, _read(file))
            known[file.id] = before
        self._known = known
        found = [one for _, one in known.values()]
        entries = {one.id: one for one in found if isinstance(one, Entry)}
        return Scan(entries, found.count(RecordError), found.count(NewerFormatError), left_out)


def _read(file: _File) -> Entry | type[RecordError]:
    """The entry of a file, or what is wrong with it."""
    try:
        summary = _bounded(read_summary(Path(file.path)))
    except NewerFormatError:
        return NewerFormatError
    except RecordError:
        return RecordError
    return Entry(file.id, file.run, file.path, file.modified / 1e9, file.version, summary)


def _bounded(summary: Summary) -> Summary:
    """A summary without long texts.

    Raises:
        RecordError: it has impossible numbers.
    """
    if not 0 <= summary.steps < 2**53 or abs(summary.checkpoint or 0) >= 2**53:
        raise RecordError("impossible numbers")
    if len(summary.cameras) > _CAMERAS:
        raise RecordError(f"{len(summary.cameras)} cameras")
    changes: dict[str, Any] = {
        name: getattr(summary, name)[:_LONGEST]
        for name in ("source", "env", "instruction", "instruction_kind")
        if len(getattr(summary, name)) > _LONGEST
    }
    if len(repr(summary.env_args)) > _LARGEST:
        changes["env_args"] = {}
    if not abs(summary.total_reward or 0) < float("inf"):
        changes["total_reward"] = None
    return replace(summary, **changes) if changes else summary


def _files(name: str, folder: Path) -> Iterator[_File]:
    """The records below a folder."""
    for place, folders, _ in os.walk(folder):  # which follows no links
        folders.sort()
        if os.path.basename(os.path.abspath(place)) != EPISODES_FOLDER:
            continue
        inside = os.path.relpath(os.path.dirname(os.path.abspath(place)), os.path.abspath(folder))
        inside = "" if inside in (os.curdir, os.pardir) else inside.replace(os.sep, "/")
        parts = [_readable(part) for part in (name, inside) if part]
        run = intern("/".join(parts) or _readable(_own_name(folder)))
        try:
            with os.scandir(place) as files:
                for file in files:
                    if file.name.endswith(SUFFIX) and file.is_file(follow_symlinks=False):
                        stat = file.stat(follow_symlinks=False)
                        key = "/".join([*parts, _readable(file.name)])
                        yield _File(key, run, file.path, stat.st_mtime_ns, stat.st_size)
        except OSError:  # removed meanwhile
            continue


def _own_name(folder: Path) -> str:
    """The name of a log folder that is a run itself, or the folder of a run's records."""
    whole = folder.resolve()
    return whole.parent.name if whole.name == EPISODES_FOLDER else whole.name


def _readable(name: str) -> str:
    """A file's name as a text that can be sent, whatever bytes it has."""
    return name.encode("utf-8", "backslashreplace").decode()
