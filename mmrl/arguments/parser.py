"""The parser of every command: options with dashes, flags, earlier names, errors in one line.

An option is shown with dashes (``--env-args``) and read with dashes or underscores, at any depth
(``--model.text-args.width``); keys of YAML files keep their underscores. A truth value is a flag
(``--deterministic``), and also takes a value (``--deterministic false``). Names that keys and
options had in earlier versions are read, with one line on standard error.
"""

from __future__ import annotations

import argparse
import json
import re
from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NoReturn, get_args, get_origin

from jsonargparse import ArgumentParser, DefaultHelpFormatter, set_parsing_settings

from mmrl.env_sets import with_env_text
from mmrl.errors import UserError
from mmrl.experiment.config import flat
from mmrl.experiment.renamed import announce, present_key, rename_keys
from mmrl.schema import FileError, parse_yaml, read_text
from mmrl.text_output import is_text, printable
from mmrl.yaml_text import read_yaml, to_yaml

# A value is data: no class is imported or made of it, whatever is in a file.
set_parsing_settings(instantiate_subclass_spec_in_any=False, import_path_denylist=["*"])

_KEY: Final = re.compile(
    r"(?:[Kk]ey |argument[s]?: |No action for key |[Oo]ption )[\"']?(?:--)?([\w.-]+)"
)
_ROLE: Final = re.compile(r":[a-z]+:`(~?)([\w.]+)`")
_OPTION: Final = re.compile(r"(?<![\w-])--[a-z][\w.-]*")
_LONG_NUMBER: Final = re.compile(r"(?<!\w)\d{251,}(?!\w)")  # beyond all floats
_KIND: Final = "kind"  # of a choice that is given as a mapping
_TRUTH: Final = frozenset({"true", "false", "yes", "no"})


def plain(text: str) -> str:
    """A docstring's text without its markup: ``:class:`~mmrl.models.Tokens``` is Tokens."""
    return _ROLE.sub(lambda role: role[2] if not role[1] else role[2].rpartition(".")[2], text)


class Formatter(DefaultHelpFormatter):  # type: ignore[misc]
    """Help that shows a flag without a value, unless it is on by default."""

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if _is_flag(action) and not action.default:
            return ""
        return str(super()._format_args(action, default_metavar))

    def _get_help_string(self, action: argparse.Action) -> str:
        if action.default is False and action.help:
            return plain(action.help)
        return plain(str(super()._get_help_string(action)))


class _Built(Exception):  # noqa: N818  # no error: it carries a parser out of a command
    """The parser that a command has built."""

    def __init__(self, parser: Parser) -> None:
        super().__init__()
        self.parser = parser


_wants_parser: Final = ContextVar("_wants_parser", default=False)


def parser_of(run: Callable[[list[str]], Any], arguments: list[str]) -> Parser:
    """The parser that a command builds; the command ends there.

    Args:
        run: the command.
        arguments: that lead to the parser, such as the name of a task.
    """
    token = _wants_parser.set(True)
    try:
        run(arguments)
    except _Built as built:
        return built.parser
    finally:
        _wants_parser.reset(token)
    raise TypeError(f"{run.__module__} builds no parser")


class AsWritten(Formatter, RawDescriptionHelpFormatter):
    """Help whose description keeps its lines."""


class Parser(ArgumentParser):  # type: ignore[misc]
    """An ``ArgumentParser`` for which a wrong argument is a :class:`~mmrl.errors.UserError`.

    Every command has ``--trust-code``, which :func:`mmrl.trust.read_command_line` looks at.

    Args:
        args, kwargs: of ``jsonargparse.ArgumentParser``.
        earlier: earlier names of options and their present ones, without dashes in front.
    """

    def __init__(self, *args: Any, earlier: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", Formatter)
        super().__init__(*args, **kwargs)
        self._earlier = dict(earlier or {})
        self._file: str | None = None
        self.add_argument(
            "--trust-code",
            action="store_true",
            help="import code that a file names, such as a run's own environment; code that you "
            "name yourself, installed packages and your own runs do not need it",
        )

    def parse_args(self, args: Sequence[str] | None = None, *more: Any, **kwargs: Any) -> Any:
        """As ``jsonargparse.ArgumentParser.parse_args``, with every spelling of an option; options
        within a choice extend its short form, which a file may give: ``memory: gru`` and
        ``--ppo.memory.size 8``.
        """
        if _wants_parser.get():
            raise _Built(self)
        if args is None:
            return super().parse_args(None, *more, **kwargs)
        given = self._normalized(args)
        for argument in given:
            if found := _LONG_NUMBER.search(argument):
                self.error(f"{found[0][:20]}…: a number of {len(found[0])} digits")
        rest, extending, names = self._split(given)
        if names:
            parsed = super().parse_args(rest, *more, **kwargs)
            short = {name: parsed.get(name) for name in names}
            whole = [
                f"--{name}={json.dumps({_KIND: kind})}"
                for name, kind in short.items()
                if isinstance(kind, str)
            ]
            at = rest.index("--") if "--" in rest else len(rest)
            given = [*rest[:at], *whole, *extending, *rest[at:]]
        return super().parse_args(given, *more, **kwargs)

    def _split(self, arguments: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
        """The arguments without those that extend a choice, these, and the choices' names."""
        rest: list[str] = []
        extending: list[str] = []
        names: list[str] = []
        waiting = list(arguments)
        while waiting:
            argument = waiting.pop(0)
            if argument == "--":
                return [*rest, argument, *waiting], extending, names
            name = self._extended(argument)
            if name is None:
                rest.append(argument)
                continue
            names.append(name)
            extending.append(argument)
            if "=" not in argument and waiting:
                extending.append(waiting.pop(0))
        return rest, extending, names

    def _extended(self, argument: str) -> str | None:
        """The choice, by name or by mapping, within which an argument sets an option, if any."""
        name, dot, _ = argument.partition("=")[0].rpartition(".")
        action = self._option_string_actions.get(name) if dot else None
        return action.dest if action is not None and _is_choice(action) else None

    def parse_string(self, content: str, *args: Any, **kwargs: Any) -> Any:
        """As ``jsonargparse.ArgumentParser.parse_string``, with earlier names of keys; every
        configuration file is read by this.
        """
        config = parse_yaml(content, self._file or "the configuration")
        if not isinstance(config, dict):
            self.error(f"the configuration is {config!r:.60}, and must be a mapping")
        self._check_sections(config)
        given, renamed = rename_keys(with_env_text(config))
        if renamed:
            announce(renamed, self.prog)
        if given != config:
            content = to_yaml(given)
        return super().parse_string(content, *args, **kwargs)

    def parse_path(self, path: Any, *args: Any, **kwargs: Any) -> Any:
        """As ``jsonargparse.ArgumentParser.parse_path``, with the file's name in errors.

        Raises:
            FileError: it is no regular file, not UTF-8, or no YAML.
        """
        content = read_text(Path(path))
        self._file = str(path)
        try:
            return self.parse_string(content, *args, **kwargs)
        finally:
            self._file = None

    def _check_sections(self, config: Mapping[Any, Any]) -> None:
        """Make sure that what the parser takes for keys are such.

        Raises:
            UserError: a key that is no text, or a section that is no mapping.
        """
        sections = {action.dest.partition(".")[0] for action in self._actions if "." in action.dest}
        for key, value in config.items():
            if not isinstance(key, str) or not key:
                self.error(f"key {key!r}: must be a text")
            if key in sections and not isinstance(value, dict):
                self.error(f"{key} is {value!r:.60}, and must be a mapping of its options")

    def plain_values(self, parsed: Any) -> dict[str, Any]:
        """What was parsed as a configuration file has it: nested dictionaries of plain values.

        Raises:
            UserError: a text that is not UTF-8, such as the name of a folder.
        """
        for key, value in flat(parsed.as_dict()).items():
            if isinstance(value, str) and not is_text(value):
                raise UserError(
                    f"{key} {printable(value)}: is not UTF-8, and cannot be kept in a "
                    "configuration: give another name"
                )
        values: dict[str, Any] = read_yaml(self.dump(parsed, skip_none=False, skip_validation=True))
        return values

    def format_help(self, *args: Any, **kwargs: Any) -> str:
        """The help, its options with dashes."""
        return dashed(super().format_help(*args, **kwargs))

    def format_usage(self, *args: Any, **kwargs: Any) -> str:
        """The usage, its options with dashes."""
        return dashed(super().format_usage(*args, **kwargs))

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise what is wrong: the name, and the nearest ones that exist.

        Raises:
            UserError: always.
        """
        lines = [line.strip() for line in str(message).splitlines() if line.strip()]
        text = " ".join(lines)
        hint = ""
        for wrong in _KEY.findall(text):
            near = self._nearest(wrong)
            if near:
                hint = f"; unknown key {wrong!r}: did you mean {' or '.join(map(repr, near))}?"
        if self._file is not None:
            raise FileError(f"{self._file}: {text}{hint}") from ex
        raise UserError(f"{text}{hint} ('{self.prog} --help' lists the options)") from ex

    def _nearest(self, wrong: str) -> list[str]:
        known: list[Any] = [action.dest for action in self._actions]
        name = wrong.replace("-", "_")
        return [] if name in known else get_close_matches(name, known, n=3, cutoff=0.6)

    def _normalized(self, arguments: Sequence[str]) -> list[str]:
        """The arguments with every option as it was added, and every flag with its value."""
        known = {_plain(name): name for name in self._option_string_actions if name[:2] == "--"}
        normalized: list[str] = []
        rest = list(arguments)
        while rest:
            argument = rest.pop(0)
            if argument == "--":
                return [*normalized, argument, *rest]
            if argument[:2] == "--":
                name, equals, value = argument.partition("=")
                name = self._spelled(name, known)
                action = self._option_string_actions.get(name)
                if _is_flag(action) and not equals:
                    has_value = bool(rest) and rest[0].lower() in _TRUTH
                    equals, value = "=", rest.pop(0) if has_value else "true"
                argument = f"{name}{equals}{value}"
            normalized.append(argument)
        return normalized

    def _spelled(self, name: str, known: Mapping[str, str]) -> str:
        """An option as it was added, however it is spelled; one that is unknown as it is."""
        plain = _plain(name)
        plain = self._earlier.get(plain, plain)
        if plain not in known and (present := present_key(plain, known)) is not None:
            announce({plain: present}, self.prog)
            plain = present
        section, inner = plain, ""
        while section not in known:
            section, dot, last = section.rpartition(".")
            if not dot:
                return name
            inner = f".{last}{inner}"
        return known[section] + inner


def _plain(option: str) -> str:
    """An option's name without dashes, as a configuration has it."""
    return option[2:].replace("-", "_")


def _is_choice(action: Any) -> bool:
    """Whether an option takes a name or a mapping."""
    taken = get_args(getattr(action, "_typehint", None))
    return str in taken and any(get_origin(one) is dict for one in taken)


def _is_flag(action: Any) -> bool:
    return getattr(action, "_typehint", None) is bool


def dashed(text: str) -> str:
    """A text whose options have dashes for underscores."""
    return _OPTION.sub(lambda found: found[0].replace("_", "-"), text)
