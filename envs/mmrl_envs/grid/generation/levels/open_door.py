"""Levels that ask to open doors."""

from __future__ import annotations

from typing import Final

from mmrl_envs.grid.generation.level_builder import (
    BY_LOCATION,
    BY_NAME,
    DOWN,
    LEFT,
    RIGHT,
    UP,
    LevelBuilder,
)
from mmrl_envs.grid.generation.levels.level import MIDDLE, Level


def open_any_door(*, room_size: int = 7, num_dists: int = 18) -> LevelBuilder:
    """Open a door anywhere in the maze."""
    level = LevelBuilder(room_size=room_size, columns=3, rows=3)
    level.place_agent()
    doors = level.connect_rooms()
    level.add_objects(num_dists)
    level.require_reachable()
    level.ask("open", level.choose(doors))
    return level


def open_red_door(*, room_size: int = 5) -> LevelBuilder:
    """Open the only door, a red one."""
    level = LevelBuilder(room_size=room_size, columns=2)
    door = level.add_door((0, 0), RIGHT, color="red")
    level.place_agent((0, 0))
    level.ask("open", door)
    return level


def open_door(
    *, room_size: int = 7, by_color: bool = True, by_location: bool = True, strict: bool = False
) -> LevelBuilder:
    """Open one of the four doors of the middle room, described by its colour or its location."""
    level = LevelBuilder(room_size=room_size, columns=3, rows=3)
    doors = [level.add_door(MIDDLE, wall, different=True) for wall in (RIGHT, DOWN, LEFT, UP)]
    level.place_agent(MIDDLE)
    ways = BY_NAME * by_color | BY_LOCATION * by_location
    level.ask("open", doors[0], ways=ways, strict=strict)
    return level


def open_two_doors(
    *, room_size: int = 6, first: str = "", second: str = "", strict: bool = False
) -> LevelBuilder:
    """Open one door, then the other one."""
    level = LevelBuilder(room_size=room_size, columns=3, rows=3, max_steps=20 * room_size**2)
    left = level.add_door(MIDDLE, LEFT, color=first or None)
    right = level.add_door(MIDDLE, RIGHT, color=second or None, different=not second)
    level.place_agent(MIDDLE)
    level.ask("open", left, strict=strict)
    level.ask("open", right, second=True)
    level.order(before=True)
    return level


def open_doors_in_order(
    *, room_size: int = 6, num_doors: int = 2, strict: bool = False
) -> LevelBuilder:
    """Open a door, or two in a given order."""
    level = LevelBuilder(room_size=room_size, columns=3, rows=3, max_steps=20 * room_size**2)
    doors = level.add_door(MIDDLE, different=True)
    for _ in range(num_doors - 1):
        doors = doors.with_following(level.add_door(MIDDLE, different=True))
    level.place_agent(MIDDLE)
    one = level.choose(doors)
    level.ask("open", one, strict=strict)
    level.ask("open", level.choose(doors, other_than=one), strict=strict, second=True)
    level.order(single=True, before=True, after=True)
    return level


LEVELS: Final[dict[str, Level]] = {
    "Open": Level(open_any_door, {"room_size": 8}),
    "OpenRedDoor": Level(open_red_door),
    "OpenDoor": Level(open_door, {"room_size": 8}),
    "OpenDoorDebug": Level(open_door, {"room_size": 8, "strict": True}),
    "OpenDoorColor": Level(open_door, {"room_size": 8, "by_location": False}),
    "OpenDoorLoc": Level(open_door, {"room_size": 8, "by_color": False}),
    "OpenTwoDoors": Level(open_two_doors),
    "OpenRedBlueDoors": Level(open_two_doors, {"first": "red", "second": "blue"}),
    "OpenRedBlueDoorsDebug": Level(
        open_two_doors, {"first": "red", "second": "blue", "strict": True}
    ),
    **{
        f"OpenDoorsOrderN{count}{suffix}": Level(
            open_doors_in_order, {"num_doors": count, "strict": bool(suffix)}
        )
        for count in (2, 4)
        for suffix in ("", "Debug")
    },
}
