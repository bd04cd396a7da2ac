"""What a record holds by step, checked: the page may rely on the types and lengths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmrl.records import RecordError
from mmrl.records.file import read_steps

_DIMENSIONS: Final = {
    "value": 1, "advantage": 1, "imagined_reward": 1, "probabilities": 2, "q_values": 2,
    "attention_words": 2, "modality_weights": 2, "attention_image": 3,
}  # fmt: skip
"""Of the numbers that the page draws."""


def checked_steps(path: Path, steps: int) -> dict[str, Any]:
    """What ``steps.json`` holds; optional parts that are not as they should be are left out.

    Args:
        path: of the record.
        steps: actions, as of its summary.

    Raises:
        RecordError: it is damaged.
    """
    found = read_steps(path)
    whole = {name: _list(path, found, name) for name in ("instructions", "rewards", "actions")}
    lengths = {"instructions": (0, steps + 1), "rewards": (steps,), "actions": (steps,)}
    for name, right in lengths.items():
        if len(whole[name]) not in right:
            raise RecordError(f"{path}: {len(whole[name])} {name} for {steps} actions")
    if not _are(str, whole["instructions"]) or not _are((int, float, type(None)), whole["rewards"]):
        raise RecordError(f"{path}: instructions are texts, and rewards numbers")
    return {
        **whole,
        "action_names": _kept(found.get("action_names"), steps, lambda one: _are(str, one)),
        "infos": _kept(found.get("infos"), steps, lambda one: _are(dict, one)),
        "numbers": _numbers(found.get("numbers"), steps),
        "about": _about(found.get("about")),
    }


def _list(path: Path, found: dict[str, Any], name: str) -> list[Any]:
    value = found.get(name)
    if not isinstance(value, list):
        raise RecordError(f"{path}: steps.json has no list of {name}")
    return value


def _are(kind: type | tuple[type, ...], values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(one, kind) for one in values)


def _kept(value: Any, steps: int, is_right: Callable[[Any], bool]) -> list[Any]:
    return value if is_right(value) and len(value) == steps else []


def _numbers(given: Any, steps: int) -> dict[str, Any]:
    if not isinstance(given, dict):
        return {}
    return {name: one for name, one in given.items() if _is_table(name, one, steps)}


def _is_table(name: str, value: Any, steps: int) -> bool:
    try:
        array = np.asarray(value, np.float64)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return False
    return (
        array.ndim >= 1
        and len(array) in (steps, steps + 1)
        and _DIMENSIONS.get(name, array.ndim) == array.ndim
    )


def _about(given: Any) -> dict[str, Any]:
    """Entries whose type is not the documented one are left out."""
    if not isinstance(given, dict):
        return {}

    def texts(value: Any) -> bool:
        return _are(str, value)

    right: dict[str, Callable[[Any], bool]] = {
        "actions": texts,
        "modalities": texts,
        "words": lambda one: texts(one) or (_are(list, one) and all(map(texts, one))),
        "relabelled_instruction": lambda one: isinstance(one, str),
        "expert_steps": lambda one: type(one) is int,
        "observed_steps": lambda one: type(one) is int,
    }
    return {
        name: one for name, one in given.items() if right.get(name, lambda _: True)(one)
    }  # fmt: skip
