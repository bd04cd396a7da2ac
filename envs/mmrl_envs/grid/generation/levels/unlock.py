"""Levels with locked doors whose key has to be found."""

from __future__ import annotations

from typing import Final

from mmrl_envs.grid.generation.level_builder import BY_KIND, RIGHT, LevelBuilder
from mmrl_envs.grid.generation.levels.level import MIDDLE, Level


def unlock(*, room_size: int = 7) -> LevelBuilder:
    """Open a locked door; its key is in another room.

    Minigrid may put the key into the locked room itself, where nobody can get it; here it never
    lies there.
    """
    level = LevelBuilder(room_size=room_size, columns=3, rows=3)
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


def unlock_local(*, room_size: int = 7, num_dists: int = 0) -> LevelBuilder:
    """Open the locked door of this room, with the key in it."""
    level = LevelBuilder(room_size=room_size, columns=3, rows=3)
    door = level.add_door(MIDDLE, locked=True)
    level.add_objects(kind="key", color=door, room=MIDDLE)
    level.add_objects(num_dists, room=MIDDLE, different=True)
    level.place_agent(MIDDLE)
    level.ask("open", door, ways=BY_KIND)
    return level


def key_in_box(*, room_size: int = 7) -> LevelBuilder:
    """Open the locked door of this room, whose key is in a box."""
    level = LevelBuilder(room_size=room_size, columns=3, rows=3)
    door = level.add_door(MIDDLE, locked=True)
    box = level.add_objects(kind="box", room=MIDDLE)
    level.put_inside(box, "key", door)
    level.place_agent(MIDDLE)
    level.ask("open", door, ways=BY_KIND)
    return level


def unlock_and_pick_up(*, room_size: int = 6, num_dists: int = 0) -> LevelBuilder:
    """Pick up the box behind a locked door."""
    level = LevelBuilder(room_size=room_size, columns=2)
    box = level.add_objects(kind="box", room=(1, 0))
    door = level.add_door((0, 0), RIGHT, locked=True)
    level.add_objects(kind="key", color=door, room=(0, 0))
    level.add_objects(num_dists, different=True)
    level.place_agent((0, 0))
    level.ask("pick up", box)
    return level


def blocked_unlock_and_pick_up(*, room_size: int = 6) -> LevelBuilder:
    """Pick up the box behind a locked door, in front of which a ball lies."""
    level = LevelBuilder(room_size=room_size, columns=2, max_steps=16 * room_size**2)
    box = level.add_objects(kind="box", room=(1, 0))
    door = level.add_door((0, 0), RIGHT, locked=True)
    level.put_left_of(door, "ball")
    level.add_objects(kind="key", color=door, room=(0, 0))
    level.place_agent((0, 0))
    level.ask("pick up", box, ways=BY_KIND)
    return level


def unlock_to_unlock(*, room_size: int = 6) -> LevelBuilder:
    """Pick up the ball behind a door whose key is behind another locked door."""
    level = LevelBuilder(room_size=room_size, columns=3, max_steps=30 * room_size**2)
    near = level.add_door((0, 0), RIGHT, locked=True, different=True)
    level.add_objects(kind="key", color=near, room=(2, 0))
    far = level.add_door((1, 0), RIGHT, locked=True, different=True)
    level.add_objects(kind="key", color=far, room=(1, 0))
    ball = level.add_objects(kind="ball", room=(0, 0))
    level.place_agent((1, 0))
    level.ask("pick up", ball, ways=BY_KIND)
    return level


LEVELS: Final[dict[str, Level]] = {
    "Unlock": Level(unlock, {"room_size": 8}),
    "UnlockLocal": Level(unlock_local, {"room_size": 8}),
    "UnlockLocalDist": Level(unlock_local, {"room_size": 8, "num_dists": 3}),
    "KeyInBox": Level(key_in_box, {"room_size": 8}),
    "UnlockPickup": Level(unlock_and_pick_up),
    "UnlockPickupDist": Level(unlock_and_pick_up, {"num_dists": 4}),
    "BlockedUnlockPickup": Level(blocked_unlock_and_pick_up),
    "UnlockToUnlock": Level(unlock_to_unlock),
}
