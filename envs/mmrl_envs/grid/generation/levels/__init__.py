"""BabyAI's levels by name; one file a family, each with its declarations and its table.

A level of your own is one file: a function of about 20 lines that returns a
:class:`~mmrl_envs.grid.generation.level_builder.LevelBuilder`, and a line in its table.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from mmrl_envs.grid.generation.levels import (
    any_instruction,
    go_to,
    open_door,
    other,
    pick_up,
    put_next,
    unlock,
)
from mmrl_envs.grid.generation.levels.level import Level

FAMILIES: Final[dict[str, dict[str, Level]]] = {
    "go to": go_to.LEVELS,
    "open": open_door.LEVELS,
    "pick up": pick_up.LEVELS,
    "put next to": put_next.LEVELS,
    "unlock": unlock.LEVELS,
    "other": other.LEVELS,
    "any instruction": any_instruction.LEVELS,
}
"""The levels of each family, by their BabyAI names."""

LEVELS: Final[dict[str, Level]] = {
    name: level for family in FAMILIES.values() for name, level in family.items()
}
"""Every level by its BabyAI name; the Gymnasium id is ``mmrl/<name>-v0``."""


def find_level(name: str) -> Level:
    """The level of that name.

    Raises:
        ValueError: there is none; the message lists the nearest names.
    """
    if name not in LEVELS:
        near = get_close_matches(name, LEVELS, n=3, cutoff=0.4)
        raise ValueError(f"unknown level {name!r}; nearest: {', '.join(near) or ', '.join(LEVELS)}")
    return LEVELS[name]


__all__ = ["FAMILIES", "LEVELS", "Level", "find_level"]
