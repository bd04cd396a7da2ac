"""Instruction sampling: descriptions of objects, random instructions, and the rejection of bad
ones. Kernels for generation.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from mmrl_envs.grid.core.cells import COLOR_SHIFT, DOOR_LOCKED, DOORS, GREY, KIND_MASK
from mmrl_envs.grid.core.jit import device_function, signed
from mmrl_envs.grid.core.rng import randint
from mmrl_envs.grid.core.state import CLAUSES, NOTHING, Layout, State
from mmrl_envs.grid.generation.level_builder import (
    ACTION,
    AND,
    BY_COLOR,
    BY_KIND,
    BY_LOCATION,
    SEQUENCE,
)
from mmrl_envs.grid.generation.rooms import is_in_room
from mmrl_envs.grid.language.instructions import (
    AFTER,
    BEFORE,
    COLOR_BITS,
    DESCRIPTION_A,
    DESCRIPTION_B,
    DESCRIPTION_MASK,
    LOCATION_BITS,
    OPEN,
    PICK_UP,
    PUT_NEXT,
    SEVERAL,
    SINGLE,
    STRICT,
)
from mmrl_envs.grid.rules.verification import beside, holds, matching

_WORDINGS: Final = 100  # tries of one description
_NOUN: Final = (0, 0, 0, 0, 4, 3, 2, 1, 0, 0, 0, 4, 4)  # of each kind
_THINGS: Final = 0b01110  # nouns, a bit each: box, ball, key
_DOOR: Final = 0b10000
_KEY_NOUN: Final = 3


@device_function
def draw_bit(state: State, e: int, bits: int) -> int:
    """A random one of the bits that are set; nothing is drawn where there is but one."""
    if bits & (bits - 1) == 0:
        return bits
    count = 0
    for place in range(16):
        count += bits >> place & 1
    wanted = randint(state.rng, e, count)
    for place in range(16):
        if bits >> place & 1:
            if wanted == 0:
                return 1 << place
            wanted -= 1
    return 0


@device_function
def sample_description(state: State, e: int, thing: int, ways: int) -> int:
    """The description of an object, in a random one of several ways."""
    code = state.object_code[e, thing]
    noun: int = _NOUN[code & KIND_MASK]
    color: int = signed(1 + (code >> COLOR_SHIFT)) << COLOR_BITS
    way = draw_bit(state, e, ways)
    if way == BY_KIND:
        return noun
    if way == BY_COLOR:
        return color
    if way == BY_LOCATION:
        return noun | (1 + randint(state.rng, e, 4)) << LOCATION_BITS
    return noun | color


@device_function
def sample_clause(
    state: State, e: int, clause: int, verbs: int, thing: int, other: int, ways: int, strict: bool
) -> None:
    """Write a clause about an object, with a random one of ``verbs`` that can take it."""
    is_door = DOORS >> (state.object_code[e, thing] & KIND_MASK) & 1
    verbs &= ~(1 << PICK_UP) if is_door else ~(1 << OPEN)
    verb = 0
    bit = draw_bit(state, e, verbs)
    while bit >> verb != 1:
        verb += 1
    code = verb | sample_description(state, e, thing, ways) << DESCRIPTION_A
    if other != NOTHING:
        code |= sample_description(state, e, other, ways) << DESCRIPTION_B
    state.instruction[e, 1 + clause] = code | STRICT if strict else code


@device_function
def sample_order(state: State, e: int, orders: int) -> None:
    """Order the two halves in a random one of several orders; without one, drop the second half."""
    bit = draw_bit(state, e, orders)
    if bit == 1 << SINGLE:
        state.instruction[e, 0] = SINGLE
        state.instruction[e, 3] = 0
        state.instruction[e, 4] = 0
    else:
        state.instruction[e, 0] = BEFORE if bit == 1 << BEFORE else AFTER


@device_function
def _random_description(
    state: State, layout: Layout, e: int, nouns: int, locations: bool, locked_room: int
) -> int:
    """A random description that at least one object fits, or -1 after too many tries.

    Args:
        nouns: bits of the nouns to draw from (1 box, 2 ball, 3 key, 4 door).
        locked_room: one of the objects must be outside of it; NOTHING where any will do.
    """
    for _ in range(_WORDINGS):
        color = randint(state.rng, e, 7)
        noun = 1 + randint(state.rng, e, 4)
        while not nouns >> noun & 1:
            noun = 1 + randint(state.rng, e, 4)
        location = 0
        if locations and randint(state.rng, e, 2) == 0:
            location = 1 + randint(state.rng, e, 4)
        description = noun | color << COLOR_BITS | location << LOCATION_BITS
        found = matching(state, layout, e, description)
        is_fit = locked_room == NOTHING and found != 0
        if locked_room != NOTHING:
            for thing in range(state.object_count[e]):
                where = state.object_cell[e, thing]
                if holds(found, thing) and not is_in_room(layout, where, locked_room):
                    is_fit = True
        if is_fit:
            return description
    return -1


@device_function
def _random_clause(
    state: State, layout: Layout, e: int, clause: int, verbs: int, locations: bool, locked_room: int
) -> bool:
    """A random clause about what is there; False after too many tries."""
    verb = 1 + randint(state.rng, e, 4)
    while not verbs >> verb & 1:
        verb = 1 + randint(state.rng, e, 4)
    nouns = _DOOR if verb == OPEN else _THINGS
    if verb == 1:
        nouns = _THINGS | _DOOR
    code = verb
    for side in range(2 if verb == PUT_NEXT else 1):
        described = _random_description(
            state, layout, e, nouns if side == 0 else _THINGS | _DOOR, locations, locked_room
        )
        if described < 0:
            return False
        code |= described << (DESCRIPTION_A if side == 0 else DESCRIPTION_B)
    state.instruction[e, 1 + clause] = code
    return True


@device_function
def random_instruction(
    state: State,
    layout: Layout,
    e: int,
    verbs: int,
    forms: int,
    locations: bool,
    locked_room: int,
) -> bool:
    """A random instruction of the grammar about what is there; False after too many tries.

    Args:
        verbs, forms: what to draw from, a bit each.
        locations: some descriptions have a location.
        locked_room: nothing that is asked for may be in there alone; NOTHING where it may.
    """
    form = draw_bit(state, e, forms)
    wanted = 0b0001  # clauses, a bit each
    if form == AND:
        wanted = 0b0011
    elif form == SEQUENCE:
        wanted = 0
        for half in range(2):
            joined = draw_bit(state, e, ACTION | AND) == AND
            wanted |= (0b11 if joined else 0b01) << 2 * half
        sample_order(state, e, 1 << BEFORE | 1 << AFTER)
    for clause in range(CLAUSES):
        if wanted >> clause & 1 and not _random_clause(
            state, layout, e, clause, verbs, locations, locked_room
        ):
            return False
    return True


@device_function
def mentions_needed_key(state: State, e: int) -> bool:
    """Whether an instruction mentions a key, by its colour, that opens a locked door."""
    needed = 0
    for thing in range(state.object_count[e]):
        code = state.object_code[e, thing]
        if code & KIND_MASK == DOOR_LOCKED:
            needed |= 1 << (code >> COLOR_SHIFT)
    for clause in range(CLAUSES):
        code = state.instruction[e, 1 + clause]
        for shift in (DESCRIPTION_A, DESCRIPTION_B):
            description = code >> shift & DESCRIPTION_MASK
            color = description >> COLOR_BITS & 7
            if description & 7 == _KEY_NOUN and color != 0 and needed >> (color - 1) & 1:
                return True
    return False


@device_function
def _means_walls(description: int) -> bool:
    """Whether Minigrid counts walls among what is described: "a grey object" may be a wall."""
    return description & 7 == 0 and description >> COLOR_BITS & 7 == 1 + GREY


@device_function
def finalize_instruction(state: State, layout: Layout, e: int) -> bool:
    """Choose "the" or "a" in every description, and reject what makes no sense: an object to be put
    next to itself, or next to one that it is next to already.
    """
    for clause in range(CLAUSES):
        code = state.instruction[e, 1 + clause]
        if code == 0:
            continue
        put = code & 15 == PUT_NEXT
        moved = fixed = np.uint64(0)
        for side in range(2 if put else 1):
            shift = DESCRIPTION_A if side == 0 else DESCRIPTION_B
            described = code >> shift & DESCRIPTION_MASK
            found = matching(state, layout, e, described)
            if found & (found - np.uint64(1)) != 0 or _means_walls(described):
                code |= SEVERAL << shift
            moved, fixed = fixed, found
        state.instruction[e, 1 + clause] = code
        if put:
            if moved & fixed != 0:
                return False
            for a in range(state.object_count[e]):
                if not holds(moved, a):
                    continue
                for b in range(state.object_count[e]):
                    if holds(fixed, b) and beside(
                        state.object_cell[e, a], state.object_cell[e, b], layout.stride
                    ):
                        return False
    return True


@device_function
def step_limit(state: State, layout: Layout, e: int) -> int:
    """BabyAI's limit: room_size² · rooms for each clause, twice that for a "put"."""
    navigations = 0
    for clause in range(CLAUSES):
        verb = state.instruction[e, 1 + clause] & 15
        if verb != 0:
            navigations += 2 if verb == PUT_NEXT else 1
    return navigations * layout.room_size * layout.room_size * layout.columns * layout.rows
