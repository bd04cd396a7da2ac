"""An expert that carries out any instruction from any state: it answers "what now?" in a batch.

It plans anew at every call and remembers nothing but what was seen (:mod:`.knowledge`), so it can
be asked in the middle of anybody's episode. A task is a cell to face and an action there; what
stands in the way of one task becomes the next: a door has to be unlocked, its key fetched, a thing
carried out of the way, the hands freed. Why it does not go around in circles:

- what has to be brought somewhere is fetched only when its way there is clear, and for what is in
  the hands already a longer way around counts as clear;
- what is put down is put where it cuts nothing off.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.cells import (
    BOX,
    COLOR_SHIFT,
    DONE,
    DOOR_LOCKED,
    DOOR_OPEN,
    DROP,
    DX,
    DY,
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
from mmrl_envs.grid.compiler import kernel, part
from mmrl_envs.grid.instructions import AFTER, GO_TO, OPEN, PICK_UP, PUT_NEXT, SINGLE, STRICT
from mmrl_envs.grid.pathfinding import (
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
    draw_lots,
    draw_map,
    faced,
    kind_at,
    mark_way,
    search,
    set_tolls,
    trace,
)
from mmrl_envs.grid.state import CLAUSES, NOTHING, NOWHERE, Layout, State
from mmrl_envs.grid.verification import front_cell, holds, object_at

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

_DX = np.array(DX)
_DY = np.array(DY)


class Means(NamedTuple):
    """What an agent can make use of."""

    keys: int  # colours of the keys that could be fetched, a bit each
    key_color: int  # that of the key in the hands, or NOTHING
    may_carry: int  # things may be picked up that the instruction does not speak of
    may_open: int  # doors likewise


# Where things are, as far as is known.


@part
def _is_known(state: State, e: int, chart: Chart, cell: int) -> bool:
    return cell != NOWHERE and chart.code[cell] == state.grid[e, cell]


@part
def _place_of(state: State, e: int, chart: Chart, knows_all: bool, thing: int) -> int:
    """Where an object is known to be, or the box that it is known to be in; or NOWHERE."""
    cell = state.object_cell[e, thing]
    if cell == NOWHERE and knows_all:
        for box in range(state.object_count[e]):
            if state.content[e, box] == thing:
                cell = state.object_cell[e, box]
    return cell if _is_known(state, e, chart, cell) else NOWHERE


@part
def _is_key(state: State, e: int, thing: int) -> bool:
    return state.object_code[e, thing] & KIND_MASK == KEY


@part
def _color(state: State, e: int, thing: int) -> int:
    return np.int64(state.object_code[e, thing]) >> COLOR_SHIFT  # type: ignore[return-value]  # compiled


@part
def _keys_of(state: State, e: int, color: int) -> np.uint64:
    """The keys of a colour, a bit each."""
    keys = np.uint64(0)
    for thing in range(state.object_count[e]):
        if _is_key(state, e, thing) and _color(state, e, thing) == color:
            keys |= np.uint64(1) << np.uint64(thing)
    return keys


@part
def _means(state: State, e: int, chart: Chart, knows_all: bool, clause: int, banned: int) -> Means:
    keys = 0
    for thing in range(state.object_count[e]):
        if _is_key(state, e, thing) and _place_of(state, e, chart, knows_all, thing) != NOWHERE:
            keys |= 1 << _color(state, e, thing)
    held = state.carried[e]
    key_color = NOTHING
    if held != NOTHING and _is_key(state, e, held):
        key_color = _color(state, e, held)
        keys |= 1 << key_color
    code = state.instruction[e, 1 + clause]
    verb, strict = code & 15, code & STRICT != 0
    may_carry = 0 if strict and (verb == PICK_UP or verb == PUT_NEXT) else 1
    may_open = 0 if strict and verb == OPEN else 1
    if may_carry == 0 or may_open == 0:
        keys = 0
    return Means(keys & ~banned, key_color, may_carry, may_open)


@part
def _any_known(state: State, e: int, chart: Chart, clause: int, side: int) -> bool:
    """Whether it is known where to find one of the objects that a clause means."""
    verb = state.instruction[e, 1 + clause] & 15
    for thing in range(state.object_count[e]):
        if holds(state.tracked[e, clause, side], thing):
            cell = state.known_cell[e, thing] if verb == GO_TO else state.object_cell[e, thing]
            if side == 0 and state.carried[e] == thing or _is_known(state, e, chart, cell):
                return True
    return False


@part
def _is_ready(state: State, e: int, chart: Chart, clause: int) -> bool:
    """Whether it is known where to find all that a clause needs."""
    verb = state.instruction[e, 1 + clause] & 15
    return _any_known(state, e, chart, clause, 0) and (
        verb != PUT_NEXT or _any_known(state, e, chart, clause, 1)
    )


@part
def _clause_to_do(state: State, e: int, chart: Chart) -> int:
    """Of the half that is due, the first clause that is not done and whose objects are known; else
    the first that is not done; NOTHING if there is none.
    """
    order = state.instruction[e, 0]
    second_is_due = state.progress[e] >> CLAUSES & 1 != 0
    half = 2 if order != SINGLE and second_is_due == (order != AFTER) else 0
    first = NOTHING
    for clause in range(half, half + 2):
        if state.instruction[e, 1 + clause] == 0 or state.progress[e] >> clause & 1:
            continue
        if _is_ready(state, e, chart, clause):
            return clause
        if first == NOTHING:
            first = clause
    return first


# What to face: goals on the map.


@part
def _mark_objects(state: State, e: int, chart: Chart, things: np.uint64) -> int:
    """Mark where objects lie; how many are known."""
    count = 0
    for thing in range(state.object_count[e]):
        cell = state.object_cell[e, thing]
        if holds(things, thing) and _is_known(state, e, chart, cell):
            chart.mark[cell] |= GOAL
            count += 1
    return count


@part
def _mark_last_places(state: State, e: int, chart: Chart, things: np.uint64) -> int:
    """Mark where the verifier believes objects to be, which is what "go to" asks for."""
    count = 0
    for thing in range(state.object_count[e]):
        cell = state.known_cell[e, thing]
        if holds(things, thing) and _is_known(state, e, chart, cell):
            chart.mark[cell] |= GOAL
            count += 1
    return count


@part
def _mark_beside(
    state: State, layout: Layout, e: int, chart: Chart, things: np.uint64, kinds: int, mark: int
) -> int:
    """Mark the cells next to objects that hold one of some kinds, a bit each; how many."""
    count = 0
    for thing in range(state.object_count[e]):
        cell = state.object_cell[e, thing]
        if holds(things, thing) and _is_known(state, e, chart, cell):
            for direction in range(4):
                near = cell + _DX[direction] + _DY[direction] * layout.stride
                if kinds >> kind_at(chart, near) & 1:
                    chart.mark[near] |= mark
                    count += 1
    return count


@part
def _mark_doors(
    state: State, e: int, chart: Chart, means: Means, clause: int, locked: bool
) -> int:
    """Mark the doors that a clause is about: those that can be opened as things are, or else those
    whose key has to be fetched; how many.
    """
    strict = state.instruction[e, 1 + clause] & STRICT != 0
    count = 0
    for thing in range(state.object_count[e]):
        cell = state.object_cell[e, thing]
        if not holds(state.tracked[e, clause, 0], thing) or not _is_known(state, e, chart, cell):
            continue
        kind = kind_at(chart, cell)
        color = _color(state, e, thing)
        needs_key = kind == DOOR_LOCKED and color != means.key_color
        if locked:
            fits = needs_key and means.keys >> color & 1 != 0
        else:  # an open one is closed first, which a strict clause forgives nobody
            fits = not needs_key and not (strict and kind == DOOR_OPEN)
        if fits:
            chart.mark[cell] |= GOAL
            count += 1
    return count


@part
def _mark_boxes(state: State, e: int, chart: Chart) -> None:
    """Mark the boxes that may be opened to look inside: those nobody asks for."""
    asked = np.uint64(0)
    for clause in range(CLAUSES):
        if not state.progress[e] >> clause & 1:
            asked |= state.tracked[e, clause, 0] | state.tracked[e, clause, 1]
    for thing in range(state.object_count[e]):
        cell = state.object_cell[e, thing]
        is_box = state.object_code[e, thing] & KIND_MASK == BOX
        if is_box and not holds(asked, thing) and _is_known(state, e, chart, cell):
            chart.mark[cell] |= GOAL


# Ways.


@part
def _search_from_agent(state: State, layout: Layout, e: int, chart: Chart, wanted: int) -> int:
    return search(layout, chart, wanted, state.agent_cell[e], state.agent_direction[e])


@part
def _move(state: State, e: int, chart: Chart, first: int) -> int:
    """The action that leads to the next pose, or towards it: a door opened, a thing taken away."""
    facing = state.agent_direction[e]
    if first & 3 != facing:
        return RIGHT if first & 3 == (facing + 1) & 3 else LEFT
    kind = kind_at(chart, first >> 2)
    if PASSABLE >> kind & 1:
        return FORWARD
    return PICKUP if PORTABLE >> kind & 1 else TOGGLE


@part
def _go(
    state: State, layout: Layout, e: int, chart: Chart, means: Means, wanted: int, final: int
) -> int:
    """What to do next in order to face a wanted cell and take the action ``final`` there.

    Returns:
        An action, a task that comes first, or _NO_WAY.
    """
    held = state.carried[e]
    blocker = BLOCKER if held == NOTHING else BLOCKER_WHEN_LADEN
    blocker = blocker if means.may_carry else SHUT
    set_tolls(chart, means.keys, means.key_color, blocker, means.may_open != 0)
    pose = _search_from_agent(state, layout, e, chart, wanted)
    if pose == NOTHING:
        return _NO_WAY
    first, obstacle = trace(chart, pose)
    uses_key = is_laden = False
    if obstacle != NOTHING:
        thing = object_at(state, e, obstacle)
        if kind_at(chart, obstacle) == DOOR_LOCKED:
            uses_key = _color(state, e, thing) == means.key_color
            if not uses_key:
                return _UNLOCK + thing
        else:
            is_laden = held != NOTHING
    if is_laden or (final == PICKUP and held != NOTHING and not uses_key):
        # The way to keep clear, as it is whichever way the agent looks just now.
        pose = search(layout, chart, wanted, state.agent_cell[e], ANY_DIRECTION)
        mark_way(layout, chart, pose)
        return _FREE_HANDS
    return final if first == NOTHING else _move(state, e, chart, first)


@part
def _clear_way(
    state: State, layout: Layout, e: int, chart: Chart, means: Means, place: int
) -> int:
    """Whether what lies in ``place`` could be carried to a marked goal.

    Args:
        means: with the key in the hands that will be there then.

    Returns:
        0 if so, a task that has to be done before, or _NO_WAY.
    """
    blocker = BLOCKER if means.may_carry else SHUT
    set_tolls(chart, means.keys, means.key_color, blocker, means.may_open != 0)
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
    return 0 if _color(state, e, thing) == means.key_color else _UNLOCK + thing


@part
def _choose(
    state: State, layout: Layout, e: int, chart: Chart, knows_all: bool, means: Means, things: np.uint64
) -> int:
    """Of some objects, the one that is the quickest to fetch and bring to a marked goal.

    Returns:
        Its place, or NOTHING.
    """
    count = 0
    best = NOTHING
    for thing in range(state.object_count[e]):
        if holds(things, thing):
            place = _place_of(state, e, chart, knows_all, thing)
            if place != NOWHERE:
                best = place
                count += 1
    if count <= 1:
        return best
    set_tolls(chart, means.keys, means.key_color, BLOCKER, means.may_open != 0)
    _search_from_agent(state, layout, e, chart, NEVER)
    for thing in range(state.object_count[e]):
        chart.fetching[thing] = FAR
        if holds(things, thing):
            place = _place_of(state, e, chart, knows_all, thing)
            if place != NOWHERE:
                chart.fetching[thing] = cost_to_face(layout, chart, place)
    least = np.int64(FAR)
    best = NOTHING
    for thing in range(state.object_count[e]):
        if chart.fetching[thing] < FAR:
            place = _place_of(state, e, chart, knows_all, thing)
            pose = search(layout, chart, MARKED, place, ANY_DIRECTION)
            bringing = FAR // 2 if pose == NOTHING else np.int64(chart.cost[pose])
            if chart.fetching[thing] + bringing < least:
                least = chart.fetching[thing] + bringing
                best = place
    return best


# Tasks: each returns an action, another task that comes first, or a negative number.


@part
def _put(
    state: State, layout: Layout, e: int, chart: Chart, knows_all: bool, means: Means, clause: int
) -> int:
    """Put one of some objects next to one of some others."""
    targets, others = state.tracked[e, clause, 0], state.tracked[e, clause, 1]
    held = state.carried[e]
    if not _any_known(state, e, chart, clause, 0):
        return _EXPLORE
    if not _any_known(state, e, chart, clause, 1):
        if held == NOTHING or not holds(others, held):
            return _EXPLORE
    elif held != NOTHING and holds(targets, held):
        if _mark_beside(state, layout, e, chart, others, 1 << EMPTY, GOAL) == 0:
            return _FREE_HANDS
        return _go(state, layout, e, chart, means, MARKED, DROP)
    else:
        if _mark_beside(state, layout, e, chart, others, 1 << EMPTY, GOAL) == 0:
            # No room beside them: make some.
            _mark_beside(state, layout, e, chart, others, PORTABLE, GOAL)
            return _go(state, layout, e, chart, means, MARKED, PICKUP)
        place = _choose(state, layout, e, chart, knows_all, means, targets)
        if place == NOTHING:
            return _NO_WAY
        with_it = Means(means.keys, NOTHING, means.may_carry, means.may_open)
        before = _clear_way(state, layout, e, chart, with_it, place)
        if before > 0:
            return before
        clear_marks(chart, GOAL)
        chart.mark[place] |= GOAL
        return _go(state, layout, e, chart, means, MARKED, PICKUP)
    _mark_objects(state, e, chart, targets)
    return _go(state, layout, e, chart, means, MARKED, PICKUP)


@part
def _open(
    state: State, layout: Layout, e: int, chart: Chart, means: Means, clause: int
) -> int:
    """Open one of some doors."""
    if _mark_doors(state, e, chart, means, clause, False):
        plan = _go(state, layout, e, chart, means, MARKED, TOGGLE)
        if plan != _NO_WAY:
            return plan
        clear_marks(chart, GOAL)
    if _mark_doors(state, e, chart, means, clause, True):
        set_tolls(chart, means.keys, means.key_color, BLOCKER, True)
        pose = _search_from_agent(state, layout, e, chart, MARKED)
        if pose != NOTHING:
            return _UNLOCK + object_at(state, e, faced(layout, pose))
    return _NO_WAY


@part
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
        _mark_last_places(state, e, chart, targets)
        return _go(state, layout, e, chart, means, MARKED, DONE)
    _mark_objects(state, e, chart, targets)
    return _go(state, layout, e, chart, means, MARKED, PICKUP)


@part
def _unlock(
    state: State, layout: Layout, e: int, chart: Chart, knows_all: bool, means: Means, door: int
) -> int:
    """Get the key of a locked door, once the way from there to the door is clear; then open it."""
    color = _color(state, e, door)
    if color == means.key_color:
        chart.mark[state.object_cell[e, door]] |= GOAL
        return _go(state, layout, e, chart, means, MARKED, TOGGLE)
    chart.mark[state.object_cell[e, door]] |= FORBIDDEN | GOAL
    keys = _keys_of(state, e, color)
    place = _choose(state, layout, e, chart, knows_all, means, keys)
    if place == NOTHING:
        return _CANNOT_UNLOCK - color
    before = _clear_way(state, layout, e, chart, Means(means.keys, color, 1, 1), place)
    if before == _NO_WAY:
        return _CANNOT_UNLOCK - color
    if before != 0:
        return before
    clear_marks(chart, GOAL)
    chart.mark[place] |= GOAL
    final = PICKUP if kind_at(chart, place) == KEY else TOGGLE  # a box that holds it
    plan = _go(state, layout, e, chart, means, MARKED, final)
    return _CANNOT_UNLOCK - color if plan == _NO_WAY else plan


@part
def _put_down(state: State, layout: Layout, e: int, chart: Chart) -> int:
    """Put what is in the hands where it can stay; where no place is good, try one after another."""
    set_tolls(chart, 0, NOTHING, SHUT, True)
    chart.toll[UNSEEN] = SHUT
    draw_lots(chart, np.int64(state.step_count[e]) // _PATIENCE)
    for wanted in (SPARE, OFF_PATH, DRAWN, FREE):
        pose = _search_from_agent(state, layout, e, chart, wanted)
        if pose != NOTHING:
            first, _ = trace(chart, pose)
            return DROP if first == NOTHING else _move(state, e, chart, first)
    return _NO_WAY


@part
def _explore(state: State, layout: Layout, e: int, chart: Chart, means: Means) -> int:
    """Look where nobody has looked: around every corner, then into boxes."""
    plan = _go(state, layout, e, chart, means, UNKNOWN, LEFT)
    if plan != _NO_WAY:
        return plan
    held = state.carried[e]
    if held != NOTHING and state.object_code[e, held] & KIND_MASK == BOX:
        return _FREE_HANDS
    _mark_boxes(state, e, chart)
    return _go(state, layout, e, chart, means, MARKED, TOGGLE)


@part
def _attempt(
    state: State, layout: Layout, e: int, chart: Chart, knows_all: bool, clause: int, means: Means
) -> int:
    """Follow the tasks from the clause to an action; negative where that fails."""
    clear_marks(chart, 255)
    held = state.carried[e]
    is_put = state.instruction[e, 1 + clause] & 15 == PUT_NEXT
    if is_put and held != NOTHING and not holds(state.tracked[e, clause, 0], held):
        others = state.tracked[e, clause, 1]
        _mark_beside(state, layout, e, chart, others, 1 << EMPTY, AVOID)
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


@part
def _is_too_early(state: State, layout: Layout, e: int, clause: int, action: int) -> bool:
    """Whether the verifier has yet to notice what is in the hands before the action can count."""
    verb = state.instruction[e, 1 + clause] & 15
    noticed = state.held_before[e, clause]
    targets = state.tracked[e, clause, 0]
    if verb == PICK_UP and action == PICKUP and noticed != NOTHING:
        return holds(targets, object_at(state, e, front_cell(state, layout, e)))
    held = state.carried[e]
    return verb == PUT_NEXT and action == DROP and noticed != held and holds(targets, held)


@part
def _decide(state: State, layout: Layout, e: int, chart: Chart, knows_all: bool) -> int:
    """The expert's action in environment ``e``; DONE where nothing can be done any more."""
    draw_map(state, e, chart, knows_all)
    clause = _clause_to_do(state, e, chart)
    if clause == NOTHING:
        return DONE
    banned = 0
    for _ in range(1 + _COLORS):
        means = _means(state, e, chart, knows_all, clause, banned)
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
    """What an expert would do now in environments ``start`` to ``stop - 1``.

    Args:
        chart: memory to work in.
        knows_all: plan with all that there is, or only with ``state.seen``.
        actions: int64 [N], written; 6 ("done") where nothing can be done any more.
    """
    for e in range(start, stop):
        actions[e] = _decide(state, layout, e, chart, knows_all)
