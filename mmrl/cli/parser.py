"""jsonargparse with our way of saying what is wrong: the name, and the nearest ones that exist."""

from __future__ import annotations

import re
from argparse import RawDescriptionHelpFormatter
from difflib import get_close_matches
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, DefaultHelpFormatter

_KEY = re.compile(r"(?:[Kk]ey |argument[s]?: |No action for key |[Oo]ption )[\"']?(?:--)?([\w.]+)")


class AsWritten(DefaultHelpFormatter, RawDescriptionHelpFormatter):  # type: ignore[misc]
    """Help whose description keeps its lines."""


class Parser(ArgumentParser):  # type: ignore[misc]
    """An ``ArgumentParser`` that exits with status 2 and one readable line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong and leave."""
        lines = [line.strip() for line in str(message).splitlines() if line.strip()]
        text = " ".join(lines)
        hint = ""
        for wrong in _KEY.findall(text):
            near = self._nearest(wrong)
            if near:
                hint = f"\nunknown key {wrong!r}: did you mean {' or '.join(map(repr, near))}?"
        self.exit(2, f"{self.prog}: {text}{hint}\n'{self.prog} --help' lists the options.\n")
        raise AssertionError  # exit does not return

    def _nearest(self, wrong: str) -> list[str]:
        known: list[Any] = [action.dest for action in self._actions]
        return [] if wrong in known else get_close_matches(wrong, known, n=3, cutoff=0.6)
