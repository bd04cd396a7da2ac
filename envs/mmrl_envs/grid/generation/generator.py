"""Level generation: an interpreter of level programs, one kernel for every level.

A level program (``int32 [ops, 8]``) is written by
:class:`mmrl_envs.grid.generation.level_builder.LevelBuilder`. Its operations refer to objects and
rooms through registers: one that adds objects writes the number of the first one. Generation is
rejection sampling, as in BabyAI: an operation may reject the attempt, and generation starts again.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import COLOR_SHIFT, EMPTY_CELL
from mmrl_envs.grid.core.jit import device_function, kernel
from mmrl_envs.grid.core.rng import randint
from mmrl_envs.grid.core.state import CLAUSES, NOTHING, NOWHERE, Layout, Scratch, State
from mmrl_envs.grid.generation import level_builder as ops
from mmrl_envs.grid.generation.instruction_sampling import (
    finalize_instruction,
    mentions_needed_key,
    random_instruction,
    sample_clause,
    sample_order,
    step_limit,
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
from mmrl_envs.grid.language.instructions import PUT_NEXT, STRICT_RULES
from mmrl_envs.grid.rules.verification import known_hands, track

_ATTEMPTS: Final = 10_000  # of a whole level


@device_function
def _choose(state: State, e: int, scratch: Scratch, first: int, count: int, left_out: int) -> int:
    """A random one of some objects, not the one in register ``left_out``.

    Where their number is random, too, the register after theirs holds it.
    """
    register = scratch.register
    many = register[first + 1] if count == ops.COUNTED else count
    if many == 0:
        return NOTHING
    chosen = register[first] + randint(state.rng, e, many)
    while left_out != NOTHING and chosen == register[left_out]:
        chosen = register[first] + randint(state.rng, e, many)
    return chosen


@device_function
def _is_among(state: State, e: int, first: int, count: int, code: int) -> bool:
    """Whether one of some objects looks like ``code``."""
    for thing in range(first, first + count):
        if state.object_code[e, thing] == code:
            return True
    return False


@device_function
def _run_building_op(
    state: State, layout: Layout, e: int, program: NDArray[np.int32], k: int, scratch: Scratch
) -> bool:
    """An operation that builds rooms or fills them; False where that cannot be done."""
    register = scratch.register
    op, a, b, c = program[k, 0], program[k, 1], program[k, 2], program[k, 3]
    if op == ops.PLACE_AGENT:
        return place_agent(state, layout, e, draw_room(state, layout, e, scratch, a))
    if op == ops.ADD_OBJECTS:
        register[b] = state.object_count[e]
        kind, color, different = program[k, 4], program[k, 5], program[k, 6] != 0
        return add_objects(state, layout, e, scratch, a, c, kind, color, different)
    if op == ops.ADD_DOOR:
        room = draw_room(state, layout, e, scratch, a)
        wall = free_wall(state, layout, e, scratch, room) if c == ops.ANY else c
        if wall == NOTHING:
            return False
        color = draw_color(state, e, scratch, program[k, 4])
        locked = program[k, 5]
        is_locked = randint(state.rng, e, 2) == 0 if locked == ops.ANY else locked != 0
        register[b] = add_door(state, layout, e, scratch, room, wall, color, is_locked)
    elif op == ops.CHOOSE_ROOM:
        other_than = NOTHING if program[k, 4] == NOTHING else register[program[k, 4]]
        register[a] = choose_room(state, layout, e, b, c, other_than)
    elif op == ops.LOCK_A_ROOM:
        register[a] = NOTHING
        if randint(state.rng, e, 1000) < b:
            register[a] = lock_room(state, layout, e, scratch)
            return register[a] != NOTHING
    elif op == ops.CONNECT:
        avoided = NOTHING
        if b != NOTHING and randint(state.rng, e, 2) == 0:
            avoided = draw_color(state, e, scratch, b)
        register[a] = state.object_count[e]
        if not connect_rooms(state, layout, e, scratch, avoided):
            return False
        register[a + 1] = state.object_count[e] - register[a]
    elif op == ops.REMOVE_WALL:
        remove_wall(state, layout, e, scratch, a, b)
    elif op == ops.OPEN_DOORS:
        open_doors(state, e)
    elif op == ops.PAINT:
        paint(state, e, register[a], b, c)
    elif op == ops.PUT_INSIDE:
        code = b | draw_color(state, e, scratch, c) << COLOR_SHIFT
        state.content[e, register[a]] = new_object(state, e, code, NOWHERE)
    elif op == ops.PUT_LEFT_OF:
        here = state.object_cell[e, register[a]] - 1
        if state.grid[e, here] != EMPTY_CELL:
            return False
        new_object(state, e, b | draw_color(state, e, scratch, c) << COLOR_SHIFT, here)
    elif op == ops.START_CARRYING:
        scratch.start_carrying[0] = register[a]
    elif op == ops.SHUFFLE and randint(state.rng, e, 2) == 0:
        register[a], register[b] = register[b], register[a]
    return True


@device_function
def _run_instruction_op(
    state: State, layout: Layout, e: int, program: NDArray[np.int32], k: int, scratch: Scratch
) -> bool:
    """An operation that samples the instruction, or rejects the level."""
    register = scratch.register
    op, a, b, c = program[k, 0], program[k, 1], program[k, 2], program[k, 3]
    if op == ops.REQUIRE_REACHABLE:
        return all_reachable(state, layout, e, scratch) == (a != 0)
    if op == ops.REJECT:
        return not _is_among(state, e, register[a], b, c)
    if op == ops.CHOOSE:
        register[a] = _choose(state, e, scratch, b, c, program[k, 4])
        return register[a] != NOTHING
    if op == ops.INSTRUCT:
        other = NOTHING if program[k, 4] == NOTHING else register[program[k, 4]]
        ways, strict = program[k, 5], program[k, 6] != 0
        sample_clause(state, e, a, b, register[c], other, ways, strict)
    elif op == ops.ORDER:
        sample_order(state, e, a)
    elif op == ops.SET_RULES:
        state.instruction[e, 0] |= a
    elif op == ops.RANDOM_INSTRUCTION:
        locked_room = NOTHING if program[k, 4] == NOTHING else register[program[k, 4]]
        if not random_instruction(state, layout, e, a, b, c != 0, locked_room):
            return False
        return program[k, 5] == 0 or not mentions_needed_key(state, e)
    return True


@device_function
def _run(
    state: State, layout: Layout, e: int, program: NDArray[np.int32], scratch: Scratch
) -> bool:
    """Run a level program once; False where an operation rejects the attempt."""
    blank(state, layout, e, scratch)
    for field in range(1 + CLAUSES):
        state.instruction[e, field] = 0
    for k in range(len(program)):
        if program[k, 0] < ops.FIRST_INSTRUCTION_OP:
            is_done = _run_building_op(state, layout, e, program, k, scratch)
        else:
            is_done = _run_instruction_op(state, layout, e, program, k, scratch)
        if not is_done:
            return False
    return finalize_instruction(state, layout, e)


@device_function
def begin(
    state: State,
    layout: Layout,
    e: int,
    program: NDArray[np.int32],
    scratch: Scratch,
    fixed_max_steps: int,
) -> bool:
    """Begin a new episode in environment ``e``, from its own random generator.

    Args:
        program: int32 [ops, 8].
        fixed_max_steps: the limit of steps; 0 for BabyAI's own, room_size² · rooms for each
            clause, twice that for a "put".

    Returns:
        Whether a level could be generated.
    """
    for _ in range(_ATTEMPTS):
        if _run(state, layout, e, program, scratch):
            track(state, layout, e)
            limit = fixed_max_steps if fixed_max_steps else step_limit(state, layout, e)
            state.max_steps[e] = limit
            held = scratch.start_carrying[0]
            if held != NOTHING:  # after track
                take_up(state, e, held)
                for clause in range(CLAUSES):
                    state.held_before[e, clause] = known_hands(state, e)
            return True
    return False


@kernel
def instruct(
    state: State, layout: Layout, e: int, code: NDArray[np.int32], fixed_max_steps: int
) -> bool:
    """Ask for something else in an episode of environment ``e`` that has just begun.

    Args:
        code: of the instruction, int32 [5].
        fixed_max_steps: as of :func:`begin`.

    Returns:
        Whether it makes sense in this scene; otherwise the state has to be replaced.
    """
    for field in range(1 + CLAUSES):
        rules = state.instruction[e, 0] & STRICT_RULES if field == 0 else 0
        state.instruction[e, field] = code[field] | rules
    if not finalize_instruction(state, layout, e):
        return False
    track(state, layout, e)
    state.max_steps[e] = fixed_max_steps if fixed_max_steps else step_limit(state, layout, e)
    for clause in range(CLAUSES):
        asked = state.instruction[e, 1 + clause]
        if asked != 0 and state.tracked[e, clause, 0] == np.uint64(0):
            return False
        if asked & 15 == PUT_NEXT and state.tracked[e, clause, 1] == np.uint64(0):
            return False
    return True
