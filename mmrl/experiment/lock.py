"""A lock on a run folder: one training at a time writes into it.

The lock is a file with the host, the process and when that was started. A process that is gone has
left a stale lock, which the next one takes over: on the same host it is looked up; on another host,
and on Windows, a lock is stale when its file was not touched for :data:`STALE_SECONDS`.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from mmrl.errors import UserError
from mmrl.files import WriteError
from mmrl.schema import FileError, OpenSchema, convert, read_json, read_text

LOCK: Final = "lock.json"
STALE_SECONDS: Final = 300.0
_HEARTBEAT_SECONDS: Final = 30.0
_TRIES: Final = 3


class LockedError(UserError):
    """Another training writes into a run folder now."""


class _Owner(OpenSchema):
    """What a lock names."""

    host: str | None = None
    boot: str | None = None
    pid: int | str | None = None
    started: str | None = None
    since: str | None = None


class RunLock:
    """The lock of a folder, held within a ``with`` block.

    Args:
        folder: the run folder.

    Raises:
        LockedError: on entering, where another process holds it.
        WriteError: on entering, where the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / LOCK
        self._owner = json.dumps(_this_process())
        self._released = threading.Event()

    def check(self) -> None:
        """Make sure that no other process holds it.

        Raises:
            LockedError: another one does.
        """
        owner = self._read()
        if owner is not None and not self._is_stale(owner):
            raise LockedError(
                f"{self._file.parent} is being trained by process {owner.get('pid')} on "
                f"{owner.get('host')} since {owner.get('since')}. If that is not so, remove "
                f"{self._file}"
            )

    def __enter__(self) -> Self:
        for _ in range(_TRIES):
            self.check()
            self._file.unlink(missing_ok=True)
            with suppress(FileExistsError):
                self._take()
                threading.Thread(target=self._beat, daemon=True).start()
                return self
        self.check()
        raise LockedError(f"{self._file} cannot be taken: others try the same")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._released.set()
        with suppress(OSError, FileError):
            if read_text(self._file) == self._owner:
                self._file.unlink()

    def _take(self) -> None:
        """Make the file.

        Raises:
            FileExistsError: another process has it.
            WriteError: it cannot be written.
        """
        try:
            handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(self._owner)
            except OSError:
                self._file.unlink()
                raise
        except FileExistsError:
            raise
        except OSError as error:
            raise WriteError(self._file, error) from error

    def _read(self) -> dict[str, Any] | None:
        try:
            owner = read_json(self._file, dict[str, Any])
            convert(owner, _Owner, str(self._file))
        except FileError:  # none, or its owner was killed as it wrote, or the disk is full
            return {} if self._file.exists() else None
        return owner

    def _is_stale(self, owner: dict[str, Any]) -> bool:
        now = _this_process()
        is_here = owner.get("host") == now["host"] and owner.get("boot") == now["boot"]
        if is_here and _looks_processes_up():
            pid = owner.get("pid")
            return not isinstance(pid, int) or _started(pid) != owner.get("started")
        with suppress(OSError):
            return time.time() - self._file.stat().st_mtime > STALE_SECONDS
        return True

    def _beat(self) -> None:
        while not self._released.wait(_HEARTBEAT_SECONDS):
            with suppress(OSError):
                os.utime(self._file)


def _this_process() -> dict[str, Any]:
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "boot": _boot(),
        "pid": pid,
        "started": _started(pid),
        "since": time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime()),
    }


def _boot() -> str:
    """Which start of the machine this is; "" where the system does not report it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When a process was started, in a form that no later process of that number has; None where
    there is none.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return _exists(pid)
    return None if fields[0] in "ZX" else fields[19]


def _looks_processes_up() -> bool:
    """Whether processes of this machine can be looked up: not on Windows, where ``kill(pid, 0)``
    would interrupt them.
    """
    return os.name != "nt"


def _exists(pid: int) -> str | None:
    """Whether a process exists, where there is no /proc: an empty text if so, or else None."""
    if Path("/proc/self").exists() or not _looks_processes_up():
        return None
    try:
        os.kill(pid, 0)
    except PermissionError:
        return ""
    except (OSError, OverflowError):
        return None
    return ""
