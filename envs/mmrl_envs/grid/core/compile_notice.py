"""A line on standard error when kernels are compiled, once, and how far that is."""

from __future__ import annotations

import sys
from typing import Final

EXPECTED: Final = 100
"""Functions that a first environment compiles, about."""
_WIDTH: Final = 24


class CompileNotice:
    """Announces the first compilation of a process; on a terminal a bar follows it."""

    def __init__(self) -> None:
        self._compiled = 0
        self._is_announced = False

    def begin(self) -> None:
        """A function is about to be compiled."""
        if not self._is_announced:
            self._is_announced = True
            _write("compiling the kernels of the grid worlds, once: up to a minute\n")

    def advance(self) -> None:
        """A function has been compiled."""
        self._compiled += 1
        if _is_terminal():
            share = min(self._compiled / EXPECTED, 1.0)
            bar = "━" * round(_WIDTH * share)
            _write(f"\r  {bar:<{_WIDTH}} {share:4.0%}")

    def end(self) -> None:
        """Compilation pauses: the bar makes room for other lines."""
        if _is_terminal():
            _write("\r\x1b[K")


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _write(text: str) -> None:
    """Write on standard error, where there is one that takes it."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # closed, none, or of another encoding
        return
