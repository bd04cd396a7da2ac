"""Event detection: what a step did that an instruction could ask for, and the words that fit.

:func:`detect` is the only place where events are found. Two readers call it after a step:
:class:`~mmrl_envs.grid.hindsight.achievements.Moment`, which replays one trajectory, and
:class:`~mmrl_envs.grid.hindsight.tracker.AchievementTracker`, which follows a running batch.
"""

from __future__ import annotations

import itertools
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import (
    COLORS,
    DONE,
    DOOR_OPEN,
    DROP,
    KIND_MASK,
    PICKUP,
    PORTABLE,
    TOGGLE,
)
from mmrl_envs.grid.core.jit import device_function, kernel, signed
from mmrl_envs.grid.core.state import NOTHING, NOWHERE, Layout, State
from mmrl_envs.grid.language.instructions import (
    BY_ACT,
    BY_DONE,
    DESCRIPTION_A,
    DESCRIPTION_MASK,
    GO_TO,
    LOCATIONS,
    NOUNS,
    OPEN,
    PICK_UP,
    PUT_NEXT,
    Description,
)
from mmrl_envs.grid.rules.verification import beside, front_cell, matching, object_at

DESCRIPTIONS: Final = tuple(
    Description(noun, color, location)
    for noun, color, location in itertools.product(NOUNS, ("", *COLORS), LOCATIONS)
)
"""Every noun phrase of the grammar."""
NONE: Final = np.uint64(0)
CODES: Final = np.array([description.code for description in DESCRIPTIONS])
"""Their codes, int64 [descriptions]."""


class StepEvents(NamedTuple):
    """What one step did in one environment; sets of objects hold a bit each."""

    decided: int  # verbs, a bit each, that nothing later can be right for: strict episodes only
    faced: np.uint64  # objects in front of the agent
    picked_up: np.uint64
    opened: np.uint64
    moved: int  # the object that was put down next to something, or NOTHING
    next_to: np.uint64  # the objects beside it


@device_function
def bit(thing: int) -> np.uint64:
    """The set that holds one object alone; the empty one for NOTHING."""
    return NONE if thing == NOTHING else np.uint64(1) << np.uint64(thing)


@device_function
def detect(
    state: State, layout: Layout, e: int, action: int, held_before: int, decided: int
) -> StepEvents:
    """The events of the step that environment ``e`` has just made, as a verifier sees them.

    Args:
        action: that was taken.
        held_before: the object that was carried before it, or NOTHING.
        decided: of the last step's events; 0 at the start.
    """
    rules = state.instruction[e, 0]
    if rules & BY_DONE:
        return _at_done(state, layout, e, action, decided)
    events = _of_act(state, layout, e, action, held_before)
    if rules & BY_ACT == 0:
        return events
    faced = bit(object_at(state, e, front_cell(state, layout, e))) if action == DONE else NONE
    faced = NONE if decided >> GO_TO & 1 else faced
    picked_up = NONE if decided >> PICK_UP & 1 else events.picked_up
    opened = NONE if decided >> OPEN & 1 else events.opened
    is_late = decided >> PUT_NEXT & 1 != 0
    moved, next_to = (NOTHING, NONE) if is_late else (events.moved, events.next_to)
    if action == DONE:
        decided |= 1 << GO_TO
    if picked_up != NONE:
        decided |= 1 << PICK_UP
    if opened != NONE:
        decided |= 1 << OPEN
    if moved != NOTHING:
        decided |= 1 << PUT_NEXT
    return StepEvents(decided, faced, picked_up, opened, moved, next_to)


@device_function
def _at_done(state: State, layout: Layout, e: int, action: int, decided: int) -> StepEvents:
    """What holds when the agent first says "done"; see
    :func:`~mmrl_envs.grid.rules.strict.holds_now`.
    """
    faced = picked_up = opened = next_to = NONE
    moved = NOTHING
    if action == DONE and decided == 0:
        decided = 1
        front = front_cell(state, layout, e)
        thing = object_at(state, e, front)
        faced = bit(thing)
        picked_up = bit(signed(state.carried[e]))
        if state.grid[e, front] & KIND_MASK == DOOR_OPEN:
            opened = faced
        if PORTABLE >> (state.grid[e, front] & KIND_MASK) & 1:
            for other in range(state.object_count[e]):
                where = signed(state.object_cell[e, other])
                if where != NOWHERE and beside(front, where, layout.stride):
                    next_to |= bit(other)
            if next_to != NONE:
                moved = thing
    return StepEvents(decided, faced, picked_up, opened, moved, next_to)


@device_function
def _of_act(state: State, layout: Layout, e: int, action: int, held_before: int) -> StepEvents:
    """What BabyAI's verifier can see of an action."""
    front = front_cell(state, layout, e)
    held = signed(state.carried[e])
    faced = picked_up = opened = next_to = np.uint64(0)
    moved = NOTHING
    for thing in range(state.object_count[e]):
        if state.known_cell[e, thing] == front:
            faced |= bit(thing)
    if action == PICKUP and held != NOTHING and held_before == NOTHING:
        picked_up = bit(held)
    elif action == TOGGLE and state.grid[e, front] & KIND_MASK == DOOR_OPEN:
        door = object_at(state, e, front)
        if door != NOTHING:
            opened = bit(door)
    elif action == DROP and held_before != NOTHING:
        where = signed(state.object_cell[e, held_before])
        if where != NOWHERE:
            for thing in range(state.object_count[e]):
                known = signed(state.known_cell[e, thing])
                if known != NOWHERE and beside(where, known, layout.stride):
                    next_to |= bit(thing)
            if next_to != np.uint64(0):
                moved = held_before
    return StepEvents(0, faced, picked_up, opened, moved, next_to)


@kernel
def match(
    state: State, layout: Layout, e: int, codes: NDArray[np.int64], found: NDArray[np.uint64]
) -> None:
    """The objects on the grid of environment ``e`` that each description, int64 [descriptions],
    fits: ``found``, uint64 [descriptions], is written.
    """
    for k in range(len(codes)):
        found[k] = matching(state, layout, e, codes[k])


@kernel
def is_covered(
    state: State,
    layout: Layout,
    e: int,
    clauses: NDArray[np.int32],
    others: NDArray[np.int32],
) -> bool:
    """Whether each of some clauses is about an object of environment ``e`` that one of ``others``
    is about as well; both int32 [CLAUSES], 0 where there is none.
    """
    for one in clauses:
        if one == 0:
            continue
        meant = matching(state, layout, e, one >> DESCRIPTION_A & DESCRIPTION_MASK)
        is_shared = False
        for other in others:
            theirs = matching(state, layout, e, other >> DESCRIPTION_A & DESCRIPTION_MASK)
            is_shared |= other != 0 and meant & theirs != NONE
        if not is_shared:
            return False
    return True


def is_several(description: Description, things: int) -> bool:
    """Whether a description that means some objects, a bit each, is worded with "a"; Minigrid
    counts the walls among "a grey object".
    """
    is_grey_object = (description.noun, description.color) == ("object", "grey")
    return things & (things - 1) != 0 or is_grey_object


def is_grammatical(verb: str, description: Description) -> bool:
    """Whether the grammar has a verb with a noun."""
    is_door = description.noun == "door"
    return verb == "go to" or is_door == (verb == "open")
