"""An expert policy: the next action towards any instruction from any state, in a batch.

It replans at every call and remembers nothing but the explored map (``rules/knowledge.py``), so it
can be queried in the middle of any episode, as DAgger does. A task is a cell to face and an action
there; an obstacle to one task becomes the next: a door to unlock, its key to fetch, an object to
clear away, the hands to free. It does not cycle, since:

- what has to be brought somewhere is fetched only when its way there is clear, and for what is in
  the hands already a longer way around counts as clear;
- what is put down is put where it cuts nothing off.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import (
    BOX,
    DONE,
    DOOR_LOCKED,
    DROP,
    EMPTY,
    FORWARD,
    KEY,
    KIND_MASK,
    LEFT,
    PASSABLE,
    PICKUP,
    PORTABLE,
    RIGHT,
    TOGGLE,
    UNSEEN,
)
from mmrl_envs.grid.core.jit import device_function, kernel, signed
from mmrl_envs.grid.core.state import NOTHING, NOWHERE, Layout, State
from mmrl_envs.grid.expert.pathfinding import (
    ANY_DIRECTION,
    AVOID,
    BLOCKER,
    BLOCKER_WHEN_LADEN,
    DRAWN,
    FAR,
    FORBIDDEN,
    FREE,
    GOAL,
    MARKED,
    NEVER,
    OFF_PATH,
    SHUT,
    SPARE,
    UNKNOWN,
    Chart,
    clear_marks,
    cost_to_face,
    draw_map,
    faced,
    kind_at,
    mark_at_random,
    mark_way,
    search,
    set_tolls,
    trace,
)
from mmrl_envs.grid.expert.targets import (
    Means,
    any_known,
    clause_to_do,
    color_of,
    find_means,
    keys_of,
    mark_beside,
    mark_boxes,
    mark_doors,
    mark_objects,
    place_of,
)
from mmrl_envs.grid.language.instructions import BY_ACT, BY_DONE, GO_TO, OPEN, PICK_UP, PUT_NEXT
from mmrl_envs.grid.rules.strict import holds_now
from mmrl_envs.grid.rules.verification import front_cell, holds, object_at

# What to do next is one number: an action, or a task: 64 · task + object.
_CLAUSE: Final = 64
_FETCH: Final = 128  # get an object into the hands
_UNLOCK: Final = 192  # a door, whose key is not in the hands
_FREE_HANDS: Final = 256
_EXPLORE: Final = 320
_NO_WAY: Final = -1
_CANNOT_UNLOCK: Final = -2  # minus the colour

_LINKS: Final = 24  # tasks at most, one leading to the next
_COLORS: Final = 6
_PATIENCE: Final = 16  # steps after which another place is tried where none is good

# Ways.


@device_function
def _search_from_agent(state: State, layout: Layout, e: int, chart: Chart, wanted: int) -> int:
    return search(layout, chart, wanted, state.agent_cell[e], state.agent_direction[e])


@device_function
def _set_tolls(chart: Chart, means: Means, blocker: int) -> None:
    """Set the cost of clearing the way; a box can also be opened, and is gone then."""
    thing = blocker if means.may_carry else SHUT
    set_tolls(chart, means.keys, means.key_color, thing, blocker, means.may_open != 0)


@device_function
def _move(state: State, e: int, chart: Chart, may_carry: int, first: int) -> int:
    """The action that leads to the next pose, or towards it: a door opened, a thing taken away."""
    facing = state.agent_direction[e]
    if first & 3 != facing:
        return RIGHT if first & 3 == (facing + 1) & 3 else LEFT
    kind = kind_at(chart, first >> 2)
    if PASSABLE >> kind & 1:
        return FORWARD
    return PICKUP if PORTABLE >> kind & 1 and may_carry else TOGGLE  # a box is opened then


@device_function
def _go(
    state: State, layout: Layout, e: int, chart: Chart, means: Means, wanted: int, final: int
) -> int:
    """The next action in order to face a wanted cell and take the action ``final`` there.

    Returns:
        An action, a task that comes first, or _NO_WAY.
    """
    held = state.carried[e]
    blocker = BLOCKER_WHEN_LADEN if means.is_laden else BLOCKER
    _set_tolls(chart, means, blocker)
    pose = _search_from_agent(state, layout, e, chart, wanted)
    if pose == NOTHING:
        return _NO_WAY
    first, obstacle = trace(chart, pose)
    uses_key = is_laden = False
    if obstacle != NOTHING:
        thing = object_at(state, e, obstacle)
        if kind_at(chart, obstacle) == DOOR_LOCKED:
            uses_key = color_of(state, e, thing) == means.key_color
            if not uses_key:
                return _UNLOCK + thing
        else:
            is_laden = held != NOTHING and means.may_carry != 0
    if is_laden or (final == PICKUP and held != NOTHING and not uses_key):
        # The way to keep clear, as it is whichever way the agent looks just now.
        pose = search(layout, chart, wanted, state.agent_cell[e], ANY_DIRECTION)
        mark_way(layout, chart, pose)
        return _FREE_HANDS
    return final if first == NOTHING else _move(state, e, chart, means.may_carry, first)


@device_function
def _clear_way(state: State, layout: Layout, e: int, chart: Chart, means: Means, place: int) -> int:
    """Whether what lies in ``place`` could be carried to a marked goal.

    Args:
        means: with the key in the hands that will be there then.

    Returns:
        0 if so, a task that has to be done before, or _NO_WAY.
    """
    _set_tolls(chart, means, BLOCKER)
    pose = search(layout, chart, MARKED, place, ANY_DIRECTION)
    if pose == NOTHING:
        return _NO_WAY
    mark_way(layout, chart, pose)
    _, obstacle = trace(chart, pose)
    if obstacle == NOTHING:
        return 0
    thing = object_at(state, e, obstacle)
    if kind_at(chart, obstacle) != DOOR_LOCKED:
        return _FETCH + thing
    return 0 if color_of(state, e, thing) == means.key_color else _UNLOCK + thing


@device_function
def _choose(
    state: State,
    layout: Layout,
    e: int,
    chart: Chart,
    knows_all: bool,
    means: Means,
    things: np.uint64,
) -> int:
    """Of some objects, the one that is the quickest to fetch and bring to a marked goal.

    Returns:
        Its place, or NOTHING.
    """
    count = 0
    best = NOTHING
    for thing in range(state.object_count[e]):
        if holds(things, thing):
            place = place_of(state, e, chart, knows_all, thing)
            if place != NOWHERE:
                best = place
                count += 1
    if count <= 1:
        return best
    _set_tolls(chart, means, BLOCKER)
    _search_from_agent(state, layout, e, chart, NEVER)
    for thing in range(state.object_count[e]):
        chart.fetching[thing] = FAR
        if holds(things, thing):
            place = place_of(state, e, chart, knows_all, thing)
            if place != NOWHERE:
                chart.fetching[thing] = cost_to_face(layout, chart, place)
    least = signed(FAR)
    best = NOTHING
    for thing in range(state.object_count[e]):
        if chart.fetching[thing] < FAR:
            place = place_of(state, e, chart, knows_all, thing)
            pose = search(layout, chart, MARKED, place, ANY_DIRECTION)
            bringing = FAR // 2 if pose == NOTHING else signed(chart.cost[pose])
            if chart.fetching[thing] + bringing < least:
                least = chart.fetching[thing] + bringing
                best = place
    return best


# Tasks: each returns an action, another task that comes first, or a negative number.


@device_function
def _put(
    state: State, layout: Layout, e: int, chart: Chart, knows_all: bool, means: Means, clause: int
) -> int:
    """Put one of some objects next to one of some others."""
    targets, others = state.tracked[e, clause, 0], state.tracked[e, clause, 1]
    held = state.carried[e]
    knows_others = any_known(state, e, chart, clause, 1)
    if not any_known(state, e, chart, clause, 0):
        return _EXPLORE
    if not knows_others and (held == NOTHING or not holds(others, held)):
        return _EXPLORE
    if not knows_others:  # they are in the hands, which have to be free to fetch the first
        mark_objects(state, e, chart, targets, PICK_UP)
        return _go(state, layout, e, chart, means, MARKED, PICKUP)
    room = mark_beside(state, layout, e, chart, others, 1 << EMPTY, GOAL)
    if held != NOTHING and holds(targets, held):
        return _go(state, layout, e, chart, means, MARKED, DROP) if room else _FREE_HANDS
    if room == 0:  # make some
        mark_beside(state, layout, e, chart, others, PORTABLE, GOAL)
        return _go(state, layout, e, chart, means, MARKED, PICKUP)
    place = _choose(state, layout, e, chart, knows_all, means, targets)
    if place == NOTHING:
        return _NO_WAY
    with_it = Means(means.keys, NOTHING, means.may_carry, means.may_open, 1)
    before = _clear_way(state, layout, e, chart, with_it, place)
    if before > 0:
        return before
    clear_marks(chart, GOAL)
    chart.mark[place] |= GOAL
    return _go(state, layout, e, chart, means, MARKED, PICKUP)


@device_function
def _open(state: State, layout: Layout, e: int, chart: Chart, means: Means, clause: int) -> int:
    """Open one of some doors."""
    if mark_doors(state, e, chart, means, clause, False):
        plan = _go(state, layout, e, chart, means, MARKED, TOGGLE)
        if plan != _NO_WAY:
            return plan
        clear_marks(chart, GOAL)
    if mark_doors(state, e, chart, means, clause, True):
        _set_tolls(chart, means, BLOCKER)
        pose = _search_from_agent(state, layout, e, chart, MARKED)
        if pose != NOTHING:
            return _UNLOCK + object_at(state, e, faced(layout, pose))
    return _NO_WAY


@device_function
def _do_clause(
    state: State, layout: Layout, e: int, chart: Chart, knows_all: bool, means: Means, clause: int
) -> int:
    verb = state.instruction[e, 1 + clause] & 15
    targets = state.tracked[e, clause, 0]
    held = state.carried[e]
    if verb == OPEN:
        return _open(state, layout, e, chart, means, clause)
    if verb == PUT_NEXT:
        return _put(state, layout, e, chart, knows_all, means, clause)
    if held != NOTHING and holds(targets, held):
        return _FREE_HANDS  # then it is in front, and the hands are empty
    if verb == GO_TO:
        mark_objects(state, e, chart, targets, GO_TO)
        return _go(state, layout, e, chart, means, MARKED, DONE)
    mark_objects(state, e, chart, targets, PICK_UP)
    return _go(state, layout, e, chart, means, MARKED, PICKUP)


@device_function
def _unlock(
    state: State, layout: Layout, e: int, chart: Chart, knows_all: bool, means: Means, door: int
) -> int:
    """Get the key of a locked door, once the way from there to the door is clear; then open it."""
    color = color_of(state, e, door)
    if color == means.key_color:
        chart.mark[state.object_cell[e, door]] |= GOAL
        return _go(state, layout, e, chart, means, MARKED, TOGGLE)
    chart.mark[state.object_cell[e, door]] |= FORBIDDEN | GOAL
    keys = keys_of(state, e, color)
    place = _choose(state, layout, e, chart, knows_all, means, keys)
    if place == NOTHING:
        return _CANNOT_UNLOCK - color
    before = _clear_way(state, layout, e, chart, Means(means.keys, color, 1, 1, 1), place)
    if before == _NO_WAY:
        return _CANNOT_UNLOCK - color
    if before != 0:
        return before
    clear_marks(chart, GOAL)
    chart.mark[place] |= GOAL
    final = PICKUP if kind_at(chart, place) == KEY else TOGGLE  # a box that holds it
    plan = _go(state, layout, e, chart, means, MARKED, final)
    return _CANNOT_UNLOCK - color if plan == _NO_WAY else plan


@device_function
def _put_down(state: State, layout: Layout, e: int, chart: Chart) -> int:
    """Put what is in the hands where it can stay; where no place is good, try one after another."""
    set_tolls(chart, 0, NOTHING, SHUT, SHUT, True)
    chart.toll[UNSEEN] = SHUT
    mark_at_random(chart, int(state.step_count[e]) // _PATIENCE)
    for wanted in (SPARE, OFF_PATH, DRAWN, FREE):
        pose = _search_from_agent(state, layout, e, chart, wanted)
        if pose != NOTHING:
            first, _ = trace(chart, pose)
            return DROP if first == NOTHING else _move(state, e, chart, 1, first)
    return _NO_WAY


@device_function
def _explore(state: State, layout: Layout, e: int, chart: Chart, means: Means) -> int:
    """Explore: first the cells that were not seen yet, then the boxes."""
    plan = _go(state, layout, e, chart, means, UNKNOWN, LEFT)
    if plan != _NO_WAY:
        return plan
    held = state.carried[e]
    if held != NOTHING and state.object_code[e, held] & KIND_MASK == BOX:
        return _FREE_HANDS
    mark_boxes(state, e, chart)
    return _go(state, layout, e, chart, means, MARKED, TOGGLE)


@device_function
def _attempt(
    state: State, layout: Layout, e: int, chart: Chart, knows_all: bool, clause: int, means: Means
) -> int:
    """Follow the tasks from the clause to an action; negative where that fails."""
    clear_marks(chart, 255)
    held = state.carried[e]
    is_put = state.instruction[e, 1 + clause] & 15 == PUT_NEXT
    if is_put and held != NOTHING:
        others = state.tracked[e, clause, 1]
        if state.instruction[e, 0] & BY_ACT:  # beside anything else, it would be put wrong
            mark_beside(state, layout, e, chart, ~np.uint64(0), 1 << EMPTY, AVOID)
        elif not holds(state.tracked[e, clause, 0], held):
            mark_beside(state, layout, e, chart, others, 1 << EMPTY, AVOID)
    plan = _CLAUSE
    for _ in range(_LINKS):
        clear_marks(chart, GOAL)
        task, thing = plan & ~63, plan & 63
        if task == _CLAUSE:
            plan = _do_clause(state, layout, e, chart, knows_all, means, clause)
            if plan == _NO_WAY:
                plan = _EXPLORE
        elif task == _FETCH:
            chart.mark[state.object_cell[e, thing]] |= GOAL
            plan = _go(state, layout, e, chart, means, MARKED, PICKUP)
        elif task == _UNLOCK:
            plan = _unlock(state, layout, e, chart, knows_all, means, thing)
        elif task == _FREE_HANDS:
            plan = _put_down(state, layout, e, chart)
        else:
            plan = _explore(state, layout, e, chart, means)
        if plan < _CLAUSE:
            return plan
    return _NO_WAY


@device_function
def _is_too_early(state: State, layout: Layout, e: int, clause: int, action: int) -> bool:
    """Whether the verifier has yet to notice what is in the hands before the action can count."""
    verb = state.instruction[e, 1 + clause] & 15
    noticed = state.held_before[e, clause]
    targets = state.tracked[e, clause, 0]
    if verb == PICK_UP and action == PICKUP and noticed != NOTHING:
        return holds(targets, object_at(state, e, front_cell(state, layout, e)))
    held = state.carried[e]
    return verb == PUT_NEXT and action == DROP and noticed != held and holds(targets, held)


@device_function
def _is_to_be_declared(state: State, layout: Layout, e: int, clause: int) -> bool:
    """Whether a clause that is decided by "done" is fulfilled as things are."""
    by_done = state.instruction[e, 0] & BY_DONE != 0
    return by_done and holds_now(state, layout, e, clause)


@device_function
def _decide(state: State, layout: Layout, e: int, chart: Chart, knows_all: bool) -> int:
    """The expert's action in environment ``e``; DONE where success is no longer possible."""
    draw_map(state, e, chart, knows_all)
    clause = clause_to_do(state, e, chart)
    if clause == NOTHING or _is_to_be_declared(state, layout, e, clause):
        return DONE
    banned = 0
    for _ in range(1 + _COLORS):
        means = find_means(state, e, chart, knows_all, clause, banned)
        action = _attempt(state, layout, e, chart, knows_all, clause, means)
        if action >= 0:
            return DONE if _is_too_early(state, layout, e, clause, action) else action
        if action > _CANNOT_UNLOCK:
            return DONE
        banned |= 1 << (_CANNOT_UNLOCK - action)
    return DONE


@kernel
def decide(
    state: State,
    layout: Layout,
    chart: Chart,
    knows_all: bool,
    start: int,
    stop: int,
    actions: NDArray[np.int64],
) -> None:
    """The expert's actions in environments ``start`` to ``stop - 1``.

    Args:
        chart: memory to work in.
        knows_all: plan with all that there is, or only with ``state.seen``.
        actions: int64 [N], written; 6 ("done") where nothing can be done any more.
    """
    for e in range(start, stop):
        actions[e] = _decide(state, layout, e, chart, knows_all)
