"""Levels that ask to go somewhere."""

from __future__ import annotations

from typing import Any, Final

from mmrl_envs.grid.generation.level_builder import LevelBuilder
from mmrl_envs.grid.generation.levels.any_instruction import any_instruction
from mmrl_envs.grid.generation.levels.level import MIDDLE, Level


def go_to_red_ball(*, room_size: int = 8, num_dists: int = 7, grey: bool = False) -> LevelBuilder:
    """Go to the red ball; the distractors may be grey, so that no colour needs telling apart."""
    level = LevelBuilder(room_size=room_size)
    level.place_agent()
    ball = level.add_objects(kind="ball", color="red")
    others = level.add_objects(num_dists)
    if grey:
        level.paint(others, "grey")
    level.require_reachable()
    level.ask("go to", ball)
    return level


def go_to_object(*, room_size: int = 8) -> LevelBuilder:
    """Go to the only object in the room."""
    level = LevelBuilder(room_size=room_size)
    level.place_agent()
    level.ask("go to", level.add_objects())
    return level


def go_to_local(*, room_size: int = 8, num_dists: int = 8) -> LevelBuilder:
    """Go to one of the objects in the room: the instruction has to be read."""
    level = LevelBuilder(room_size=room_size)
    level.place_agent()
    things = level.add_objects(num_dists)
    level.require_reachable()
    level.ask("go to", level.choose(things))
    return level


def go_to(
    *,
    room_size: int = 8,
    num_rows: int = 3,
    num_cols: int = 3,
    num_dists: int = 18,
    doors_open: bool = False,
) -> LevelBuilder:
    """Go to an object that may be in another room."""
    level = LevelBuilder(room_size=room_size, columns=num_cols, rows=num_rows)
    level.place_agent()
    level.connect_rooms()
    things = level.add_objects(num_dists)
    level.require_reachable()
    level.ask("go to", level.choose(things))
    if doors_open:
        level.open_doors()
    return level


def go_to_implicit_unlock(*, room_size: int = 7) -> LevelBuilder:
    """Go to an object in a locked room: the key has to be found first, unasked.

    Minigrid may put the key into the locked room itself, where nobody can get it; here it never
    lies there.
    """
    level = LevelBuilder(room_size=room_size, columns=3, rows=3)
    locked = level.choose_room()
    door = level.add_door(locked, locked=True)
    level.add_objects(kind="key", color=door, room=level.choose_room(other_than=locked))
    level.connect_rooms()
    for room in level.every_room:
        level.add_objects(2, room=room)
    level.place_agent(level.choose_room(other_than=locked))
    level.require_reachable()
    level.ask("go to", level.add_objects(room=locked))
    return level


def go_to_red_or_blue_ball(*, room_size: int = 8, num_dists: int = 7) -> LevelBuilder:
    """Go to the red or to the blue ball; there is just one of them."""
    level = LevelBuilder(room_size=room_size)
    level.place_agent()
    others = level.add_objects(num_dists)
    level.reject(others, "ball", "red")
    level.reject(others, "ball", "blue")
    ball = level.add_objects(kind="ball", color=("red", "blue"))
    level.require_reachable()
    level.ask("go to", ball)
    return level


def go_to_door(*, room_size: int = 7) -> LevelBuilder:
    """Go to one of the four doors of the middle room."""
    level = LevelBuilder(room_size=room_size, columns=3, rows=3)
    doors = level.add_door(MIDDLE, locked=None)
    for _ in range(3):
        doors = doors.with_following(level.add_door(MIDDLE, locked=None))
    level.place_agent(MIDDLE)
    level.ask("go to", level.choose(doors))
    return level


def go_to_object_or_door(*, room_size: int = 8, num_dists: int = 8) -> LevelBuilder:
    """Go to an object in the middle room, or to one of its doors."""
    level = LevelBuilder(room_size=room_size, columns=3, rows=3)
    level.place_agent(MIDDLE)
    things = level.add_objects(num_dists, room=MIDDLE)
    for _ in range(4):
        things = things.with_following(level.add_door(MIDDLE, locked=None))
    level.require_reachable()
    level.ask("go to", level.choose(things))
    return level


_GO_TO_ONLY: Final[dict[str, Any]] = {
    "verbs": ("go to",),
    "locked_room_prob": 0.0,
    "locations": False,
    "unblocking": False,
}

LEVELS: Final[dict[str, Level]] = {
    "GoToRedBallGrey": Level(go_to_red_ball, {"grey": True}),
    "GoToRedBall": Level(go_to_red_ball),
    "GoToRedBallNoDists": Level(go_to_red_ball, {"num_dists": 0}),
    "GoToObj": Level(go_to_object),
    "GoToObjS4": Level(go_to_object, {"room_size": 4}),
    "GoToObjS6": Level(go_to_object, {"room_size": 6}),
    "GoToLocal": Level(go_to_local),
    **{
        f"GoToLocalS{size}N{count}": Level(go_to_local, {"room_size": size, "num_dists": count})
        for size, counts in {5: [2], 6: [2, 3, 4], 7: [4, 5], 8: range(2, 8)}.items()
        for count in counts
    },
    "GoTo": Level(go_to),
    "GoToOpen": Level(go_to, {"doors_open": True}),
    "GoToObjMaze": Level(go_to, {"num_dists": 1}),
    "GoToObjMazeOpen": Level(go_to, {"num_dists": 1, "doors_open": True}),
    "GoToObjMazeS4R2": Level(go_to, {"num_dists": 1, "room_size": 4, "num_rows": 2, "num_cols": 2}),
    **{
        f"GoToObjMazeS{size}": Level(go_to, {"num_dists": 1, "room_size": size})
        for size in range(4, 8)
    },
    "GoToImpUnlock": Level(go_to_implicit_unlock, {"room_size": 8}),
    "GoToSeq": Level(any_instruction, _GO_TO_ONLY),
    "GoToSeqS5R2": Level(
        any_instruction,
        {**_GO_TO_ONLY, "room_size": 5, "num_rows": 2, "num_cols": 2, "num_dists": 4},
    ),
    "GoToRedBlueBall": Level(go_to_red_or_blue_ball),
    "GoToDoor": Level(go_to_door),
    "GoToObjDoor": Level(go_to_object_or_door),
}
