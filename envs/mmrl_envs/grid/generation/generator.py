"""Levels come into being here: a recipe of integers, read by one kernel for every level.

A recipe (``int32 [steps, 8]``) is written by
:class:`mmrl_envs.grid.generation.level_builder.Recipe`. Its steps
speak of objects and rooms through registers: a step that adds objects notes the number of the
first one. As in BabyAI, a step may turn the whole attempt down, and generation begins anew.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import COLOR_SHIFT, EMPTY_CELL
from mmrl_envs.grid.core.jit import part
from mmrl_envs.grid.core.rng import below
from mmrl_envs.grid.core.state import CLAUSES, NOTHING, NOWHERE, Layout, Scratch, State
from mmrl_envs.grid.generation import level_builder as steps
from mmrl_envs.grid.generation.instruction_sampling import (
    asks_for_needed_key,
    instruct,
    order_halves,
    random_instruction,
    step_limit,
    word_and_check,
)
from mmrl_envs.grid.generation.rooms import (
    add_door,
    add_objects,
    all_reachable,
    blank,
    choose_room,
    connect_rooms,
    draw_color,
    draw_room,
    free_wall,
    lock_room,
    new_object,
    open_doors,
    paint,
    place_agent,
    remove_wall,
    take_up,
)
from mmrl_envs.grid.rules.verification import track

_ATTEMPTS: Final = 10_000  # of a whole level


@part
def _choose(state: State, e: int, scratch: Scratch, first: int, count: int, left_out: int) -> int:
    """One of some objects by chance, not the one in register ``left_out``.

    Where the recipe could not know how many there would be, the register after theirs tells.
    """
    register = scratch.register
    many = register[first + 1] if count == steps.COUNTED else count
    if many == 0:
        return NOTHING
    chosen = register[first] + below(state.streams, e, many)
    while left_out != NOTHING and chosen == register[left_out]:
        chosen = register[first] + below(state.streams, e, many)
    return chosen


@part
def _is_among(state: State, e: int, first: int, count: int, code: int) -> bool:
    """Whether one of some objects looks like ``code``."""
    for thing in range(first, first + count):
        if state.object_code[e, thing] == code:
            return True
    return False


@part
def _build(
    state: State, layout: Layout, e: int, recipe: NDArray[np.int32], k: int, scratch: Scratch
) -> bool:
    """A step that makes rooms or puts something into them; False where that cannot be done."""
    register = scratch.register
    op, a, b, c = recipe[k, 0], recipe[k, 1], recipe[k, 2], recipe[k, 3]
    if op == steps.PLACE_AGENT:
        return place_agent(state, layout, e, draw_room(state, layout, e, scratch, a))
    if op == steps.ADD_OBJECTS:
        register[b] = state.object_count[e]
        kind, color, different = recipe[k, 4], recipe[k, 5], recipe[k, 6] != 0
        return add_objects(state, layout, e, scratch, a, c, kind, color, different)
    if op == steps.ADD_DOOR:
        room = draw_room(state, layout, e, scratch, a)
        wall = free_wall(state, layout, e, scratch, room) if c == steps.ANY else c
        if wall == NOTHING:
            return False
        color = draw_color(state, e, scratch, recipe[k, 4])
        locked = recipe[k, 5]
        is_locked = below(state.streams, e, 2) == 0 if locked == steps.ANY else locked != 0
        register[b] = add_door(state, layout, e, scratch, room, wall, color, is_locked)
    elif op == steps.CHOOSE_ROOM:
        other_than = NOTHING if recipe[k, 4] == NOTHING else register[recipe[k, 4]]
        register[a] = choose_room(state, layout, e, b, c, other_than)
    elif op == steps.LOCK_A_ROOM:
        register[a] = NOTHING
        if below(state.streams, e, 1000) < b:
            register[a] = lock_room(state, layout, e, scratch)
            return register[a] != NOTHING
    elif op == steps.CONNECT:
        avoided = NOTHING
        if b != NOTHING and below(state.streams, e, 2) == 0:
            avoided = draw_color(state, e, scratch, b)
        register[a] = state.object_count[e]
        if not connect_rooms(state, layout, e, scratch, avoided):
            return False
        register[a + 1] = state.object_count[e] - register[a]
    elif op == steps.REMOVE_WALL:
        remove_wall(state, layout, e, scratch, a, b)
    elif op == steps.OPEN_DOORS:
        open_doors(state, e)
    elif op == steps.PAINT:
        paint(state, e, register[a], b, c)
    elif op == steps.PUT_INSIDE:
        code = b | draw_color(state, e, scratch, c) << COLOR_SHIFT
        state.content[e, register[a]] = new_object(state, e, code, NOWHERE)
    elif op == steps.PUT_LEFT_OF:
        here = state.object_cell[e, register[a]] - 1
        if state.grid[e, here] != EMPTY_CELL:
            return False
        new_object(state, e, b | draw_color(state, e, scratch, c) << COLOR_SHIFT, here)
    elif op == steps.START_CARRYING:
        scratch.start_carrying[0] = register[a]
    elif op == steps.SHUFFLE and below(state.streams, e, 2) == 0:
        register[a], register[b] = register[b], register[a]
    return True


@part
def _ask(
    state: State, layout: Layout, e: int, recipe: NDArray[np.int32], k: int, scratch: Scratch
) -> bool:
    """A step that chooses what is asked for, or turns the level down."""
    register = scratch.register
    op, a, b, c = recipe[k, 0], recipe[k, 1], recipe[k, 2], recipe[k, 3]
    if op == steps.REQUIRE_REACHABLE:
        return all_reachable(state, layout, e, scratch) == (a != 0)
    if op == steps.REJECT:
        return not _is_among(state, e, register[a], b, c)
    if op == steps.CHOOSE:
        register[a] = _choose(state, e, scratch, b, c, recipe[k, 4])
        return register[a] != NOTHING
    if op == steps.INSTRUCT:
        other = NOTHING if recipe[k, 4] == NOTHING else register[recipe[k, 4]]
        ways, strict = recipe[k, 5], recipe[k, 6] != 0
        instruct(state, e, a, b, register[c], other, ways, strict)
    elif op == steps.ORDER:
        order_halves(state, e, a)
    elif op == steps.RANDOM_INSTRUCTION:
        locked_room = NOTHING if recipe[k, 4] == NOTHING else register[recipe[k, 4]]
        if not random_instruction(state, layout, e, a, b, c != 0, locked_room):
            return False
        return recipe[k, 5] == 0 or not asks_for_needed_key(state, e)
    return True


@part
def _follow(
    state: State, layout: Layout, e: int, recipe: NDArray[np.int32], scratch: Scratch
) -> bool:
    """Carry out a recipe once; False where a step turns the attempt down."""
    blank(state, layout, e, scratch)
    for part_of_instruction in range(1 + CLAUSES):
        state.instruction[e, part_of_instruction] = 0
    for k in range(len(recipe)):
        if recipe[k, 0] < steps.FIRST_ASKING:
            is_done = _build(state, layout, e, recipe, k, scratch)
        else:
            is_done = _ask(state, layout, e, recipe, k, scratch)
        if not is_done:
            return False
    return word_and_check(state, layout, e)


@part
def begin(
    state: State,
    layout: Layout,
    e: int,
    recipe: NDArray[np.int32],
    scratch: Scratch,
    fixed_max_steps: int,
) -> bool:
    """Begin a new episode in environment ``e``, from its own random stream.

    Args:
        recipe: int32 [steps, 8].
        fixed_max_steps: the limit of steps; 0 for BabyAI's own, room_size² · rooms for each
            clause, twice that for a "put".

    Returns:
        Whether a level could be generated.
    """
    for _ in range(_ATTEMPTS):
        if _follow(state, layout, e, recipe, scratch):
            track(state, layout, e)
            limit = fixed_max_steps if fixed_max_steps else step_limit(state, layout, e)
            state.max_steps[e] = limit
            held = scratch.start_carrying[0]
            if held != NOTHING:  # after track
                take_up(state, e, held)
            return True
    return False
