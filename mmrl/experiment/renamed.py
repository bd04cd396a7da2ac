"""Earlier names: configuration keys and weights of earlier versions, and their present names.

A name that changes gets a line here; whatever was written before is then still read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Container, Mapping
from typing import Any, Final, NamedTuple, TypeVar

T = TypeVar("T")


class RenamedKey(NamedTuple):
    """A dotted key of configurations, and of options on the command line.

    Attributes:
        old, new: its names.
        type: of its values, where the earlier name had several meanings; None for any.
    """

    old: str
    new: str
    type: type | None = None


CONFIG_KEYS: Final = (
    RenamedKey("model.goal_picture", "model.goal_image"),
    RenamedKey("imagination.dream_steps", "imagination.imagined_steps"),
    RenamedKey("held_out", "held_out_pairs", bool),
    RenamedKey("held_out", "test_sentences", int),
)
_announced: set[str] = set()

_WEIGHTS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"^(.*\.)?auxiliary\.picture\."), r"\1auxiliary.image."),
    (re.compile(r"^(.*\.)?model\.odometry\.surprise$"), r"\1model.ego_motion.surprisal"),
    (re.compile(r"^(.*\.)?model\.odometry\."), r"\1model.ego_motion."),
    (re.compile(r"^(.*\.)?model\.foretell\."), r"\1model.motion_encoder."),
    (re.compile(r"^(.*\.)?model\.choose\."), r"\1model.motion_head."),
    (re.compile(r"^(.*\.)?model\.name\."), r"\1model.logits_head."),
    (re.compile(r"^(.*\.)?model\.point\."), r"\1model.copy_head."),
    (re.compile(r"^(.*\.)?outcome\.tell\."), r"\1outcome.outcome_head."),
    (re.compile(r"^(.*\.)?gpt\.naming\."), r"\1gpt.pointer."),
)


def rename_weights(weights: Mapping[str, T], known: Container[str] = ()) -> dict[str, T]:
    """The same weights under their present names.

    Args:
        weights: by name.
        known: names that the module has, which stay: a module of a user's own may have any.
    """
    return {name if name in known else _present(name): tensor for name, tensor in weights.items()}


def _present(name: str) -> str:
    for pattern, replacement in _WEIGHTS:
        name = pattern.sub(replacement, name)
    return name


def present_key(old: str, known: Container[str]) -> str | None:
    """The present name of a key, among those that are known; None where it has no other."""
    return next((one.new for one in CONFIG_KEYS if one.old == old and one.new in known), None)


def rename_keys(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A configuration, as nested mappings, with the present names of its keys.

    Returns:
        The configuration, and the earlier names that it had with their present ones.
    """
    renamed: dict[str, Any] = {**config}
    found = {}
    for old, new, kind in CONFIG_KEYS:
        *path, name = old.split(".")
        section: Any = renamed
        for part in path:
            inner = section.get(part)
            if not isinstance(inner, Mapping):
                break
            section[part] = section = {**inner}
        else:
            if name in section and kind in (None, type(section[name])):
                section[new.rpartition(".")[2]] = section.pop(name)
                found[old] = new
    return renamed, found


def announce(renamed: Mapping[str, str], where: str) -> None:
    """Print one line on standard error with the present names of keys, each once a process.

    Args:
        renamed: earlier names and present ones.
        where: what uses the earlier names, such as a command or a run folder.
    """
    new = {old: present for old, present in renamed.items() if old not in _announced}
    if new:
        _announced.update(new)
        pairs = ", ".join(f"{old} is now {present}" for old, present in new.items())
        print(f"{where}: {pairs}", file=sys.stderr)
