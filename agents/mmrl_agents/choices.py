"""Hyperparameters that choose a part of an agent: the name of a kind, or a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from mmrl.errors import UserError

NONE: Final = "none"
KIND: Final = "kind"

PartOptions = str | dict[str, Any] | None
"""How a hyperparameter chooses a part: the name of its kind, a mapping of ``kind`` and options, or
None (or "none") for no such part.
"""


class Choice(NamedTuple):
    """A kind of a part, and options that go with it."""

    kind: str
    options: dict[str, Any]


def is_chosen(value: PartOptions) -> bool:
    """Whether a hyperparameter chooses a part."""
    return (value.get(KIND) if isinstance(value, dict) else value) not in (None, NONE)


def read_choice(
    key: str, value: PartOptions, args: Mapping[str, Any] | None, kinds: tuple[str, ...]
) -> Choice | None:
    """The kind and options that a hyperparameter gives; None for no part.

    Args:
        key: of the hyperparameter, such as "ppo.memory".
        value: a name, or a mapping of ``kind`` and options.
        args: further options; the ``…_args`` of earlier configurations.
        kinds: that there are.

    Raises:
        UserError: options without a kind.
    """
    given = {KIND: value} if value is None or isinstance(value, str) else dict(value)
    kind = given.pop(KIND, None)
    options = {**given, **(args or {})}
    if kind is not None and not isinstance(kind, str):
        raise UserError(f"{key}.{KIND}={kind!r}: must be a name, one of {', '.join(kinds)}")
    if kind not in (None, NONE):
        return Choice(kind, options)
    if options:
        raise UserError(
            f"{key}: options {options} of which {key}? Give {key}.{KIND}: {', '.join(kinds)}"
        )
    return None
