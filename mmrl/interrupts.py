"""Interrupts: Ctrl-C, SIGTERM (a scheduler's preemption), SIGHUP (a closed terminal) and Windows's
SIGBREAK alike.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

SIGNALS: Final = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
)


_REPETITION_SECONDS: Final = 0.2  # ``timeout`` and closing terminals send a signal twice


class Interrupted(KeyboardInterrupt):  # as KeyboardInterrupt is called
    """A signal asked the process to end.

    Args:
        signum: its number.
    """

    def __init__(self, signum: int) -> None:
        super().__init__()
        self.signal = signum


class StopRequest:
    """What :func:`graceful_stop` has seen.

    Attributes:
        signal: the number of the first signal; None before there is one.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._at = 0.0

    def __bool__(self) -> bool:
        return self.signal is not None

    def note(self, signum: int) -> None:
        """Note the first signal.

        Raises:
            Interrupted: it is the second one; a repetition at once counts as the first.
        """
        if self.signal is None:
            self.signal, self._at = signum, time.monotonic()
        elif time.monotonic() - self._at > _REPETITION_SECONDS:
            raise Interrupted(signum)

    def raise_if_asked(self) -> None:
        """End as the signal asked.

        Raises:
            Interrupted: there was one.
        """
        if self.signal is not None:
            raise Interrupted(self.signal)


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP raise :class:`Interrupted`, as Ctrl-C does."""

    def interrupt(signum: int, _: Any) -> None:
        raise Interrupted(signum)

    with _handled(interrupt, SIGNALS):
        yield


@contextmanager
def graceful_stop(
    what: str = "this update", on_stop: Callable[[], None] = lambda: None
) -> Iterator[StopRequest]:
    """Within the block the first signal asks for an end, and the second one ends at once.

    Outside the main thread, where Python has no signals, nothing is changed.

    Args:
        what: is finished before the end, for the message.
        on_stop: called by the first signal.

    Yields:
        Whether an end was asked for.
    """
    request = StopRequest()

    def stop(signum: int, _: Any) -> None:
        if request:
            request.note(signum)
            return
        request.note(signum)
        if signum == getattr(signal, "SIGHUP", None):
            _leave_terminal()
        on_stop()
        with suppress(OSError, RuntimeError):  # the terminal is gone, or it is being written to
            print(f"\nstopping after {what}; once more stops at once", file=sys.stderr)

    with _handled(stop, SIGNALS):
        yield request


def own_group() -> dict[str, Any]:
    """Arguments of ``subprocess.Popen`` for a process that a terminal's Ctrl-C does not reach, and
    that :func:`ask_to_end` does.
    """
    if hasattr(signal, "CTRL_BREAK_EVENT"):  # Windows
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    return {"start_new_session": True}


def ask_to_end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process of :func:`own_group` to end, which it may do after saving; Windows's own
    ``terminate`` would leave it no time to.
    """
    if hasattr(signal, "CTRL_BREAK_EVENT"):
        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        process.terminate()


@contextmanager
def _handled(handler: Callable[[int, Any], None], signals: tuple[Any, ...]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    hup = getattr(signal, "SIGHUP", None)
    wanted = [  # nohup has SIGHUP ignored, and that stays
        one for one in signals if one != hup or signal.getsignal(one) is not signal.SIG_IGN
    ]
    before = {one: signal.signal(one, handler) for one in wanted}
    try:
        yield
    finally:
        for one, handled in before.items():
            signal.signal(one, handled)


def _leave_terminal() -> None:
    """Write to nowhere instead of to a terminal that is closed."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            if os.isatty(number):
                os.dup2(nowhere, number)
