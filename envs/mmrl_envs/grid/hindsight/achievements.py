"""What was achieved here? Every instruction that a state or a trajectory fulfils, for hindsight.

The dynamics are deterministic, so that a trajectory is a :class:`Moment` and the actions from
there. :meth:`Moment.verify` judges any instruction on it, exactly as if the episode had begun with
it; :meth:`Moment.achieved` names all that would have been judged a success.

    start = envs.unwrapped.worlds.moment(3)  # environment 3, right after its reset
    ...
    start.achieved(actions)[-1]  # what its last action achieved: relabel the episode with it
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import COLORS, DOOR_OPEN, DROP, KIND_MASK, PICKUP, TOGGLE
from mmrl_envs.grid.core.jit import kernel, signed
from mmrl_envs.grid.core.state import NOTHING, NOWHERE, Layout, State
from mmrl_envs.grid.language.instructions import LOCATIONS, NOUNS, Clause, Description, Instruction
from mmrl_envs.grid.rules.dynamics import act
from mmrl_envs.grid.rules.verification import (
    CONTINUE,
    SUCCESS,
    beside,
    front_cell,
    matching,
    object_at,
    track,
    verify,
)

DESCRIPTIONS: Final = tuple(
    Description(noun, color, location)
    for noun, color, location in itertools.product(NOUNS, ("", *COLORS), LOCATIONS)
)
"""Everything that a noun phrase can say of an object."""
_CODES = np.array([description.code for description in DESCRIPTIONS])


class _Events(NamedTuple):
    """What happened in each of T steps; objects by number, sets of them a bit each."""

    gone_to: NDArray[np.uint64]  # [T] objects that the agent faces
    picked_up: NDArray[np.int32]  # [T]
    opened: NDArray[np.int32]  # [T]
    put: NDArray[np.int32]  # [T] the object that was put down …
    next_to: NDArray[np.uint64]  # [T] … and those beside it


@kernel
def _judge(
    state: State, layout: Layout, actions: NDArray[np.int64], outcomes: NDArray[np.int8]
) -> int:
    """Take the actions from the state's only row on, and judge its instruction after each; how
    many were taken until it was decided.
    """
    track(state, layout, 0)
    for t in range(len(actions)):
        act(state, layout, 0, actions[t])
        outcomes[t] = verify(state, layout, 0, actions[t])
        if outcomes[t] != CONTINUE:
            return t + 1
    return len(actions)


@kernel
def _watch(state: State, layout: Layout, actions: NDArray[np.int64], events: _Events) -> None:
    """Take the actions from the state's only row on, and note what a verifier would."""
    track(state, layout, 0)
    before = NOTHING
    for t in range(len(actions)):
        action = actions[t]
        act(state, layout, 0, action)
        front = front_cell(state, layout, 0)
        held = signed(state.carried[0])
        events.gone_to[t] = events.next_to[t] = 0
        events.picked_up[t] = events.opened[t] = events.put[t] = NOTHING
        for thing in range(state.object_count[0]):
            if state.known_cell[0, thing] == front:
                events.gone_to[t] |= np.uint64(1) << np.uint64(thing)
        if action == PICKUP and held != NOTHING and before == NOTHING:
            events.picked_up[t] = held
        elif action == TOGGLE and state.grid[0, front] & KIND_MASK == DOOR_OPEN:
            events.opened[t] = object_at(state, 0, front)
        elif action == DROP and before != NOTHING:
            where = signed(state.object_cell[0, before])
            if where != NOWHERE:
                events.put[t] = before
                for thing in range(state.object_count[0]):
                    known = signed(state.known_cell[0, thing])
                    if known != NOWHERE and beside(where, known, layout.stride):
                        events.next_to[t] |= np.uint64(1) << np.uint64(thing)
        before = held


@kernel
def match(
    state: State, layout: Layout, e: int, codes: NDArray[np.int64], found: NDArray[np.uint64]
) -> None:
    """The objects on the grid of environment ``e`` that each description, int64 [descriptions],
    fits: ``found``, uint64 [descriptions], is written.
    """
    for k in range(len(codes)):
        found[k] = matching(state, layout, e, codes[k])


@dataclass(frozen=True)
class Moment:
    """One environment at one time, to judge from.

    Attributes:
        state: a copy of its row.
        layout: of its grid.
    """

    state: State
    layout: Layout

    def verify(
        self, actions: Sequence[int] | NDArray[np.int64], instruction: Instruction
    ) -> NDArray[np.int8]:
        """Judge an instruction on what these actions would do from here on.

        Args:
            actions: T of them.
            instruction: any; what it speaks of is looked up in this moment.

        Returns:
            int8 [t]: 0 (not yet), 1 (success) or 2 (failure of a strict clause) after each action
            until it is decided, t ≤ T.
        """
        state = self._copy()
        state.instruction[0] = instruction.code
        taken = np.asarray(actions, np.int64)
        outcomes = np.zeros(len(taken), np.int8)
        return outcomes[: _judge(state, self.layout, taken, outcomes)]

    def achieved(
        self, actions: Sequence[int] | NDArray[np.int64]
    ) -> tuple[tuple[Clause, ...], ...]:
        """Everything that these actions achieve from here on.

        Args:
            actions: T of them.

        Returns:
            For each of the T steps the clauses that are first fulfilled by it, in every wording
            that is true: an instruction of that clause alone, given in this moment, would have
            ended in success with this step. What generation turns down is left out: things that
            are put next to themselves, or to what they stood next to already.
        """
        matches = self._matches()
        events = self._events(np.asarray(actions, np.int64))
        known: set[Clause] = set()
        steps = []
        for t in range(len(events.gone_to)):
            new = [one for one in self._clauses(events, t, matches) if one not in known]
            known.update(new)
            steps.append(tuple(new))
        return tuple(steps)

    def sequences(
        self, actions: Sequence[int] | NDArray[np.int64], limit: int = 32
    ) -> Iterator[Instruction]:
        """Instructions of two clauses that these actions carry out: "A, then B", "B after you A"
        and "A and B", each verified; in plain words ("the red ball"), ``limit`` at most.
        """
        plain = [
            (t, clause)
            for t, clauses in enumerate(self.achieved(actions))
            for clause in clauses
            if _is_plain(clause)
        ]
        candidates = (
            instruction
            for (t, a), (later, b) in itertools.combinations(plain, 2)
            if t < later
            for instruction in (
                Instruction((a,), (b,), "before"),
                Instruction((b,), (a,), "after"),
                Instruction((a, b)),
            )
        )
        done = (one for one in candidates if self.verify(actions, one)[-1:] == SUCCESS)
        return itertools.islice(done, limit)

    def holds(self) -> tuple[Clause, ...]:
        """What is so in this moment, for a caption: the agent faces something ("go to"), carries
        something ("pick up"), a door stands open, two things lie side by side ("put").

        Descriptions have no location, since there is no start to count from.
        """
        row = _Row(self.state, self.layout)
        matches = {
            Description(one.noun, one.color, "", bin(found).count("1") > 1): found
            for one in DESCRIPTIONS
            if not one.location and (found := row.alike(one))
        }

        def worded(verb: str, things: int) -> list[Clause]:
            return [
                Clause(verb, one)
                for one, found in matches.items()
                if found & things and may(verb, one)
            ]

        clauses = worded("go to", row.at(row.front)) + worded("pick up", row.held)
        clauses += worded("open", row.open_doors)
        for thing, near in row.pairs():
            clauses += [
                Clause("put", moved, fixed)
                for moved, fixed in itertools.product(matches, repeat=2)
                if matches[moved] >> thing & 1
                and matches[fixed] & near
                and not matches[moved] & matches[fixed]
                and may("put", moved)
            ]
        return tuple(dict.fromkeys(clauses))

    def _copy(self) -> State:
        return State._make(array.copy() for array in self.state)

    def _events(self, actions: NDArray[np.int64]) -> _Events:
        steps = len(actions)
        sets, things = np.zeros((2, steps), np.uint64), np.zeros((3, steps), np.int32)
        events = _Events(sets[0], things[0], things[1], things[2], sets[1])
        _watch(self._copy(), self.layout, actions, events)
        return events

    def _matches(self) -> dict[Description, int]:
        """The objects that each description means here, where there are any; "a" or "the" as the
        verifier words it.
        """
        found = np.zeros(len(_CODES), np.uint64)
        match(self.state, self.layout, 0, _CODES, found)
        matches = {}
        for one, mask in zip(DESCRIPTIONS, found.tolist(), strict=True):
            # Minigrid counts the walls among "a grey object".
            several = mask & (mask - 1) != 0 or (one.noun, one.color) == ("object", "grey")
            if mask:
                matches[Description(one.noun, one.color, one.location, several)] = mask
        return matches

    def _clauses(
        self, events: _Events, t: int, matches: dict[Description, int]
    ) -> Iterator[Clause]:
        """All wordings of what happened in step t."""
        single = {
            "go to": int(events.gone_to[t]),
            "pick up": _bit(events.picked_up[t]),
            "open": _bit(events.opened[t]),
        }
        for verb, things in single.items():
            for one, meant in matches.items():
                if meant & things and may(verb, one):
                    yield Clause(verb, one)
        moved, near = _bit(events.put[t]), int(events.next_to[t])
        if not moved or not near:
            return
        row = _Row(self.state, self.layout)
        fixed = [(one, meant) for one, meant in matches.items() if meant & near]
        for target, meant in matches.items():
            if meant & moved and may("put", target):
                for other, others in fixed:
                    if not meant & others and not row.are_beside(meant, others):
                        yield Clause("put", target, other)


class _Row:
    """The only row of a state, looked at from Python."""

    def __init__(self, state: State, layout: Layout) -> None:
        count = int(state.object_count[0])
        self._stride = layout.stride
        self._cells = state.object_cell[0, :count].tolist()
        self._codes = state.object_code[0, :count].tolist()
        held = int(state.carried[0])
        self.held = _bit(held)
        direction = int(state.agent_direction[0])
        self.front = int(state.agent_cell[0]) + (1, layout.stride, -1, -layout.stride)[direction]

    def at(self, cell: int) -> int:
        """The objects in a cell."""
        return sum(1 << k for k, here in enumerate(self._cells) if here == cell)

    @property
    def open_doors(self) -> int:
        """The doors that stand open."""
        return sum(1 << k for k, code in enumerate(self._codes) if code & KIND_MASK == DOOR_OPEN)

    def alike(self, description: Description) -> int:
        """The objects on the grid or in the hands that a description without location fits."""
        return sum(
            1 << k
            for k, code in enumerate(self._codes)
            if (self._cells[k] != NOWHERE or self.held >> k & 1) and description.fits(code)
        )

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Each object that can be carried, and those beside it."""
        for k, cell in enumerate(self._cells):
            near = sum(1 << j for j in range(len(self._cells)) if self._touch(k, j))
            if cell != NOWHERE and near:
                yield k, near

    def are_beside(self, some: int, others: int) -> bool:
        """Whether one of some objects lies next to one of some others."""
        ours = [k for k in range(len(self._cells)) if some >> k & 1]
        theirs = [k for k in range(len(self._cells)) if others >> k & 1]
        return any(self._touch(a, b) for a in ours for b in theirs)

    def _touch(self, a: int, b: int) -> bool:
        one, other = self._cells[a], self._cells[b]
        apart = abs(one - other)
        return NOWHERE not in (one, other) and apart in (1, self._stride)


def _bit(thing: int) -> int:
    return 0 if thing == NOTHING else 1 << int(thing)


def may(verb: str, description: Description) -> bool:
    """Whether the grammar lets a verb go with a noun."""
    is_door = description.noun == "door"
    return verb == "go to" or is_door == (verb == "open")


def _is_plain(clause: Clause) -> bool:
    described = [clause.target, *([clause.beside] if clause.beside else [])]
    return all(one.color and one.noun != "object" and not one.location for one in described)
