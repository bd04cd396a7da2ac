"""Levels of no other family."""

from __future__ import annotations

from typing import Final

from mmrl_envs.grid.generation.level_builder import BY_KIND, LEFT, RIGHT, UP, LevelBuilder
from mmrl_envs.grid.generation.levels.level import MIDDLE, Level


def act_on_object_or_door(*, room_size: int = 7, num_dists: int = 5) -> LevelBuilder:
    """Go to an object or door of the middle room; or pick up the one, or open the other."""
    level = LevelBuilder(room_size=room_size, columns=3, rows=3)
    things = level.add_objects(num_dists, room=MIDDLE, different=True)
    for _ in range(4):
        things = things.with_following(level.add_door(MIDDLE))
    level.place_agent(MIDDLE)
    level.ask(("go to", "pick up", "open"), level.choose(things))
    return level


def find_object(*, room_size: int = 5) -> LevelBuilder:
    """Pick up the only object, in any of nine rooms."""
    level = LevelBuilder(room_size=room_size, columns=3, rows=3, max_steps=20 * room_size**2)
    thing = level.add_objects()
    level.place_agent(MIDDLE)
    level.connect_rooms()
    level.ask("pick up", thing, ways=BY_KIND)
    return level


def key_corridor(*, room_size: int = 6, num_rows: int = 3) -> LevelBuilder:
    """Pick up the ball in a locked room off a corridor; the key is on the other side."""
    level = LevelBuilder(room_size=room_size, columns=3, rows=num_rows, max_steps=30 * room_size**2)
    for row in range(1, num_rows):
        level.remove_wall((1, row), UP)
    locked = level.choose_room(column=2)
    door = level.add_door(locked, LEFT, locked=True)
    ball = level.add_objects(kind="ball", room=locked)
    level.add_objects(kind="key", color=door, room=level.choose_room(column=0))
    level.place_agent((1, num_rows // 2))
    level.connect_rooms()
    level.ask("pick up", ball, ways=BY_KIND)
    return level


def one_room(*, room_size: int = 8) -> LevelBuilder:
    """Pick up the ball."""
    level = LevelBuilder(room_size=room_size)
    ball = level.add_objects(kind="ball")
    level.place_agent()
    level.ask("pick up", ball, ways=BY_KIND)
    return level


def move_two_across(*, room_size: int = 5, objs_per_room: int = 2) -> LevelBuilder:
    """Put an object from the left next to one on the right, then one from there next to another."""
    level = LevelBuilder(room_size=room_size, columns=2, max_steps=16 * room_size**2)
    level.place_agent((0, 0))
    left = level.add_objects(objs_per_room, room=(0, 0), different=True)
    right = level.add_objects(objs_per_room, room=(1, 0), different=True)
    level.remove_wall((0, 0), RIGHT)
    a, b = level.choose(left), level.choose(right)
    level.ask("put", a, beside=b)
    c, d = level.choose(right, other_than=b), level.choose(left, other_than=a)
    level.ask("put", c, beside=d, second=True)
    level.order(before=True)
    return level


LEVELS: Final[dict[str, Level]] = {
    "ActionObjDoor": Level(act_on_object_or_door),
    **{f"FindObjS{size}": Level(find_object, {"room_size": size}) for size in (5, 6, 7)},
    "KeyCorridor": Level(key_corridor),
    **{
        f"KeyCorridorS{size}R{rows}": Level(key_corridor, {"room_size": size, "num_rows": rows})
        for size, rows in ((3, 1), (3, 2), (3, 3), (4, 3), (5, 3), (6, 3))
    },
    **{f"OneRoomS{size}": Level(one_room, {"room_size": size}) for size in (8, 12, 16, 20)},
    "MoveTwoAcrossS5N2": Level(move_two_across, {"room_size": 5, "objs_per_room": 2}),
    "MoveTwoAcrossS8N9": Level(move_two_across, {"room_size": 8, "objs_per_room": 9}),
}
