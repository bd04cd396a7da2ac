"""Where an environment's instruction comes from: an observation, an info, an attribute, a goal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from mmrl.errors import UserError
from mmrl.wrappers.adapt.config import ADAPTER, NONE
from mmrl.wrappers.adapt.texts import as_text
from mmrl.wrappers.nested_spaces import Leaf

NAMES: Final = (
    "instruction", "language_instruction", "mission", "task_description", "task", "goal", "prompt",
    "command", "text", "description",
)  # fmt: skip
"""Names under which environments have their instruction, the likeliest first."""
_SHOWN: Final = 8  # numbers of a vector, unless the template has a form for them
_INFO: Final = "info."
_ATTRIBUTE: Final = "attribute."

Leaves = Mapping[str, Leaf]


class Moment(NamedTuple):
    """What an environment gave by a reset or step.

    Attributes:
        entries: of the observation, those that the source uses.
        info: of the same reset or step.
        env: the environment.
    """

    entries: Mapping[str, Any]
    info: Mapping[str, Any]
    env: gym.Env[Any, Any]


class InstructionSource(NamedTuple):
    """Where the instruction comes from.

    Attributes:
        name: as the configuration names it.
        read: gives the instruction of a moment; None where it stays as it was.
        entries: of the observation that it uses.
        note: for people.
    """

    name: str
    read: Callable[[Moment], str | None]
    entries: tuple[str, ...] = ()
    note: str = ""


class _Vector(tuple[float, ...]):
    """Numbers for a template: ``{vector}``, ``{vector:+.2f}`` for all of them, or ``{vector[0]}``.

    Without a form of their own, the first eight have two digits each.
    """

    def __format__(self, form: str) -> str:
        numbers = self if form else self[:_SHOWN]
        return " ".join(format(one, form or ".2g") for one in numbers)


def find_instruction(
    given: Any,
    texts: Sequence[str],
    leaves: Leaves,
    env: gym.Env[Any, Any],
    info: Mapping[str, Any] | None,
) -> InstructionSource | None:
    """The source of an environment's instruction; None where it has none.

    Args:
        given: what the configuration says; None finds it: text in the observation, else in the
            info of a reset, else a string attribute, under one of :data:`NAMES`.
        texts: the entries of the observation that are text.
        leaves: all entries.
        env: the environment.
        info: of a reset; None where there was none.

    Raises:
        UserError: the configuration names what there is not.
    """
    if given is not None:
        return _configured(given, texts, leaves, env)
    if texts:
        return _of_entries(texts)
    for name in NAMES:
        if info is not None and isinstance(info.get(name), str | bytes):
            return _of_info(name)
    for name in NAMES:
        value = getattr(env.unwrapped, name, None)
        if isinstance(value, str) and value.strip():
            return _of_attribute(name)
    return None


def _configured(
    given: Any, texts: Sequence[str], leaves: Leaves, env: gym.Env[Any, Any]
) -> InstructionSource | None:
    if isinstance(given, Mapping):
        return _of_mapping(given, texts, leaves)
    if given == NONE:
        return None
    if not isinstance(given, str):
        raise _wrong(given, leaves)
    if given in texts:
        return _of_entries([given])
    if given.startswith(_INFO):
        return _of_info(given.removeprefix(_INFO))
    if given.startswith(_ATTRIBUTE):
        name = given.removeprefix(_ATTRIBUTE)
        if not hasattr(env.unwrapped, name):
            raise UserError(f"{ADAPTER}.instruction={given!r}: the environment has no {name!r}")
        return _of_attribute(name)
    raise _wrong(given, leaves)


def _wrong(given: Any, leaves: Leaves) -> UserError:
    return UserError(
        f"{ADAPTER}.instruction={given!r}: give an entry that is text, info.KEY, attribute.NAME, "
        "none, {text: a sentence} or {from: ENTRY, template: 'pick object {i}'}; the observation "
        f"has {', '.join(leaves) or 'no entries'}"
    )


def _of_entries(texts: Sequence[str]) -> InstructionSource:
    def read(now: Moment) -> str:
        return "; ".join(filter(None, (as_text(now.entries[one]).strip() for one in ordered)))

    ordered = sorted(texts, key=_rank)
    name = ", ".join(ordered)
    return InstructionSource(name, read, tuple(ordered), f"text of {name}")


def _rank(path: str) -> int:
    last = path.rpartition(".")[2]
    return NAMES.index(last) if last in NAMES else len(NAMES)


def _of_info(key: str) -> InstructionSource:
    def read(now: Moment) -> str | None:
        return as_text(now.info[key]) if key in now.info else None

    return InstructionSource(_INFO + key, read, (), f"info[{key!r}]")


def _of_attribute(name: str) -> InstructionSource:
    def read(now: Moment) -> str:
        value = getattr(now.env.unwrapped, name)
        return as_text(value() if callable(value) else value)

    return InstructionSource(_ATTRIBUTE + name, read, (), f"its attribute {name!r}")


def _of_mapping(
    given: Mapping[str, Any], texts: Sequence[str], leaves: Leaves
) -> InstructionSource:
    if set(given) == {"text"}:
        text = str(given["text"])
        return InstructionSource("a fixed sentence", lambda _: text, (), "fixed")
    if not {"from", "template"} <= set(given) <= {"from", "template", "names"}:
        raise _wrong(dict(given), leaves)
    entry, template, names = str(given["from"]), str(given["template"]), given.get("names")
    if entry not in leaves or entry in texts:
        raise _wrong(dict(given), leaves)
    space = leaves[entry].space
    start = int(space.start) if isinstance(space, spaces.Discrete) else 0

    def read(now: Moment) -> str:
        value = np.asarray(now.entries[entry])
        number = int(value) - start if value.size == 1 else int(value.argmax())
        name = names[number] if names and number < len(names) else number
        return template.format(i=number, name=name, vector=_Vector(value.ravel().tolist()))

    try:
        template.format(i=0, name="", vector=_Vector([0.0] * int(np.prod(space.shape or ()))))
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{ADAPTER}.instruction.template={template!r}: use {{i}}, {{name}}, {{vector}}, or one "
            f"of its numbers, {{vector[0]:.2f}}; {error}"
        ) from error
    return InstructionSource(f"{entry} by a template", read, (entry,), f"{entry}: {template}")
