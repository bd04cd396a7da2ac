"""YAML texts and the plain values in them, by libyaml where PyYAML has it: ten times as fast."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

MAX_DEPTH: Final = 100
"""Containers within containers, at most: libyaml's loader overflows the stack at some thousands."""
_MOST: Final = 1_000_000  # values, aliases counted as what they stand for
_LONGEST_NUMBER: Final = 250  # digits, of any base: what has fewer becomes a float
_NUMBER: Final = re.compile(r"[-+]?(0x[\da-fA-F_]+|0b[01_]+|[\d_:.]+)")

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_WRONG: Final = (ValueError, LookupError, AttributeError, TypeError, OverflowError)
"""What PyYAML raises for scalars such as ``!!bool x``."""


def read_yaml(text: str) -> Any:
    """The value of a text: dictionaries, lists and scalars, never an object of a class.

    Raises:
        yaml.YAMLError: it is no YAML, nested deeper than :data:`MAX_DEPTH`, grows beyond a
            million values by its aliases, or has a whole number beyond all floats; in one line.
    """
    try:
        has_aliases = _check_events(text)
        value = yaml.load(text, _LOADER)
    except yaml.YAMLError as error:
        raise yaml.YAMLError(_in_one_line(error)) from error
    except _WRONG as error:
        raise yaml.YAMLError(f"a value that cannot be: {error}") from error
    if has_aliases:
        _size(value, {})
    return value


def to_yaml(value: Any, *, flow: bool = False) -> str:
    """The text of a plain value; keys keep their order.

    Args:
        value: it.
        flow: whether a list or mapping is written in one line, in brackets.

    Raises:
        yaml.YAMLError: something in it is not plain.
    """
    style: dict[str, Any] = {"default_flow_style": True, "width": _MOST} if flow else {}
    text: str = yaml.dump(value, Dumper=_DUMPER, sort_keys=False, **style)
    return text.rstrip("\n") if flow else text


def _check_events(text: str) -> bool:
    """Make sure that a text can be loaded; whether it has aliases.

    Raises:
        yaml.YAMLError: it is nested too deep, has too large a number, or is damaged.
    """
    depth, has_aliases = 0, False
    for event in yaml.parse(text, _LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise yaml.YAMLError(f"nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent) and _is_too_large(event):
            raise yaml.YAMLError(f"a number of {len(event.value)} digits: {event.value[:20]}…")
        has_aliases |= isinstance(event, yaml.AliasEvent)
    return has_aliases


def _is_too_large(scalar: yaml.ScalarEvent) -> bool:
    """Whether it is a number with too many digits."""
    return (
        len(scalar.value) > _LONGEST_NUMBER
        and (scalar.implicit[0] or str(scalar.tag).endswith(":int"))
        and _NUMBER.fullmatch(scalar.value) is not None
    )


def _size(value: Any, known: dict[int, int]) -> int:
    """How many values there are in one, with each alias as what it stands for.

    Raises:
        yaml.YAMLError: too many, or it holds itself.
    """
    if not isinstance(value, dict | list):
        return 1
    if known.get(id(value)) == 0:
        raise yaml.YAMLError("an alias of what it is in")
    if id(value) not in known:
        known[id(value)] = 0
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(one, known) for one in inner)
    if known[id(value)] > _MOST:
        raise yaml.YAMLError(f"its aliases stand for more than {_MOST:,} values")
    return known[id(value)]


def _in_one_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or " ".join(str(error).split())
    return what if mark is None else f"{what} (line {mark.line + 1}, column {mark.column + 1})"
