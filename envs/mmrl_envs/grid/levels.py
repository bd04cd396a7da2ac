"""BabyAI's levels, one declaration each, and the table of their names and sizes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from mmrl_envs.grid.recipe import (
    BY_COLOR,
    BY_KIND,
    BY_LOCATION,
    BY_NAME,
    DOWN,
    LEFT,
    RIGHT,
    UP,
    Recipe,
)

MIDDLE: Final = (1, 1)
"""The middle one of three by three rooms."""
ALL_VERBS: Final = ("go to", "pick up", "open", "put")
ALL_FORMS: Final = ("action", "and", "sequence")


# Go to.


def go_to_red_ball(*, room_size: int = 8, num_dists: int = 7, grey: bool = False) -> Recipe:
    """Go to the red ball; the distractors may be grey, so that no colour needs telling apart."""
    level = Recipe(room_size=room_size)
    level.place_agent()
    ball = level.add_objects(kind="ball", color="red")
    others = level.add_objects(num_dists)
    if grey:
        level.paint(others, "grey")
    level.require_reachable()
    level.ask("go to", ball)
    return level


def go_to_object(*, room_size: int = 8) -> Recipe:
    """Go to the only object in the room."""
    level = Recipe(room_size=room_size)
    level.place_agent()
    level.ask("go to", level.add_objects())
    return level


def go_to_local(*, room_size: int = 8, num_dists: int = 8) -> Recipe:
    """Go to one of the objects in the room: the instruction has to be read."""
    level = Recipe(room_size=room_size)
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
) -> Recipe:
    """Go to an object that may be in another room."""
    level = Recipe(room_size=room_size, columns=num_cols, rows=num_rows)
    level.place_agent()
    level.connect_rooms()
    things = level.add_objects(num_dists)
    level.require_reachable()
    level.ask("go to", level.choose(things))
    if doors_open:
        level.open_doors()
    return level


def go_to_implicit_unlock(*, room_size: int = 7) -> Recipe:
    """Go to an object in a locked room: the key has to be found first, unasked.

    Minigrid may put the key into the locked room itself, where nobody can get it; here it never
    lies there.
    """
    level = Recipe(room_size=room_size, columns=3, rows=3)
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


def go_to_red_or_blue_ball(*, room_size: int = 8, num_dists: int = 7) -> Recipe:
    """Go to the red or to the blue ball; there is just one of them."""
    level = Recipe(room_size=room_size)
    level.place_agent()
    others = level.add_objects(num_dists)
    level.reject(others, "ball", "red")
    level.reject(others, "ball", "blue")
    ball = level.add_objects(kind="ball", color=("red", "blue"))
    level.require_reachable()
    level.ask("go to", ball)
    return level


def go_to_door(*, room_size: int = 7) -> Recipe:
    """Go to one of the four doors of the middle room."""
    level = Recipe(room_size=room_size, columns=3, rows=3)
    doors = level.add_door(MIDDLE, locked=None)
    for _ in range(3):
        doors = doors.with_following(level.add_door(MIDDLE, locked=None))
    level.place_agent(MIDDLE)
    level.ask("go to", level.choose(doors))
    return level


def go_to_object_or_door(*, room_size: int = 8, num_dists: int = 8) -> Recipe:
    """Go to an object in the middle room, or to one of its doors."""
    level = Recipe(room_size=room_size, columns=3, rows=3)
    level.place_agent(MIDDLE)
    things = level.add_objects(num_dists, room=MIDDLE)
    for _ in range(4):
        things = things.with_following(level.add_door(MIDDLE, locked=None))
    level.require_reachable()
    level.ask("go to", level.choose(things))
    return level


# Open.


def open_any_door(*, room_size: int = 7, num_dists: int = 18) -> Recipe:
    """Open a door anywhere in the maze."""
    level = Recipe(room_size=room_size, columns=3, rows=3)
    level.place_agent()
    doors = level.connect_rooms()
    level.add_objects(num_dists)
    level.require_reachable()
    level.ask("open", level.choose(doors))
    return level


def open_red_door(*, room_size: int = 5) -> Recipe:
    """Open the only door, a red one."""
    level = Recipe(room_size=room_size, columns=2)
    door = level.add_door((0, 0), RIGHT, color="red")
    level.place_agent((0, 0))
    level.ask("open", door)
    return level


def open_door(
    *, room_size: int = 7, by_color: bool = True, by_location: bool = True, strict: bool = False
) -> Recipe:
    """Open one of the four doors of the middle room, told by its colour or by where it is."""
    level = Recipe(room_size=room_size, columns=3, rows=3)
    doors = [level.add_door(MIDDLE, wall, different=True) for wall in (RIGHT, DOWN, LEFT, UP)]
    level.place_agent(MIDDLE)
    ways = BY_NAME * by_color | BY_LOCATION * by_location
    level.ask("open", doors[0], ways=ways, strict=strict)
    return level


def open_two_doors(
    *, room_size: int = 6, first: str = "", second: str = "", strict: bool = False
) -> Recipe:
    """Open one door, then the other one."""
    level = Recipe(room_size=room_size, columns=3, rows=3, max_steps=20 * room_size**2)
    left = level.add_door(MIDDLE, LEFT, color=first or None)
    right = level.add_door(MIDDLE, RIGHT, color=second or None, different=not second)
    level.place_agent(MIDDLE)
    level.ask("open", left, strict=strict)
    level.ask("open", right, second=True)
    level.order(before=True)
    return level


def open_doors_in_order(*, room_size: int = 6, num_doors: int = 2, strict: bool = False) -> Recipe:
    """Open a door, or two in a given order."""
    level = Recipe(room_size=room_size, columns=3, rows=3, max_steps=20 * room_size**2)
    doors = level.add_door(MIDDLE, different=True)
    for _ in range(num_doors - 1):
        doors = doors.with_following(level.add_door(MIDDLE, different=True))
    level.place_agent(MIDDLE)
    one = level.choose(doors)
    level.ask("open", one, strict=strict)
    level.ask("open", level.choose(doors, other_than=one), strict=strict, second=True)
    level.order(single=True, before=True, after=True)
    return level


# Pick up.


def pick_up(*, room_size: int = 7, num_dists: int = 18, blocked: bool = False) -> Recipe:
    """Pick up an object anywhere in the maze; others may be in the way."""
    level = Recipe(room_size=room_size, columns=3, rows=3)
    level.place_agent()
    level.connect_rooms()
    things = level.add_objects(num_dists)
    level.require_reachable(not blocked)
    level.ask("pick up", level.choose(things))
    return level


def pick_up_described(*, room_size: int = 7, num_dists: int = 5, strict: bool = False) -> Recipe:
    """Pick up an object told by its kind, its colour, or both."""
    level = Recipe(room_size=room_size)
    things = level.add_objects(num_dists, different=True)
    level.place_agent()
    ways = BY_NAME | BY_KIND | BY_COLOR
    level.ask("pick up", level.choose(things), ways=ways, strict=strict)
    return level


def pick_up_above(*, room_size: int = 6) -> Recipe:
    """Pick up the object in the room above."""
    level = Recipe(room_size=room_size, columns=3, rows=3, max_steps=8 * room_size**2)
    thing = level.add_objects(room=(1, 0))
    level.add_door(MIDDLE, UP)
    level.place_agent(MIDDLE)
    level.connect_rooms()
    level.ask("pick up", thing)
    return level


# Put next to.


def put_next_local(*, room_size: int = 8, num_objs: int = 8) -> Recipe:
    """Put one of the objects in the room next to another one."""
    level = Recipe(room_size=room_size)
    level.place_agent()
    things = level.add_objects(num_objs, different=True)
    level.require_reachable()
    moved = level.choose(things)
    level.ask("put", moved, beside=level.choose(things, other_than=moved))
    return level


def put_next(*, room_size: int = 5, objs_per_room: int = 2, start_carrying: bool = False) -> Recipe:
    """Put an object of one half of the room next to one of the other half."""
    level = Recipe(room_size=room_size, columns=2, max_steps=8 * room_size**2)
    level.place_agent((0, 0))
    left = level.add_objects(objs_per_room, room=(0, 0), different=True)
    right = level.add_objects(objs_per_room, room=(1, 0), different=True)
    level.remove_wall((0, 0), RIGHT)
    moved, fixed = level.shuffle(level.choose(left), level.choose(right))
    level.ask("put", moved, beside=fixed)
    if start_carrying:
        level.start_carrying(moved)
    return level


def move_two_across(*, room_size: int = 5, objs_per_room: int = 2) -> Recipe:
    """Put an object from the left next to one on the right, then one from there next to another."""
    level = Recipe(room_size=room_size, columns=2, max_steps=16 * room_size**2)
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


# Unlock.


def unlock(*, room_size: int = 7) -> Recipe:
    """Open a locked door; its key is in another room.

    Minigrid may put the key into the locked room itself, where nobody can get it; here it never
    lies there.
    """
    level = Recipe(room_size=room_size, columns=3, rows=3)
    locked = level.choose_room()
    door = level.add_door(locked, locked=True)
    level.add_objects(kind="key", color=door, room=level.choose_room(other_than=locked))
    level.connect_rooms(avoid_half_of_the_time=door)
    for room in level.every_room:
        level.add_objects(3, room=room)
    level.place_agent(level.choose_room(other_than=locked))
    level.require_reachable()
    level.ask("open", door)
    return level


def unlock_local(*, room_size: int = 7, num_dists: int = 0) -> Recipe:
    """Open the locked door of this room, with the key in it."""
    level = Recipe(room_size=room_size, columns=3, rows=3)
    door = level.add_door(MIDDLE, locked=True)
    level.add_objects(kind="key", color=door, room=MIDDLE)
    level.add_objects(num_dists, room=MIDDLE, different=True)
    level.place_agent(MIDDLE)
    level.ask("open", door, ways=BY_KIND)
    return level


def key_in_box(*, room_size: int = 7) -> Recipe:
    """Open the locked door of this room, whose key is in a box."""
    level = Recipe(room_size=room_size, columns=3, rows=3)
    door = level.add_door(MIDDLE, locked=True)
    box = level.add_objects(kind="box", room=MIDDLE)
    level.put_inside(box, "key", door)
    level.place_agent(MIDDLE)
    level.ask("open", door, ways=BY_KIND)
    return level


def unlock_and_pick_up(*, room_size: int = 6, num_dists: int = 0) -> Recipe:
    """Pick up the box behind a locked door."""
    level = Recipe(room_size=room_size, columns=2)
    box = level.add_objects(kind="box", room=(1, 0))
    door = level.add_door((0, 0), RIGHT, locked=True)
    level.add_objects(kind="key", color=door, room=(0, 0))
    level.add_objects(num_dists, different=True)
    level.place_agent((0, 0))
    level.ask("pick up", box)
    return level


def blocked_unlock_and_pick_up(*, room_size: int = 6) -> Recipe:
    """Pick up the box behind a locked door, in front of which a ball lies."""
    level = Recipe(room_size=room_size, columns=2, max_steps=16 * room_size**2)
    box = level.add_objects(kind="box", room=(1, 0))
    door = level.add_door((0, 0), RIGHT, locked=True)
    level.put_left_of(door, "ball")
    level.add_objects(kind="key", color=door, room=(0, 0))
    level.place_agent((0, 0))
    level.ask("pick up", box, ways=BY_KIND)
    return level


def unlock_to_unlock(*, room_size: int = 6) -> Recipe:
    """Pick up the ball behind a door whose key is behind another locked door."""
    level = Recipe(room_size=room_size, columns=3, max_steps=30 * room_size**2)
    near = level.add_door((0, 0), RIGHT, locked=True, different=True)
    level.add_objects(kind="key", color=near, room=(2, 0))
    far = level.add_door((1, 0), RIGHT, locked=True, different=True)
    level.add_objects(kind="key", color=far, room=(1, 0))
    ball = level.add_objects(kind="ball", room=(0, 0))
    level.place_agent((1, 0))
    level.ask("pick up", ball, ways=BY_KIND)
    return level


# Others.


def act_on_object_or_door(*, room_size: int = 7, num_dists: int = 5) -> Recipe:
    """Go to an object or door of the middle room; or pick up the one, or open the other."""
    level = Recipe(room_size=room_size, columns=3, rows=3)
    things = level.add_objects(num_dists, room=MIDDLE, different=True)
    for _ in range(4):
        things = things.with_following(level.add_door(MIDDLE))
    level.place_agent(MIDDLE)
    level.ask(("go to", "pick up", "open"), level.choose(things))
    return level


def find_object(*, room_size: int = 5) -> Recipe:
    """Pick up the only object, in any of nine rooms."""
    level = Recipe(room_size=room_size, columns=3, rows=3, max_steps=20 * room_size**2)
    thing = level.add_objects()
    level.place_agent(MIDDLE)
    level.connect_rooms()
    level.ask("pick up", thing, ways=BY_KIND)
    return level


def key_corridor(*, room_size: int = 6, num_rows: int = 3) -> Recipe:
    """Pick up the ball in a locked room off a corridor; the key is on the other side."""
    level = Recipe(room_size=room_size, columns=3, rows=num_rows, max_steps=30 * room_size**2)
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


def one_room(*, room_size: int = 8) -> Recipe:
    """Pick up the ball."""
    level = Recipe(room_size=room_size)
    ball = level.add_objects(kind="ball")
    level.place_agent()
    level.ask("pick up", ball, ways=BY_KIND)
    return level


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
) -> Recipe:
    """Whatever the language can say, in a maze that may have a locked room."""
    level = Recipe(room_size=room_size, columns=num_cols, rows=num_rows)
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


@dataclass(frozen=True)
class Level:
    """A named level: a declaration and the sizes that make it this one.

    Attributes:
        build: writes the recipe from the sizes.
        sizes: arguments of ``build`` that differ from its defaults.
    """

    build: Callable[..., Recipe]
    sizes: dict[str, Any] = field(default_factory=dict)

    def recipe(self, **sizes: Any) -> Recipe:
        """The recipe, with some sizes changed.

        Raises:
            ValueError: a size that this level does not have, or that is impossible.
        """
        known = inspect.signature(self.build).parameters
        for name, value in sizes.items():
            if name not in known:
                raise ValueError(f"unknown parameter {name!r}: this level has {', '.join(known)}")
            kind = type(known[name].default)
            if kind in (bool, int, str) and type(value) is not kind:
                raise ValueError(f"{name}={value!r}: must be {kind.__name__}")
        return self.build(**{**self.sizes, **sizes})


_GO_TO_ONLY: Final[dict[str, Any]] = {
    "verbs": ("go to",),
    "locked_room_prob": 0.0,
    "locations": False,
    "unblocking": False,
}
_ONE_CLAUSE: Final[dict[str, Any]] = {"forms": ("action",), "implicit_unlock": False}

LEVELS: Final[dict[str, Level]] = {
    # Go to.
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
    # Open.
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
    # Pick up.
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
    # Put next to.
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
    # Unlock.
    "Unlock": Level(unlock, {"room_size": 8}),
    "UnlockLocal": Level(unlock_local, {"room_size": 8}),
    "UnlockLocalDist": Level(unlock_local, {"room_size": 8, "num_dists": 3}),
    "KeyInBox": Level(key_in_box, {"room_size": 8}),
    "UnlockPickup": Level(unlock_and_pick_up),
    "UnlockPickupDist": Level(unlock_and_pick_up, {"num_dists": 4}),
    "BlockedUnlockPickup": Level(blocked_unlock_and_pick_up),
    "UnlockToUnlock": Level(unlock_to_unlock),
    # Others.
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
    # Everything together.
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
"""Every level by its BabyAI name; the Gymnasium id is ``mmrl/<name>-v0``."""


def find_level(name: str) -> Level:
    """The level of that name.

    Raises:
        ValueError: there is none; the message tells the nearest names.
    """
    if name not in LEVELS:
        near = get_close_matches(name, LEVELS, n=3, cutoff=0.4)
        raise ValueError(f"unknown level {name!r}; nearest: {', '.join(near) or ', '.join(LEVELS)}")
    return LEVELS[name]
