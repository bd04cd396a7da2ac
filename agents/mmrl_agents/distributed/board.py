"""The board by which workers and the command exchange messages; its process loads no torch."""

from __future__ import annotations

from mmrl_agents.loop.progress import Progress


class Board:
    """An actor of Ray's, by which the first worker and the command exchange messages."""

    def __init__(self) -> None:
        self._now: Progress | None = None
        self._stop = False
        self._warnings: list[str] = []
        self._failure: str | None = None

    def write(self, now: Progress) -> bool:
        """Report progress; returns whether the training should stop."""
        self._now = now
        return self._stop

    def warn(self, text: str) -> None:
        """A warning for the user."""
        self._warnings.append(text)

    def fail(self, text: str) -> None:
        """Why the training cannot continue."""
        self._failure = self._failure or text

    def stop(self) -> None:
        """Have the training stop after the present update."""
        self._stop = True

    def read(self, seen: int) -> tuple[Progress | None, list[str], str | None]:
        """The progress, the warnings but for the first ``seen``, and why it failed."""
        return self._now, self._warnings[seen:], self._failure
