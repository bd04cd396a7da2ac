"""The page of commands: what each ``--help`` prints."""

from __future__ import annotations

import io
import os
import warnings
from contextlib import redirect_stdout, suppress
from typing import Final

COLUMNS: Final = 96


def help_of(command: str) -> str:
    """What ``mmrl COMMAND --help`` prints."""
    from mmrl.cli import main

    os.environ["COLUMNS"] = str(COLUMNS)
    text = io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(text), suppress(SystemExit):
        warnings.simplefilter("ignore")  # of what the command imports
        main([command, "--help"])
    return text.getvalue()


def all_commands() -> str:
    """A list of the commands, then the help of each."""
    from mmrl.cli import COMMANDS

    rows = [f"| [`mmrl {name}`](#mmrl-{name}) | {text} |" for name, text in COMMANDS.items()]
    parts = ["\n".join(["| command | what it does |", "|---|---|", *rows])]
    parts += [f"## mmrl {name}\n\n```text\n{help_of(name)}```" for name in COMMANDS]
    return "\n\n".join(parts) + "\n"
