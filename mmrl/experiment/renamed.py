"""Earlier names: configuration keys and weights of earlier versions, and their present names.

A name that changes gets a line here; whatever was written before is then still read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

T = TypeVar("T")

CONFIG_KEYS: Final[dict[str, str]] = {
    "model.goal_picture": "model.goal_image",
    "imagination.dream_steps": "imagination.imagined_steps",
}
"""Dotted keys of configurations, and of options on the command line."""

_WEIGHTS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"^(.*\.)?auxiliary\.picture\."), r"\1auxiliary.image."),
)


def rename_weights(weights: Mapping[str, T]) -> dict[str, T]:
    """The same weights under their present names."""
    return {_present(name): tensor for name, tensor in weights.items()}


def _present(name: str) -> str:
    for pattern, replacement in _WEIGHTS:
        name = pattern.sub(replacement, name)
    return name


def rename_keys(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A configuration, as nested mappings, with the present names of its keys.

    Returns:
        The configuration, and the earlier names that it had with their present ones.
    """
    renamed: dict[str, Any] = {**config}
    found = {}
    for old, new in CONFIG_KEYS.items():
        *path, name = old.split(".")
        section: Any = renamed
        for part in path:
            inner = section.get(part)
            if not isinstance(inner, Mapping):
                break
            section[part] = section = {**inner}
        else:
            if name in section:
                section[new.rpartition(".")[2]] = section.pop(name)
                found[old] = new
    return renamed, found
