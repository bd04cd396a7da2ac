"""jsonargparse with our way of saying what is wrong: the name, and the nearest ones that exist."""

from __future__ import annotations

import re
from argparse import RawDescriptionHelpFormatter
from difflib import get_close_matches
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, DefaultHelpFormatter, set_parsing_settings

# A value is data: no class is imported or made of it, whatever a file says.
set_parsing_settings(instantiate_subclass_spec_in_any=False, import_path_denylist=["*"])

_KEY = re.compile(r"(?:[Kk]ey |argument[s]?: |No action for key |[Oo]ption )[\"']?(?:--)?([\w.]+)")


class AsWritten(DefaultHelpFormatter, RawDescriptionHelpFormatter):  # type: ignore[misc]
    """Help whose description keeps its lines."""


class Parser(ArgumentParser):  # type: ignore[misc]
    """An ``ArgumentParser`` that exits with status 2 and one readable line.

    Every command has ``--trust-code``, which :func:`mmrl.trust.read_command_line` looks at.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_argument(
            "--trust-code",
            action="store_true",
            help="import code that a file names, such as a run's own environment; code that you "
            "name yourself, installed packages and your own runs need no such leave",
        )

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
