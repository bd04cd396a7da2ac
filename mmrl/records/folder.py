"""The folder of a run's episode records, of bounded size."""

from __future__ import annotations

import queue
import threading
import time
import warnings
from bisect import insort
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from mmrl.errors import UserError
from mmrl.records.episode import EpisodeRecord
from mmrl.records.file import SUFFIX, RecordError, read_summary, write_record

EPISODES_FOLDER: Final = "episodes"
"""The folder of a run folder that holds its records."""
TRAINING: Final = "training"
EVALUATION: Final = "evaluation"
"""Sources of records."""
MEGABYTES: Final = 200
"""The size of a folder, by default."""
_NEWEST: Final = 50  # records that are never removed
WAITING: Final = 16
"""Records that wait to be written; with more, the caller waits."""

Record = EpisodeRecord | Callable[[], EpisodeRecord]


@dataclass(frozen=True, order=True)
class _Kept:
    """A record of the folder, ordered by its age."""

    step: int
    name: str
    size: int
    failed: bool


class RecordFolder:
    """Writes episode records into a folder whose size is bounded.

    When there is no room, old records are thinned: the older they are, the wider apart those that
    stay. Failures are removed after all others, and the newest 50 never.

    A thread writes them, so that the caller does not wait; it is asked to end by :meth:`close`. A
    disk that is full is warned of once, and nothing else happens.

    Args:
        path: the folder, made when it is first needed.
        megabytes: its size.
        wait: write each record at once, and raise what that raises.
        purge_step: records of training of later steps, which will be written again, are removed
            before the first one is written; None to keep all.

    Attributes:
        seconds: of a processor that the thread has taken.

    Raises:
        UserError: less than 1 megabyte.
    """

    def __init__(
        self,
        path: Path,
        *,
        megabytes: float = MEGABYTES,
        wait: bool = False,
        purge_step: int | None = None,
    ) -> None:
        if not megabytes >= 1:
            raise UserError(f"{megabytes:g} MB for episode records: must be at least 1")
        self.path = path
        self._limit = int(megabytes * 1e6)
        self._wait, self._purge_step = wait, purge_step
        self._kept: list[_Kept] | None = None
        self._number = 0
        self._failure: str | None = None
        self._is_warned = False
        self.seconds = 0.0
        self._queue: queue.Queue[Record | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None

    @property
    def is_busy(self) -> bool:
        """Whether so many records wait to be written that the caller may soon have to wait."""
        return self._queue.qsize() >= WAITING // 2

    def add(self, record: Record) -> None:
        """Write a record, now or soon.

        Args:
            record: it, or a function that makes it, which is called where it is written.

        Raises:
            WriteError: it cannot be written; with ``wait`` alone.
        """
        if self._wait:
            self._write(record)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="records", daemon=True)
            self._thread.start()
        self._queue.put(record)  # which waits, where so many wait already
        self._warn()

    def close(self) -> None:
        """Write what waits to be written."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        self._warn()

    def _warn(self) -> None:
        if self._failure is not None and not self._is_warned:
            self._is_warned = True
            warnings.warn(f"an episode was not recorded: {self._failure}", stacklevel=3)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getstate__(self) -> Any:
        raise TypeError("a folder of records cannot be pickled: it has a thread")

    def _work(self) -> None:
        while (record := self._queue.get()) is not None:
            started = time.thread_time()
            try:
                self._write(record)
            except Exception as error:  # records are for people: nothing else depends on them
                self._failure = self._failure or str(error)
            self.seconds += time.thread_time() - started

    def _write(self, record: Record) -> None:
        if not isinstance(record, EpisodeRecord):
            record = record()
        kept = self._known()
        step = record.checkpoint or 0
        self._number += 1
        name = f"{step:010d}-{record.source}-{self._number:06d}{SUFFIX}"
        self.path.mkdir(parents=True, exist_ok=True)
        write_record(self.path / name, record)
        size = (self.path / name).stat().st_size
        insort(kept, _Kept(step, name, size, record.success is False))
        self._thin(kept)

    def _known(self) -> list[_Kept]:
        """What is in the folder, the oldest first."""
        if self._kept is None:
            self._kept = []
            for path in self.path.glob(f"*{SUFFIX}"):
                with suppress(RecordError, OSError):
                    summary = read_summary(path)
                    size = path.stat().st_size
                    failed = summary.success is False
                    self._kept.append(_Kept(summary.checkpoint or 0, path.name, size, failed))
                with suppress(ValueError):
                    self._number = max(self._number, int(path.stem.rpartition("-")[2]))
            self._kept.sort()
            if self._purge_step is not None:
                self._remove([k for k, one in enumerate(self._kept) if self._is_purged(one)])
        return self._kept

    def _is_purged(self, one: _Kept) -> bool:
        return f"-{TRAINING}-" in one.name and one.step > (self._purge_step or 0)

    def _remove(self, numbers: list[int]) -> None:
        """Remove some of the records, by their ascending numbers."""
        assert self._kept is not None
        for number in reversed(numbers):
            with suppress(OSError):
                (self.path / self._kept.pop(number).name).unlink()

    def _thin(self, kept: list[_Kept]) -> None:
        """Remove records until the folder has its size."""
        total = sum(one.size for one in kept)
        while total > self._limit and len(kept) > _NEWEST:
            number = _most_dispensable(kept)
            total -= kept[number].size
            self._remove([number])


def _most_dispensable(kept: list[_Kept]) -> int:
    """The number of the record whose removal is missed least: no failure, if there is another, and
    with the smallest gap between its neighbours for its age.
    """
    candidates = range(len(kept) - _NEWEST)
    newest = kept[-1].step

    def worth(k: int) -> tuple[bool, float, int]:
        before = kept[k - 1].step if k else kept[0].step
        gap = kept[k + 1].step - before
        return kept[k].failed, gap / (newest - kept[k].step + 1), k

    return min(candidates, key=worth)
