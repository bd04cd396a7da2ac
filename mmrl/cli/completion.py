"""``mmrl completion``: a script by which a shell completes commands, options, files and recipes."""

from __future__ import annotations

import argparse
import re
from importlib import import_module
from typing import Any, Final

from mmrl.arguments.parser import AsWritten, Parser, dashed, parser_of, plain
from mmrl.cli import COMMANDS
from mmrl.errors import unknown
from mmrl.optional_packages import needed_for
from mmrl.recipes import all_recipes
from mmrl.training import TASKS

_DESCRIPTION: Final = """\
Print a script by which a shell completes commands, options, files and recipes; once is enough:

  mmrl completion bash > ~/.local/share/bash-completion/completions/mmrl
  mmrl completion zsh > "${fpath[1]}/_mmrl"
  mmrl completion fish > ~/.config/fish/completions/mmrl.fish

It holds the options of the agents that are installed now: print it again after a change.
"""
_FOLDERS: Final = ("out", "resume", "run", "runs", "data")
_FILES: Final = ("json", "record", "image")
_CONFIG: Final = "config"
_OWN_PARSER: Final = "doctor"
_UNSAFE: Final = re.compile(r"[^\w ,.;:()/+-]")
_LONGEST: Final = 70  # characters of an option's help


def run(arguments: list[str]) -> int:
    """Print the script of a shell."""
    parser = Parser(prog="mmrl completion", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("shell", type=str, help="bash, zsh, tcsh, fish or powershell")
    shell = parser.parse_args(arguments).shell
    with needed_for("the script of a shell", "completion"):
        import shtab
    if shell not in shtab.SUPPORTED_SHELLS:
        raise unknown("shell", shell, shtab.SUPPORTED_SHELLS)
    print(shtab.complete(command_tree(shtab), shell, preamble=_preamble()))
    return 0


def command_tree(shtab: Any) -> argparse.ArgumentParser:
    """All commands with their options, as subcommands of one plain parser."""
    root = argparse.ArgumentParser(prog="mmrl")
    root.add_argument("--version", action="store_true", help="print the version")
    commands = root.add_subparsers()
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == "fit":
            _add_tasks(command, shtab)
        else:
            _copy_options(_parser(name), command, shtab)
    return root


def _parser(name: str, *arguments: str) -> argparse.ArgumentParser:
    module = import_module(f"mmrl.cli.{name.replace('-', '_')}")
    if name == _OWN_PARSER:
        parser: argparse.ArgumentParser = module.make_parser()
        return parser
    return parser_of(module.run, list(arguments))


def _add_tasks(command: argparse.ArgumentParser, shtab: Any) -> None:
    """The tasks of ``mmrl fit``, each with options of its own."""
    tasks = command.add_subparsers()
    for name in TASKS:
        _copy_options(_parser("fit", name), tasks.add_parser(name, help=name), shtab)


def _copy_options(
    source: argparse.ArgumentParser, target: argparse.ArgumentParser, shtab: Any
) -> None:
    """Add the options of a parser to a plain one, with dashes and short help."""
    for action in source._actions:
        if action.help == argparse.SUPPRESS or "--help" in action.option_strings:
            continue
        names = [dashed(one) for one in action.option_strings]
        is_flag = action.nargs == 0 or getattr(action, "_typehint", None) is bool
        options: dict[str, Any] = {"action": "store_true"} if names and is_flag else {}
        if not names:
            names, options = [action.dest], {"nargs": "*"}
        added = target.add_argument(*names, help=_short(action.help or action.dest), **options)
        if not is_flag and (pattern := _pattern(action.dest, shtab)) is not None:
            added.complete = pattern  # type: ignore[attr-defined]  # read by shtab


def _short(text: str) -> str:
    """One line that no shell reads as anything but text."""
    line = _UNSAFE.sub("", plain(text).partition("\n")[0])
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST].rpartition(' ')[0]} ..."


def _pattern(name: str, shtab: Any) -> Any:
    """What completes the value of an option, as shtab has it; None for nothing."""
    if name == _CONFIG:
        return {"bash": "_mmrl_config", "zsh": "_mmrl_config", "tcsh": "f"}
    if name in _FOLDERS:
        return shtab.DIRECTORY
    return shtab.FILE if name in _FILES else None


def _preamble() -> dict[str, str]:
    """Functions that complete a configuration: a file, or a recipe."""
    names = " ".join(one.name for one in all_recipes())
    return {
        "bash": f'_mmrl_config() {{\n  compgen -f -- "$1"\n  compgen -W "{names}" -- "$1"\n}}\n',
        "zsh": "_mmrl_config() {\n  _alternative 'files:file:_files' "
        f"'recipes:recipe:({names})'\n}}\n",
    }
