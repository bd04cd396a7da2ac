"""The ``mmrl`` command: one file a subcommand, loaded only when it is called."""

from __future__ import annotations

import os
import re
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from typing import Final

from mmrl import __version__
from mmrl.errors import UserError
from mmrl.interrupts import signals_interrupt
from mmrl.text_output import printable
from mmrl.trust import leave_working_directory_out, read_command_line

COMMANDS: Final = {
    "train": "train an agent; writes a run folder",
    "eval": "play held-out episodes with a trained agent",
    "fit": "train a generator, a tokenizer, an embedding or a world model from examples",
    "caption": "caption images with a trained captioner",
    "paint": "generate images from a sentence",
    "index": "embed the images of a folder or a dataset for search",
    "search": "find images by a sentence, on a contact sheet",
    "collect": "record episodes as a Minari dataset, or show one",
    "transcribe": "transcribe WAV files",
    "translate": "translate sentences",
    "imagine": "continue real episodes with a trained world model",
    "ablate": "train variants of a configuration with equal budgets and compare them",
    "benchmark": "train and evaluate a suite of configurations; writes results and a table",
    "compare": "compare evaluated runs over their seeds: intervals, controls, a plot",
    "tune": "search hyperparameters with Optuna",
    "record": "record episodes step by step, for TensorBoard's tab Rollouts",
    "export": "write a run or a dataset into a folder to give away, with a card",
    "push": "upload a run or a dataset to the hub",
    "pull": "download a run or a dataset of the hub",
    "zoo": "list the trained agents of installed packages",
    "dashboard": "open TensorBoard on its tab Rollouts, episode by episode",
    "clip": "record episodes of a trained agent as an animated GIF",
    "play": "play an environment by hand, in a window",
    "watch": "watch a trained agent act, with its action probabilities",
    "envs": "list the installed environments",
    "recipes": "list the configurations that come with the packages, or show one",
    "new-env": "write a package with an environment to start from",
    "check-env": "check whether agents can be trained in an environment",
    "doctor": "check this installation: versions, devices, what is missing",
    "completion": "print the completion of commands and options for a shell",
}

WAITING: Final = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "3000"}
"""How threads wait for each other: they spin for some microseconds, then sleep. A third faster than
sleeping at once; spinning on would cost a training five times its speed where one core is taken.
"""

_HELP: Final = """\
usage: mmrl COMMAND [options]

Train agents that see an image, read an instruction, and act.

commands:
{commands}

'mmrl COMMAND --help' explains the options of a command. For a start:

  mmrl train --env mmrl/GoToRedBallGrey-v0 --out runs/first
  mmrl eval runs/first
  mmrl dashboard runs
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0, 2 after a user's error, or 128 and the signal's number after an
        interrupt, such as 130 after Ctrl-C.
    """
    given = sys.argv[1:] if arguments is None else arguments
    write_any_character()
    if not given or given[0] in ("-h", "--help"):
        lines = "\n".join(f"  {name:<12}{text}" for name, text in COMMANDS.items())
        print(_HELP.format(commands=lines), end="")
        return 0
    if given[0] == "--version":
        print(f"mmrl {__version__}")
        return 0
    name, *rest = given
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(COMMANDS)}"
        print(f"mmrl: unknown command {name!r}: {hint}", file=sys.stderr)
        return 2
    try:
        os.getcwd()
    except FileNotFoundError:  # torch would end the process
        print(f"mmrl {name}: the working directory was removed: go to another", file=sys.stderr)
        return 2
    leave_working_directory_out()
    read_command_line(given)
    for variable, value in WAITING.items():  # read when torch is loaded
        os.environ.setdefault(variable, value)
    try:
        with signals_interrupt(), warnings_in_lines(name):
            status: int = import_module(f"mmrl.cli.{name.replace('-', '_')}").run(rest)
    except UserError as error:
        print(f"mmrl {name}: {printable(str(error), breaks=True)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print(f"mmrl {name}: interrupted", file=sys.stderr)
        return 128 + getattr(error, "signal", signal.SIGINT)
    except BrokenPipeError:  # the reader, such as head, has stopped reading
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a folder that cannot be read
        if error.errno is None:
            raise
        what = UserError(f"{error.filename or 'output'}: {error.strerror}")
        print(f"mmrl {name}: {what}", file=sys.stderr)
        return 2
    return status


def write_any_character() -> None:
    """Have standard output take every character: one that its encoding lacks, such as an arrow on
    an old Windows, becomes a question mark.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors="replace")


_COLOUR: Final = re.compile("\x1b\\[[0-9;]*m")
_NO_SPEED: Final = ".*No render fps was declared"  # Gymnasium's; clips have a speed of their own


@contextmanager
def warnings_in_lines(name: str) -> Iterator[None]:
    """Within the block a warning for the user is one line, without the code that it came from."""

    def format_line(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        line: str | None = None,
    ) -> str:
        if issubclass(category, UserWarning):
            return f"mmrl {name}: warning: {printable(_COLOUR.sub('', str(message)))}\n"
        return before(message, category, filename, lineno, line)

    before = warnings.formatwarning
    warnings.formatwarning = format_line
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=_NO_SPEED)
            yield
    finally:
        warnings.formatwarning = before
