"""Errors of msgspec in plain words: the key, its value, and what is expected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import inspect

from mmrl.errors import unknown
from mmrl.text_output import printable

_PLACE: Final = re.compile(
    r"^(?P<what>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>.*)`)?$", re.DOTALL
)
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_FIELD: Final = re.compile(r"Object (missing required|contains unknown) field `(.*)`")
_EXPECTED: Final = re.compile(r"Expected `([^`]*)`(.*?)(?:, got `?([\w ]+)`?)?$")
_WORDS: Final = {
    "int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false",
    "array": "a list", "object": "a mapping", "null": "nothing", "bytes": "bytes",
}  # fmt: skip
_KINDS: Final = {
    "int": int, "float": float, "str": str, "bool": bool, "array": list, "object": dict,
    "null": type(None),
}  # fmt: skip
_LONGEST: Final = 60  # characters of a value


def explain(message: str, value: Any, kind: Any) -> str:
    """A validation error of msgspec in one line.

    Args:
        message: of the error.
        value: that was converted.
        kind: to which type.
    """
    found = _PLACE.match(message)
    assert found is not None
    what, steps = found["what"], _steps(found["path"] or "")
    field = _FIELD.fullmatch(what)
    if field is not None:
        return _of_field(field[1], field[2], steps, value, kind)
    key, wrong = _located(value, steps, what)
    place = ".".join(key) or "the file"
    if found["key"]:
        return f"{place}: a key of it must be {_words(what)}"
    return f"{place} is {_shown(wrong)}, and must be {_choices(kind, steps) or _words(what)}"


def _of_field(how: str, name: str, steps: list[str], value: Any, kind: Any) -> str:
    """The error of a key that is missing or too much."""
    key, _ = _located(value, steps, "")
    within = f"{'.'.join(key)}: " if key else ""
    if how == "missing required":
        return f"{within}lacks {name!r}"
    known = [one.encode_name for one in getattr(_type_at(kind, steps), "fields", ())]
    return f"{within}{unknown_key(name, known)}"


def unknown_key(name: str, known: Iterable[str]) -> str:
    """The error of a key that a file may not have, with the nearest ones."""
    return str(unknown("key", printable(name), known)).rstrip(".")


def _steps(path: str) -> list[str]:
    return [name or number for name, number in _STEP.findall(path)]


def _located(value: Any, steps: list[str], what: str) -> tuple[list[str], Any]:
    """The key and the value that an error is about: of an entry of any key, the first that has
    what the error says.
    """
    found = list(_values(value, steps, []))
    expected = _EXPECTED.search(what)
    got = _KINDS.get(expected[3] or "") if expected else None
    for key, one in found:
        if (got is None or type(one) is got) and not (expected and _fits(one, expected)):
            return key, one
    return found[0] if found else (steps, value)


def _values(value: Any, steps: list[str], key: list[str]) -> Iterator[tuple[list[str], Any]]:
    """All values under a path, in which ``...`` stands for any key."""
    if not steps:
        yield key, value
    elif steps[0] == "..." and isinstance(value, dict):
        for name, one in value.items():
            yield from _values(one, steps[1:], [*key, printable(str(name))])
    elif isinstance(value, dict):
        if steps[0] in value:
            yield from _values(value[steps[0]], steps[1:], [*key, steps[0]])
    elif isinstance(value, list | tuple) and steps[0].isdigit() and int(steps[0]) < len(value):
        yield from _values(value[int(steps[0])], steps[1:], [*key, steps[0]])


def _fits(value: Any, expected: re.Match[str]) -> bool:
    """Whether a number lies within the bound that an error names."""
    bound = re.fullmatch(r" (<=|>=|<|>) (\S+)", expected[2])
    if bound is None or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    limit = float(bound[2])
    return {"<=": value <= limit, ">=": value >= limit, "<": value < limit, ">": value > limit}[
        bound[1]
    ]


def _type_at(kind: Any, steps: list[str]) -> Any:
    """The inspected type under a path; None where it is not known."""
    node: Any = inspect.type_info(kind)
    for step in [*steps, None]:
        if isinstance(node, inspect.UnionType):
            plain = [one for one in node.types if not isinstance(one, inspect.NoneType)]
            node = plain[0]
        if step is None:
            break
        if hasattr(node, "fields"):
            node = next((one.type for one in node.fields if one.encode_name == step), None)
        else:
            node = getattr(node, "value_type", None) or getattr(node, "item_type", None)
    return node


def _choices(kind: Any, steps: list[str]) -> str | None:
    """The values of a choice; None for other types."""
    node = _type_at(kind, steps)
    if isinstance(node, inspect.LiteralType):
        return f"one of {', '.join(map(repr, node.values))}"
    if isinstance(node, inspect.EnumType):
        return f"one of {', '.join(repr(one.value) for one in node.cls)}"
    return None


def _words(what: str) -> str:
    """What is expected, in words."""
    expected = _EXPECTED.search(what)
    if expected is None:
        return "a number in range" if "out of range" in what else printable(what)
    kinds = " or ".join(_WORDS.get(one, one) for one in expected[1].split(" | "))
    return f"{kinds}{expected[2]}"


def _shown(value: Any) -> str:
    """A value, shortened."""
    text = printable(repr(value) if not isinstance(value, int) else _number(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _number(value: int) -> str:
    return str(value) if value.bit_length() < 1000 else f"a number of {value.bit_length()} bits"
