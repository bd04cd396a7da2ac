"""The index of all episode records below TensorBoard's log folders."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmrl.records import NewerFormatError, RecordError, Summary, read_summary
from mmrl.records.episode import SUFFIX
from mmrl.records.folder import EPISODES_FOLDER

_FRESH: Final = 2.0  # seconds that a scan is used again
_MOST: Final = 100_000  # records; of more, the newest are listed


@dataclass(frozen=True)
class Entry:
    """A record that was found.

    Attributes:
        id: unique and stable: its path from the log folder on.
        run: the folder of its run, from the log folder on.
        path: of the file.
        time: when it was written, in seconds since 1970.
        summary: of the episode.
    """

    id: str
    run: str
    path: Path
    time: float
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


class RecordIndex:
    """Finds records, and reads each summary once.

    Links are not followed, so that nothing outside the log folders is served.

    Args:
        folders: by the names that go before the runs'; a single one may have an empty name.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = dict(folders)
        self._lock = threading.Lock()
        self._known: dict[str, tuple[tuple[int, int], Entry | RecordError]] = {}
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
        known = {}
        for name, folder in self._folders.items():
            for record_id, run, path, stat in _files(name, folder):
                stamp = (stat.st_mtime_ns, stat.st_size)
                before = self._known.get(record_id)
                if before is None or before[0] != stamp:
                    before = (stamp, _read(record_id, run, path, stat.st_mtime))
                known[record_id] = before
        self._known = known
        found = [one for _, one in known.values()]
        entries = [one for one in found if isinstance(one, Entry)]
        left_out = max(0, len(entries) - _MOST)
        if left_out:
            entries = sorted(entries, key=lambda one: one.time)[left_out:]
        newer = sum(isinstance(one, NewerFormatError) for one in found)
        damaged = sum(isinstance(one, RecordError) for one in found) - newer
        return Scan({one.id: one for one in entries}, damaged, newer, left_out)


def _read(record_id: str, run: str, path: Path, written_at: float) -> Entry | RecordError:
    try:
        return Entry(record_id, run, path, written_at, read_summary(path))
    except RecordError as error:
        return error.with_traceback(None)


def _files(name: str, folder: Path) -> Iterator[tuple[str, str, Path, os.stat_result]]:
    """The records below a folder: id, run, path, and what is known of the file."""
    for place, folders, _ in os.walk(folder):  # which follows no links
        folders.sort()
        if os.path.basename(place) != EPISODES_FOLDER:
            continue
        run = os.path.relpath(os.path.dirname(place), folder).replace(os.sep, "/")
        parts = [part for part in (name, "" if run == "." else run) if part]
        run = "/".join(parts) or Path(folder).resolve().name
        try:
            with os.scandir(place) as files:
                for file in files:
                    if file.name.endswith(SUFFIX) and file.is_file(follow_symlinks=False):
                        stat = file.stat(follow_symlinks=False)
                        yield f"{run}/{file.name}", run, Path(file.path), stat
        except OSError:  # removed meanwhile
            continue
