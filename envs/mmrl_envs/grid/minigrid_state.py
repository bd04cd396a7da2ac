"""Imports the state of a live ``minigrid`` environment: for parity tests, and for users who have
layouts of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mmrl_envs.grid.core.cells import (
    BALL,
    BOX,
    DOOR_CLOSED,
    DOOR_LOCKED,
    DOOR_OPEN,
    EMPTY_CELL,
    KEY,
    WALL,
    cell,
)
from mmrl_envs.grid.core.state import CLAUSES, NOTHING, NOWHERE
from mmrl_envs.grid.language.instructions import Clause, Description, Instruction
from mmrl_envs.grid.rules.knowledge import update_seen
from mmrl_envs.grid.worlds import GridWorlds

_KINDS = {"wall": WALL, "key": KEY, "ball": BALL, "box": BOX}
_LOCATIONS = {
    None: "",
    "left": "on your left",
    "right": "on your right",
    "front": "in front of you",
    "behind": "behind you",
}
_VERBS = {
    "GoToInstr": "go to",
    "PickupInstr": "pick up",
    "OpenInstr": "open",
    "PutNextInstr": "put",
}


def import_minigrid(env: Any, worlds: GridWorlds, e: int = 0) -> None:
    """Make environment ``e`` of ``worlds`` the same as a live BabyAI environment of minigrid.

    Grid, agent, what it carries, step count and limit, instruction and what its parts refer to
    and have seen are taken over; the random generator stays ours, and what the agent saw before is
    not known.

    Args:
        env: a BabyAI environment (wrapped or not) that has been reset.
        worlds: ours, with rooms of the same number and size.
        e: which of them.

    Raises:
        ValueError: no BabyAI environment, another geometry, an object or an instruction that
            ours does not know, or more objects than the level of ``worlds`` has.
    """
    source = env.unwrapped
    state, layout = worlds.state, worlds.layout
    if not hasattr(source, "instrs"):
        raise ValueError(f"{source} has no BabyAI instruction (or has not been reset)")
    theirs = (source.room_size, source.num_cols, source.num_rows)
    ours = (layout.room_size, layout.columns, layout.rows)
    if theirs != ours:
        raise ValueError(f"rooms (size, columns, rows) {theirs} do not fit {ours}")

    things = _objects(source)
    if len(things) > layout.max_objects:
        raise ValueError(f"{len(things)} objects: level {worlds.level} has {layout.max_objects}")
    codes = [_code(thing) for thing in things]
    halves, order = _halves(source.instrs)
    instruction = Instruction(tuple(map(_clause, halves[0])), tuple(map(_clause, halves[1])), order)

    number = {id(thing): k for k, thing in enumerate(things)}
    state.grid[e] = layout.blank
    for y in range(layout.height):
        for x in range(layout.width):
            thing = source.grid.get(x, y)
            state.grid[e, layout.cell_index(x, y)] = EMPTY_CELL if thing is None else _code(thing)
    state.agent_cell[e] = layout.cell_index(*map(int, source.agent_pos))
    state.agent_direction[e] = source.agent_dir
    state.carried[e] = number.get(id(source.carrying), NOTHING)
    state.object_count[e] = len(things)
    state.object_cell[e] = NOWHERE
    state.known_cell[e] = NOWHERE
    for y in range(layout.height):
        for x in range(layout.width):
            k = number.get(id(source.grid.get(x, y)), NOTHING)
            if k != NOTHING:
                state.object_cell[e, k] = layout.cell_index(x, y)
    state.known_cell[e] = state.object_cell[e]
    for k, thing in enumerate(things):
        state.object_code[e, k] = codes[k]
        state.content[e, k] = number.get(id(thing.contains), NOTHING)
    state.step_count[e] = source.step_count
    state.max_steps[e] = source.max_steps
    state.instruction[e] = instruction.code
    state.instruction[e, 0] |= worlds.rules
    state.progress[e] = 0
    _take_over_progress(source.instrs, halves, worlds, e, number)
    worlds.update_sentences(np.array([e]))
    if worlds.tracker is not None:
        worlds.tracker.begin(state, np.array([e]))
    if worlds.has_memory:
        begun = np.ones(worlds.num_envs, np.bool_)
        update_seen(state, layout, e, e + 1, begun)


def _objects(source: Any) -> list[Any]:
    """Whatever can be named: on the grid, in the hands, in boxes, and in the instruction."""
    found: dict[int, Any] = {}

    def add(thing: Any) -> None:
        if thing is not None and _named(thing) and id(thing) not in found:
            found[id(thing)] = thing
            add(thing.contains)

    for thing in source.grid.grid:
        add(thing)
    add(source.carrying)
    halves, _ = _halves(source.instrs)
    for clause in (*halves[0], *halves[1]):
        for description in _descriptions(clause):
            for thing in description.obj_set:
                add(thing)
    return list(found.values())


def _named(thing: Any) -> bool:
    """Whether ours counts a thing as an object. In minigrid a "grey object" may be a wall too."""
    return bool(thing.type != "wall")


def _code(thing: Any) -> int:
    if thing.type == "door":
        kind = DOOR_OPEN if thing.is_open else DOOR_LOCKED if thing.is_locked else DOOR_CLOSED
    elif thing.type in _KINDS:
        kind = _KINDS[thing.type]
    else:
        raise ValueError(f"a {thing.color} {thing.type}: no BabyAI level has that")
    return cell(kind, thing.color)


def _halves(instr: Any) -> tuple[tuple[list[Any], list[Any]], str]:
    """The clauses of both halves, and the order between them."""
    name = type(instr).__name__
    if getattr(instr, "strict", False) and name not in _VERBS:
        raise ValueError(f"a strict {name}: no BabyAI level has that")
    if name in ("BeforeInstr", "AfterInstr"):
        first, second = _halves(instr.instr_a)[0][0], _halves(instr.instr_b)[0][0]
        return (first, second), "before" if name == "BeforeInstr" else "after"
    if name == "AndInstr":
        return ([instr.instr_a, instr.instr_b], []), ""
    if name not in _VERBS:
        raise ValueError(f"an instruction of type {name}: no BabyAI level has that")
    return ([instr], []), ""


def _descriptions(clause: Any) -> list[Any]:
    if type(clause).__name__ == "PutNextInstr":
        return [clause.desc_move, clause.desc_fixed]
    return [clause.desc]


def _clause(clause: Any) -> Clause:
    touched = _descriptions(clause)[-1]
    if type(clause).__name__ != "PickupInstr" and not all(map(_named, touched.obj_set)):
        raise ValueError(f"a clause about {touched} means walls too: no BabyAI level has that")
    described = [
        Description(
            one.type or "object", one.color or "", _LOCATIONS[one.loc], len(one.obj_set) > 1
        )
        for one in _descriptions(clause)
    ]
    return Clause(
        _VERBS[type(clause).__name__],
        described[0],
        described[1] if len(described) > 1 else None,
        bool(getattr(clause, "strict", False)),
    )


def _take_over_progress(
    instr: Any,
    halves: tuple[list[Any], list[Any]],
    worlds: GridWorlds,
    e: int,
    number: dict[int, int],
) -> None:
    """What the verifier refers to, has seen, and counts as done."""
    state = worlds.state
    state.tracked[e] = 0
    state.held_before[e] = NOTHING
    for start, half in ((0, halves[0]), (2, halves[1])):
        for clause_index, clause in enumerate(half, start):
            for side, description in enumerate(_descriptions(clause)):
                members = [number[id(thing)] for thing in description.obj_set if _named(thing)]
                state.tracked[e, clause_index, side] = np.uint64(sum(1 << k for k in set(members)))
            held = getattr(clause, "preCarrying", None)
            state.held_before[e, clause_index] = number.get(id(held), NOTHING)
    _remember((*halves[0], *halves[1]), worlds, e, number)
    state.progress[e] = _progress_bits(instr)


def _remember(clauses: tuple[Any, ...], worlds: GridWorlds, e: int, number: dict[int, int]) -> None:
    """Minigrid notes where a description's objects were, not which one was where. What is on the
    grid is where it was; a box that was opened since keeps its position; and what is carried was
    where every description of it knows of something, and nothing else is.
    """
    state, layout = worlds.state, worlds.layout
    gone: dict[int, Any] = {}
    candidates: dict[int, set[int]] = {}
    for clause in clauses:
        for description in _descriptions(clause):
            seen = {layout.cell_index(int(x), int(y)) for x, y in description.obj_poss}
            for thing in filter(_named, description.obj_set):
                k = number[id(thing)]
                if state.object_cell[e, k] == NOWHERE:
                    gone[k] = thing
                    candidates[k] = candidates.get(k, seen) & seen
    carried = gone.pop(int(state.carried[e]), None)
    for k, thing in gone.items():
        if thing.cur_pos is not None:
            where = layout.cell_index(*map(int, thing.cur_pos))
            if where in candidates[k]:
                state.known_cell[e, k] = where
    if carried is not None:
        k = int(state.carried[e])
        free = candidates[k] - set(state.known_cell[e].tolist())
        state.known_cell[e, k] = min(free or candidates[k], default=NOWHERE)


def _progress_bits(instr: Any) -> int:
    """Minigrid's ``a_done`` and ``b_done`` as the bits of ``State.progress``."""

    def both(conjunction: Any, start: int) -> int:
        if type(conjunction).__name__ != "AndInstr":
            return 0
        done = (conjunction.a_done == "success", conjunction.b_done == "success")
        return sum(1 << start + k for k in range(2) if done[k])

    name = type(instr).__name__
    if name not in ("BeforeInstr", "AfterInstr"):
        return both(instr, 0)
    first_done = instr.a_done if name == "BeforeInstr" else instr.b_done
    return both(instr.instr_a, 0) | both(instr.instr_b, 2) | (first_done == "success") << CLAUSES
