"""Worlds that no level would make: minigrid's rooms strewn with whatever there is, under any
instruction; for comparison with ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from minigrid.core.constants import COLOR_NAMES
from minigrid.core.world_object import Ball, Box, Door, Key, Wall
from minigrid.envs.babyai.core.verifier import (
    LOC_NAMES,
    AfterInstr,
    AndInstr,
    BeforeInstr,
    GoToInstr,
    ObjDesc,
    OpenInstr,
    PickupInstr,
    PutNextInstr,
)


def _any_thing(rng: np.random.Generator) -> Any:
    color = COLOR_NAMES[rng.integers(6)]
    kind = rng.integers(8)
    if kind == 0:
        return Wall(color)
    if kind <= 2:
        state = rng.integers(3)
        return Door(color, is_open=state == 0, is_locked=state == 2)
    if kind <= 4:
        return Key(color)
    if kind == 5:
        return Ball(color)
    inside = (None, Key(color), Ball("grey"), Box("red", Ball(color)))[rng.integers(4)]
    return Box(color, inside)


def strew(source: Any, rng: np.random.Generator) -> None:
    """Put things on about a fifth of the inner cells (40 at most), and the agent on a free one."""
    source.carrying = None
    left = 40
    free = []
    for x in range(1, source.width - 1):
        for y in range(1, source.height - 1):
            here = source.grid.get(x, y)
            if here is not None and here.type == "wall" and rng.random() < 0.9:
                continue
            source.grid.set(x, y, None)
            if left and rng.random() < 0.2:
                source.put_obj(_any_thing(rng), x, y)
                left -= 1
            else:
                free.append((x, y))
    # one at least of what every kind of clause needs
    for needed in (Door(COLOR_NAMES[rng.integers(6)]), Ball(COLOR_NAMES[rng.integers(6)])):
        source.put_obj(needed, *free.pop(int(rng.integers(len(free)))))
    source.agent_pos = free[rng.integers(len(free))]
    source.agent_dir = int(rng.integers(4))
    source.step_count = 0


def _any_description(source: Any, rng: np.random.Generator, kinds: list[str | None]) -> ObjDesc:
    """A description that something on the grid fits."""
    while True:
        color = COLOR_NAMES[rng.integers(6)] if rng.random() < 0.4 else None
        place = LOC_NAMES[rng.integers(4)] if rng.random() < 0.3 else None
        description = ObjDesc(kinds[rng.integers(len(kinds))], color, place)
        found, _ = description.find_matching_objs(source)
        if found and not any(thing.type == "wall" for thing in found):
            return description


def _any_clause(source: Any, rng: np.random.Generator) -> Any:
    things: list[str | None] = [None, "box", "ball", "key"]
    strict = bool(rng.random() < 0.25)
    verb = rng.integers(4)
    if verb == 0:
        return GoToInstr(_any_description(source, rng, [*things, "door"]))
    if verb == 1:
        return PickupInstr(_any_description(source, rng, things), strict)
    if verb == 2:
        return OpenInstr(_any_description(source, rng, ["door"]), strict)
    moved = _any_description(source, rng, things)
    return PutNextInstr(moved, _any_description(source, rng, [*things, "door"]), strict)


def _any_half(source: Any, rng: np.random.Generator) -> Any:
    clause = _any_clause(source, rng)
    return AndInstr(clause, _any_clause(source, rng)) if rng.random() < 0.5 else clause


def any_instruction(source: Any, rng: np.random.Generator) -> Any:
    """An instruction of any form, about what is there."""
    first = _any_half(source, rng)
    order = rng.integers(3)
    if order == 0:
        return first
    return (BeforeInstr if order == 1 else AfterInstr)(first, _any_half(source, rng))
