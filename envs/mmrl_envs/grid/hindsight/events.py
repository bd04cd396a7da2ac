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

from mmrl_envs.grid.core.cells import COLORS, DOOR_OPEN, DROP, KIND_MASK, PICKUP, TOGGLE
from mmrl_envs.grid.core.jit import device_function, kernel, signed
from mmrl_envs.grid.core.state import NOTHING, NOWHERE, Layout, State
from mmrl_envs.grid.language.instructions import LOCATIONS, NOUNS, Description
from mmrl_envs.grid.rules.verification import beside, front_cell, matching, object_at

DESCRIPTIONS: Final = tuple(
    Description(noun, color, location)
    for noun, color, location in itertools.product(NOUNS, ("", *COLORS), LOCATIONS)
)
"""Every noun phrase of the grammar."""
CODES: Final = np.array([description.code for description in DESCRIPTIONS])
"""Their codes, int64 [descriptions]."""


class StepEvents(NamedTuple):
    """What one step did in one environment; sets of objects hold a bit each."""

    faced: np.uint64  # objects in front of the agent
    picked_up: np.uint64
    opened: np.uint64
    moved: int  # the object that was put down next to something, or NOTHING
    next_to: np.uint64  # the objects beside it


@device_function
def bit(thing: int) -> np.uint64:
    """The set that holds one object alone."""
    return np.uint64(1) << np.uint64(thing)


@device_function
def detect(state: State, layout: Layout, e: int, action: int, held_before: int) -> StepEvents:
    """The events of the step that environment ``e`` has just made, as a verifier sees them.

    Args:
        action: that was taken.
        held_before: the object that was carried before it, or NOTHING.
    """
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
    return StepEvents(faced, picked_up, opened, moved, next_to)


@kernel
def match(
    state: State, layout: Layout, e: int, codes: NDArray[np.int64], found: NDArray[np.uint64]
) -> None:
    """The objects on the grid of environment ``e`` that each description, int64 [descriptions],
    fits: ``found``, uint64 [descriptions], is written.
    """
    for k in range(len(codes)):
        found[k] = matching(state, layout, e, codes[k])


def is_grammatical(verb: str, description: Description) -> bool:
    """Whether the grammar has a verb with a noun."""
    is_door = description.noun == "door"
    return verb == "go to" or is_door == (verb == "open")
