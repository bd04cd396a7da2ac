"""Agents that arguments name by a dotted path: known before parsing, since they bring options.

The parser of ``mmrl train`` has a section of options for each installed agent. One of a user's own
module, ``--agent my_module:MyAgent``, has the section ``MyAgent``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from mmrl.files import is_file
from mmrl.registry import agent_names
from mmrl.schema import FileError, parse_yaml, read_text
from mmrl.trust import check, split_path

_OPTIONS: Final = ("--agent", "--config")


def agents_of_others(names: Iterable[Any]) -> list[str]:
    """Those of some names of agents that are dotted paths, each once."""
    installed = agent_names()
    return [
        name
        for name in dict.fromkeys(one for one in names if isinstance(one, str))
        if name not in installed and split_path(name) is not None
    ]


def named_agents(arguments: Sequence[str]) -> list[str]:
    """The dotted paths of agents in arguments of ``mmrl train``, and in the files that they name.

    Raises:
        UntrustedCodeError: a file names one that is not trusted.
    """
    return agents_of_others(_named(arguments))


def _named(arguments: Sequence[str]) -> Iterator[Any]:
    before = ""
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if not (equals and option in _OPTIONS):
            option, value = before, argument
        before = argument
        if option == "--agent":
            yield value
        elif option == "--config":
            yield _agent_of(value)


def _agent_of(config: str) -> Any:
    """The agent in a YAML file, or in a text; None where it names none, or cannot be read: then
    the parser reports it.
    """
    try:
        file = Path(config) if "\n" not in config and is_file(config) else None
        read = parse_yaml(config if file is None else read_text(file), config)
    except (OSError, ValueError, FileError):
        return None
    agent = read.get("agent") if isinstance(read, dict) else None
    if file is not None and isinstance(agent, str):
        check({"agent": agent}, file.absolute())
    return agent
