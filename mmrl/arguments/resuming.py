"""Run folders that arguments name: which one is resumed, and what has changed since."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mmrl.errors import UserError
from mmrl.experiment.config import flat
from mmrl.trust import check

if TYPE_CHECKING:
    from mmrl.experiment.run import Run


def named_run(arguments: list[str]) -> Run | None:
    """The run that ``--resume`` names: its configuration is read before all other arguments.

    Raises:
        UserError: there is none, or it was exported.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--resume")
    named = first.parse_known_args(arguments)[0].resume
    if named is None:
        return None
    from mmrl.experiment.run import Run  # here: help is printed without torch

    run = Run.open(named)
    run.check_resumable()
    return run


def as_argument(run: Run) -> str:
    """The configuration of a run, as an argument before all others."""
    return f"--config={yaml.safe_dump(run.config, sort_keys=False)}"


def source_of(parsed: Any) -> str:
    """The files that a parser's result is from, for errors."""
    files = [str(one) for one in parsed.get("config") or () if one is not None]
    return ", ".join(files) or "the configuration"


def changes(
    run: Run, resolved: Mapping[str, Any], defaults: Mapping[str, Any], *sections: str
) -> list[str]:
    """What differs between a run's configuration and another, a line each; its folder may.

    Args:
        run: the one.
        resolved: the other, as plain values.
        defaults: of keys that the run's file may lack, since they are newer than it.
        sections: keys under which there are keys of that kind, too.
    """
    whole = {**defaults, **run.config}
    for section in sections:
        whole[section] = {**defaults[section], **run.config.get(section, {})}
    before, now = flat(whole), flat(dict(resolved))
    return [
        f"{key}: {before.get(key)} → {now.get(key)}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and key != "out"
    ]


def check_code(parsed: Any, resolved: Mapping[str, Any]) -> None:
    """Make sure that the code that YAML files name may be imported; code named by an option may.

    Args:
        parsed: the parser's result, with the files under ``config``.
        resolved: the configuration as plain values.

    Raises:
        UntrustedCodeError: it may not.
        UserError: a value that is no plain data.
    """
    files = [one for one in parsed.config or () if one is not None]  # a resumed run is no file
    for file in files:
        check(resolved, Path(str(file)).absolute())
    for key, value in flat(dict(resolved)).items():
        check_value(key, value)


def check_value(key: str, value: Any) -> None:
    """Make sure that a value of a configuration is a number, a text, or a list of such.

    Raises:
        UserError: it is something else, such as a date.
    """
    if isinstance(value, list | tuple):
        for one in value:
            check_value(key, one)
    elif isinstance(value, dict):
        for name, one in value.items():
            check_value(f"{key}.{name}", one)
    elif not (value is None or isinstance(value, bool | int | float | str)):
        raise UserError(
            f"{key}={value!r}: is of type {type(value).__name__}; give numbers, texts, lists and "
            "mappings, and write dates in quotes"
        )
