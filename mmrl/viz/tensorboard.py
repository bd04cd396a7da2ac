"""TensorBoard's event files, whose writer never ends a training.

PyTorch's ``SummaryWriter`` raises where the disk is full. This one warns once, leaves the file as
it is, and begins another one later.

The configuration in TensorBoard's hyperparameter table.
"""

from __future__ import annotations

import os
import socket
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, cast

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer import event_file_writer
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams
from torch.utils.tensorboard.writer import FileWriter

_RETRY_SECONDS: Final = 60.0
_QUEUE: Final = 10  # as torch's
_FLUSH_SECONDS: Final = 120


def event_writer(folder: Path, *, purge_step: int | None = None) -> SummaryWriter:
    """A ``SummaryWriter`` that warns where its files cannot be written, and tries again later.

    Args:
        folder: where the event files go.
        purge_step: what earlier files of the folder hold from this step on is not shown any more;
            None to show all.
    """
    return _SummaryWriter(str(folder), purge_step=purge_step)


class _SummaryWriter(SummaryWriter):
    """See :func:`event_writer`."""

    file_writer: Any
    all_writers: Any

    def _get_file_writer(self) -> FileWriter:
        if self.file_writer is None:
            writer = _FileWriter(_EventFiles(Path(self.log_dir)))
            self.file_writer, self.all_writers = writer, {self.log_dir: writer}
            if self.purge_step is not None:
                start = SessionLog(status=SessionLog.START)
                writer.add_event(Event(session_log=start), self.purge_step)
                self.purge_step = None
        return cast("FileWriter", self.file_writer)


class _FileWriter(FileWriter):
    """torch's ``FileWriter`` on other event files."""

    def __init__(self, files: _EventFiles) -> None:
        self.event_writer = files


class _EventFiles:
    """What ``FileWriter`` writes to; as TensorBoard's ``EventFileWriter``.

    Args:
        folder: where the event files go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._has_warned = False
        self.reopen()
        self.add_event(Event(wall_time=time.time(), file_version="brain.Event:2"))
        self.flush()

    def get_logdir(self) -> str:
        """The folder."""
        return str(self._folder)

    def add_event(self, event: Event) -> None:
        """Write an event, a moment later."""
        self._writer.write(event.SerializeToString())
        self._warn()

    def flush(self) -> None:
        """Have all events on the disk."""
        self._writer.flush()
        self._warn()

    def close(self) -> None:
        """Have all events on the disk, and write no more."""
        self._writer.close()
        self._warn()

    def reopen(self) -> None:
        """Write into a new file from now on."""
        self._records = _Records(self._folder)
        self._writer = event_file_writer._AsyncWriter(self._records, _QUEUE, _FLUSH_SECONDS)

    def _warn(self) -> None:
        error = self._records.error
        if error is not None and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"TensorBoard's events cannot be written to {self._folder}: "
                f"{error.strerror or error}; the training continues, and its curves have gaps",
                stacklevel=4,
            )


class _Records:
    """Records in one file after the other: a new one begins after an error.

    Args:
        folder: where the files go.

    Attributes:
        error: the first one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._retry_at = 0.0
        self.error: OSError | None = None

    def write(self, record: bytes) -> None:
        """Add a record."""
        if self._file is None and time.monotonic() < self._retry_at:
            return
        try:
            if self._file is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = (self._folder / _name()).open("wb")
            RecordWriter(self._file).write(record)
        except OSError as error:
            self._fail(error)

    def flush(self) -> None:
        """Have all records on the disk."""
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                self._fail(error)

    def close(self) -> None:
        """End the file."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _fail(self, error: OSError) -> None:
        self.error = self.error or error
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None


def _name() -> str:
    """As TensorBoard calls its files, which it reads in the order of their names."""
    number = event_file_writer._global_uid.get()
    return (
        f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{number}"
    )


def write_hyperparameters(
    writer: SummaryWriter, values: dict[str, Any], metrics: list[str]
) -> None:
    """Write a configuration into the event file that ``writer`` has open.

    ``SummaryWriter.add_hparams`` would open a second file in a folder of its own, and the table
    would not find the curves.

    Args:
        writer: of the run.
        values: by dotted names; what is no number, truth value or string is written as text.
        metrics: tags of the curves that the table shows beside them.
    """
    plain = {k: v if isinstance(v, int | float | str) else str(v) for k, v in values.items()}
    for summary in hparams(plain, dict.fromkeys(metrics, 0.0)):
        writer._get_file_writer().add_summary(summary)
