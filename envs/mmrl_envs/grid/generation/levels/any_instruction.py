"""Levels with any instruction of the grammar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mmrl_envs.grid.generation.level_builder import LevelBuilder
from mmrl_envs.grid.generation.levels.level import Level

ALL_VERBS: Final = ("go to", "pick up", "open", "put")
ALL_FORMS: Final = ("action", "and", "sequence")


def any_instruction(
    *,
    room_size: int = 8,
    num_rows: int = 3,
    num_cols: int = 3,
    num_dists: int = 18,
    locked_room_prob: float = 0.5,
    locations: bool = True,
    unblocking: bool = True,
    implicit_unlock: bool = True,
    verbs: Sequence[str] = ALL_VERBS,
    forms: Sequence[str] = ALL_FORMS,
) -> LevelBuilder:
    """Any instruction of the grammar, in a maze that may have a locked room."""
    level = LevelBuilder(room_size=room_size, columns=num_cols, rows=num_rows)
    locked = level.lock_a_room(locked_room_prob) if locked_room_prob else None
    if num_rows * num_cols > 1:
        level.connect_rooms()
    level.add_objects(num_dists)
    level.place_agent(level.choose_room(other_than=locked) if locked else None)
    if not unblocking:
        level.require_reachable()
    level.random_instruction(
        verbs,
        forms,
        locations=locations,
        not_only_in=None if implicit_unlock else locked,
        spare_keys=unblocking,
    )
    return level


_ONE_CLAUSE: Final[dict[str, Any]] = {"forms": ("action",), "implicit_unlock": False}

LEVELS: Final[dict[str, Level]] = {
    "Synth": Level(any_instruction, {**_ONE_CLAUSE, "locations": False}),
    "SynthS5R2": Level(
        any_instruction, {**_ONE_CLAUSE, "locations": False, "room_size": 5, "num_rows": 2}
    ),
    "SynthLoc": Level(any_instruction, _ONE_CLAUSE),
    "SynthSeq": Level(any_instruction, {"implicit_unlock": False}),
    "MiniBossLevel": Level(
        any_instruction,
        {"room_size": 5, "num_rows": 2, "num_cols": 2, "num_dists": 7, "locked_room_prob": 0.25},
    ),
    "BossLevel": Level(any_instruction),
    "BossLevelNoUnlock": Level(
        any_instruction, {"locked_room_prob": 0.0, "implicit_unlock": False}
    ),
}
