"""BabyAI's levels, one declaration each, and the table of their names and sizes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from mmrl_envs.grid.recipe import Recipe


def go_to_red_ball(*, room_size: int = 8, num_dists: int = 7, grey: bool = False) -> Recipe:
    """Go to the red ball; the distractors may be grey, so that no colour needs telling apart."""
    level = Recipe(room_size=room_size)
    level.place_agent()
    ball = level.add_objects(kind="ball", color="red")
    others = level.add_objects(num_dists)
    if grey:
        level.paint(others, "grey")
    level.require_reachable()
    level.go_to(ball)
    return level


def go_to_object(*, room_size: int = 8) -> Recipe:
    """Go to the only object in the room."""
    level = Recipe(room_size=room_size)
    level.place_agent()
    level.go_to(level.add_objects())
    return level


def go_to_local(*, room_size: int = 8, num_dists: int = 8) -> Recipe:
    """Go to one of the objects in the room: the instruction has to be read."""
    level = Recipe(room_size=room_size)
    level.place_agent()
    things = level.add_objects(num_dists)
    level.require_reachable()
    level.go_to(level.choose(things))
    return level


def pick_up_located(*, room_size: int = 8, num_dists: int = 8) -> Recipe:
    """Pick up an object that may be told by where it was when the episode began."""
    level = Recipe(room_size=room_size)
    level.add_objects(num_dists)
    level.place_agent()
    level.require_reachable()
    level.random_instruction(["pick up"], locations=True)
    return level


def put_next_local(*, room_size: int = 8, num_objs: int = 8) -> Recipe:
    """Put one of the objects in the room next to another one."""
    level = Recipe(room_size=room_size)
    level.place_agent()
    things = level.add_objects(num_objs, different=True)
    level.require_reachable()
    moved = level.choose(things)
    level.put_next(moved, level.choose(things, other_than=moved))
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
            if type(value) is not type(known[name].default):
                kind = type(known[name].default).__name__
                raise ValueError(f"{name}={value!r}: must be {kind}")
        return self.build(**{**self.sizes, **sizes})


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
    "PickupLoc": Level(pick_up_located),
    "PutNextLocal": Level(put_next_local),
    "PutNextLocalS5N3": Level(put_next_local, {"room_size": 5, "num_objs": 3}),
    "PutNextLocalS6N4": Level(put_next_local, {"room_size": 6, "num_objs": 4}),
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
