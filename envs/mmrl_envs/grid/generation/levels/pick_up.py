"""Levels that ask to pick something up."""

from __future__ import annotations

from typing import Final

from mmrl_envs.grid.generation.level_builder import BY_COLOR, BY_KIND, BY_NAME, UP, LevelBuilder
from mmrl_envs.grid.generation.levels.any_instruction import any_instruction
from mmrl_envs.grid.generation.levels.level import MIDDLE, Level


def pick_up(*, room_size: int = 7, num_dists: int = 18, blocked: bool = False) -> LevelBuilder:
    """Pick up an object anywhere in the maze; others may be in the way."""
    level = LevelBuilder(room_size=room_size, columns=3, rows=3)
    level.place_agent()
    level.connect_rooms()
    things = level.add_objects(num_dists)
    level.require_reachable(not blocked)
    level.ask("pick up", level.choose(things))
    return level


def pick_up_described(
    *, room_size: int = 7, num_dists: int = 5, strict: bool = False
) -> LevelBuilder:
    """Pick up an object described by its kind, its colour, or both."""
    level = LevelBuilder(room_size=room_size)
    things = level.add_objects(num_dists, different=True)
    level.place_agent()
    ways = BY_NAME | BY_KIND | BY_COLOR
    level.ask("pick up", level.choose(things), ways=ways, strict=strict)
    return level


def pick_up_above(*, room_size: int = 6) -> LevelBuilder:
    """Pick up the object in the room above."""
    level = LevelBuilder(room_size=room_size, columns=3, rows=3, max_steps=8 * room_size**2)
    thing = level.add_objects(room=(1, 0))
    level.add_door(MIDDLE, UP)
    level.place_agent(MIDDLE)
    level.connect_rooms()
    level.ask("pick up", thing)
    return level


LEVELS: Final[dict[str, Level]] = {
    "Pickup": Level(pick_up, {"room_size": 8}),
    "UnblockPickup": Level(pick_up, {"room_size": 8, "num_dists": 20, "blocked": True}),
    "PickupLoc": Level(
        any_instruction,
        {
            "num_rows": 1,
            "num_cols": 1,
            "num_dists": 8,
            "locked_room_prob": 0.0,
            "unblocking": False,
            "verbs": ("pick up",),
            "forms": ("action",),
        },
    ),
    "PickupDist": Level(pick_up_described),
    "PickupDistDebug": Level(pick_up_described, {"strict": True}),
    "PickupAbove": Level(pick_up_above),
}
