"""Levels that ask to put things next to each other."""

from __future__ import annotations

from typing import Final

from mmrl_envs.grid.generation.level_builder import RIGHT, LevelBuilder
from mmrl_envs.grid.generation.levels.level import Level


def put_next_local(*, room_size: int = 8, num_objs: int = 8) -> LevelBuilder:
    """Put one of the objects in the room next to another one."""
    level = LevelBuilder(room_size=room_size)
    level.place_agent()
    things = level.add_objects(num_objs, different=True)
    level.require_reachable()
    moved = level.choose(things)
    level.ask("put", moved, beside=level.choose(things, other_than=moved))
    return level


def put_next(
    *, room_size: int = 5, objs_per_room: int = 2, start_carrying: bool = False
) -> LevelBuilder:
    """Put an object of one half of the room next to one of the other half."""
    level = LevelBuilder(room_size=room_size, columns=2, max_steps=8 * room_size**2)
    level.place_agent((0, 0))
    left = level.add_objects(objs_per_room, room=(0, 0), different=True)
    right = level.add_objects(objs_per_room, room=(1, 0), different=True)
    level.remove_wall((0, 0), RIGHT)
    moved, fixed = level.shuffle(level.choose(left), level.choose(right))
    level.ask("put", moved, beside=fixed)
    if start_carrying:
        level.start_carrying(moved)
    return level


LEVELS: Final[dict[str, Level]] = {
    "PutNextLocal": Level(put_next_local),
    "PutNextLocalS5N3": Level(put_next_local, {"room_size": 5, "num_objs": 3}),
    "PutNextLocalS6N4": Level(put_next_local, {"room_size": 6, "num_objs": 4}),
    **{
        f"PutNextS{size}N{count}": Level(put_next, {"room_size": size, "objs_per_room": count})
        for size, count in ((4, 1), (5, 2), (5, 1), (6, 3), (7, 4))
    },
    **{
        f"PutNextS{size}N{count}Carrying": Level(
            put_next, {"room_size": size, "objs_per_room": count, "start_carrying": True}
        )
        for size, count in ((5, 2), (6, 3), (7, 4))
    },
}
