"""Level edits: an object added, removed, moved or recoloured, the agent moved, or another object
asked for. Kernels.

Parker-Holder et al. (2022, ACCEL) evolve levels by such edits. Each draws from the environment's
own random generator, and is rejected where the instruction would not be true of the scene, or would
be fulfilled already; whether it is solvable at all is checked by :mod:`mmrl_envs.grid.editor`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from mmrl_envs.grid.core.cells import (
    BALL,
    BOX,
    COLOR_SHIFT,
    COLORS,
    DOORS,
    EMPTY_CELL,
    KEY,
    KIND_MASK,
    PORTABLE,
)
from mmrl_envs.grid.core.jit import device_function, kernel, signed
from mmrl_envs.grid.core.rng import randint
from mmrl_envs.grid.core.state import CLAUSES, NOTHING, NOWHERE, Layout, Scratch, State
from mmrl_envs.grid.generation.instruction_sampling import finalize_instruction, sample_description
from mmrl_envs.grid.generation.level_builder import ANY, BY_COLOR, BY_KIND, BY_NAME
from mmrl_envs.grid.generation.rooms import (
    all_reachable,
    draw_room,
    free_cell,
    new_object,
    place_agent,
    take_up,
)
from mmrl_envs.grid.language.instructions import (
    COLOR_BITS,
    DESCRIPTION_A,
    DESCRIPTION_B,
    DESCRIPTION_MASK,
    GO_TO,
    LOCATION_BITS,
    PUT_NEXT,
    SEVERAL,
)
from mmrl_envs.grid.rules.verification import front_cell, holds, object_at, track

EDITS: Final = ("move", "recolour", "add", "remove", "move the agent", "ask for another thing")
"""By their numbers; what is recoloured or removed is nothing that was asked for."""
_MOVE: Final = 0
_RECOLOR: Final = 1
_ADD: Final = 2
_REMOVE: Final = 3
_MOVE_AGENT: Final = 4
_KINDS: Final = (KEY, BALL, BOX)
_LOCATION: Final = 7 << LOCATION_BITS


@device_function
def _mentioned(state: State, e: int) -> np.uint64:
    """The objects that the instruction mentions, one bit each."""
    asked = np.uint64(0)
    for clause in range(CLAUSES):
        asked |= state.tracked[e, clause, 0] | state.tracked[e, clause, 1]
    return asked


@device_function
def _things(state: State, e: int, held: int, left_out: np.uint64, doors: bool) -> np.uint64:
    """The objects on the grid that can be carried, or the ``doors``, one bit each, without some."""
    found = np.uint64(0)
    wanted = DOORS if doors else PORTABLE
    for thing in range(state.object_count[e]):
        is_kind = wanted >> (state.object_code[e, thing] & KIND_MASK) & 1 == 1
        is_there = state.object_cell[e, thing] != NOWHERE and thing != held
        if is_kind and is_there and not holds(left_out, thing):
            found |= np.uint64(1) << np.uint64(thing)
    return found


@device_function
def _draw(state: State, e: int, among: np.uint64) -> int:
    """A random one of a set of objects; NOTHING where it is empty."""
    count = 0
    for thing in range(state.object_count[e]):
        count += holds(among, thing)
    if count == 0:
        return NOTHING
    wanted = randint(state.rng, e, count)
    for thing in range(state.object_count[e]):
        if holds(among, thing):
            if wanted == 0:
                return thing
            wanted -= 1
    return NOTHING


@device_function
def _move(state: State, layout: Layout, e: int, scratch: Scratch, thing: int) -> bool:
    there = free_cell(state, layout, e, draw_room(state, layout, e, scratch, ANY))
    if there == NOWHERE:
        return False
    state.grid[e, state.object_cell[e, thing]] = EMPTY_CELL
    state.object_cell[e, thing] = there
    state.grid[e, there] = state.object_code[e, thing]
    return True


@device_function
def _recolor(state: State, e: int, thing: int) -> bool:
    code = signed(state.object_code[e, thing])
    color = ((code >> COLOR_SHIFT) + 1 + randint(state.rng, e, len(COLORS) - 1)) % len(COLORS)
    state.object_code[e, thing] = code & KIND_MASK | color << COLOR_SHIFT
    state.grid[e, state.object_cell[e, thing]] = state.object_code[e, thing]
    return True


@device_function
def _add(state: State, layout: Layout, e: int, scratch: Scratch) -> bool:
    """Add an object; False where there are as many as the level can have."""
    if state.object_count[e] == layout.max_objects:
        return False
    kind = _KINDS[randint(state.rng, e, len(_KINDS))]
    code = kind | randint(state.rng, e, len(COLORS)) << COLOR_SHIFT
    there = free_cell(state, layout, e, draw_room(state, layout, e, scratch, ANY))
    if there == NOWHERE:
        return False
    new_object(state, e, code, there)
    return True


@device_function
def _remove(state: State, e: int, scratch: Scratch, thing: int) -> bool:
    """Remove an object, whose number the last one gets; a box only where it is empty."""
    if state.content[e, thing] != NOTHING:
        return False
    last = state.object_count[e] - 1
    state.grid[e, state.object_cell[e, thing]] = EMPTY_CELL
    state.object_code[e, thing] = state.object_code[e, last]
    state.object_cell[e, thing] = state.object_cell[e, last]
    state.content[e, thing] = state.content[e, last]
    state.content[e, last] = NOTHING
    state.object_cell[e, last] = NOWHERE
    for box in range(last):
        if state.content[e, box] == last:
            state.content[e, box] = thing
    if scratch.start_carrying[0] == last:
        scratch.start_carrying[0] = thing
    state.object_count[e] = last
    return True


@device_function
def _ways(description: int) -> int:
    """How a description names objects, bits as in a level program; 0 where it fits them all."""
    if description & 7 != 0:
        return BY_NAME if description >> COLOR_BITS & 7 != 0 else BY_KIND
    return BY_COLOR if description >> COLOR_BITS & 7 != 0 else 0


@device_function
def _change_target(state: State, e: int) -> bool:
    """Replace the object of a clause by another one of the scene, described in the same way; a
    door by a door, a portable object by a portable object.
    """
    clause = randint(state.rng, e, CLAUSES)
    code = signed(state.instruction[e, 1 + clause])
    if code == 0:
        return False
    side = randint(state.rng, e, 2) if code & 15 == PUT_NEXT else 0
    shift = DESCRIPTION_A if side == 0 else DESCRIPTION_B
    described = code >> shift & DESCRIPTION_MASK
    meant = state.tracked[e, clause, side]
    doors = _things(state, e, NOTHING, np.uint64(0), True) & meant != np.uint64(0)
    other = _draw(state, e, _things(state, e, NOTHING, meant, doors))
    if other == NOTHING or _ways(described) == 0:
        return False
    words = sample_description(state, e, other, _ways(described)) | described & _LOCATION
    state.instruction[e, 1 + clause] = code & ~(DESCRIPTION_MASK << shift) | words << shift
    return True


@device_function
def _change(state: State, layout: Layout, e: int, scratch: Scratch) -> bool:
    """A random edit; False where there is nothing that it applies to."""
    held = signed(scratch.start_carrying[0])
    edit = randint(state.rng, e, len(EDITS))
    if edit == _ADD:
        return _add(state, layout, e, scratch)
    if edit == _MOVE_AGENT:
        return place_agent(state, layout, e, draw_room(state, layout, e, scratch, ANY))
    if edit > _MOVE_AGENT:
        return _change_target(state, e)
    left_out = np.uint64(0) if edit == _MOVE else _mentioned(state, e)
    thing = _draw(state, e, _things(state, e, held, left_out, False))
    if thing == NOTHING:
        return False
    if edit == _MOVE:
        return _move(state, layout, e, scratch, thing)
    if edit == _RECOLOR:
        return _recolor(state, e, thing)
    return _remove(state, e, scratch, thing)


@device_function
def _makes_sense(state: State, layout: Layout, e: int) -> bool:
    """Choose the articles of the instruction anew and start its verification; False where there is
    nothing that it could mean, or it is fulfilled already.
    """
    for clause in range(CLAUSES):
        code = signed(state.instruction[e, 1 + clause])
        code &= ~(SEVERAL << DESCRIPTION_A) & ~(SEVERAL << DESCRIPTION_B)
        state.instruction[e, 1 + clause] = code
    if not finalize_instruction(state, layout, e):
        return False
    track(state, layout, e)
    faced = object_at(state, e, front_cell(state, layout, e))
    for clause in range(CLAUSES):
        verb = state.instruction[e, 1 + clause] & 15
        for side in range(2 if verb == PUT_NEXT else 1):
            if verb != 0 and state.tracked[e, clause, side] == 0:
                return False
        if verb == GO_TO and faced != NOTHING and holds(state.tracked[e, clause, 0], faced):
            return False
    return True


@kernel
def edit_env(state: State, layout: Layout, e: int, scratch: Scratch, reachable: bool) -> bool:
    """Edit environment ``e``, whose episode has just begun, at random.

    Args:
        reachable: every object is to be touchable without moving another.

    Returns:
        Whether the instruction makes sense in the edited scene; if not, the environment is to be
        discarded.
    """
    held = signed(state.carried[e])
    scratch.start_carrying[0] = held
    if held != NOTHING:  # it lies where it lay until all is done
        state.carried[e] = NOTHING
        state.object_cell[e, held] = state.known_cell[e, held]
        state.grid[e, state.known_cell[e, held]] = state.object_code[e, held]
    if not _change(state, layout, e, scratch) or not _makes_sense(state, layout, e):
        return False
    if reachable and not all_reachable(state, layout, e, scratch):
        return False
    if scratch.start_carrying[0] != NOTHING:
        take_up(state, e, scratch.start_carrying[0])
    return True
