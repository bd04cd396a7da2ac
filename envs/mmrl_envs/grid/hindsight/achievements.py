"""Hindsight achievements: every instruction that a state or a trajectory fulfils.

For hindsight relabelling (HER, Andrychowicz et al., 2017; HIGhER, Cideron et al., 2020). The
dynamics are deterministic, so that a trajectory is a :class:`Moment` and the actions from there.
:meth:`Moment.verify` evaluates any instruction on it, exactly as if the episode had begun with it;
:meth:`Moment.achieved` lists all that would have been a success.

    start = envs.unwrapped.worlds.moment(3)  # environment 3, right after its reset
    ...
    start.achieved(actions)[-1]  # what its last action achieved: relabel the episode with it
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import DOOR_OPEN, KIND_MASK
from mmrl_envs.grid.core.jit import kernel, signed
from mmrl_envs.grid.core.state import NOTHING, NOWHERE, Layout, State
from mmrl_envs.grid.hindsight.events import (
    CODES,
    DESCRIPTIONS,
    detect,
    is_grammatical,
    is_several,
    match,
)
from mmrl_envs.grid.language.instructions import STRICT_RULES, Clause, Description, Instruction
from mmrl_envs.grid.rules.dynamics import act, outcome_of
from mmrl_envs.grid.rules.verification import CONTINUE, SUCCESS, known_hands, track


class _Events(NamedTuple):
    """The :class:`~mmrl_envs.grid.hindsight.events.StepEvents` of T steps."""

    faced: NDArray[np.uint64]  # [T] each
    picked_up: NDArray[np.uint64]
    opened: NDArray[np.uint64]
    moved: NDArray[np.int32]
    next_to: NDArray[np.uint64]


@kernel
def _verify_actions(
    state: State, layout: Layout, actions: NDArray[np.int64], outcomes: NDArray[np.int8]
) -> int:
    """Replay the actions from the state's only row, and verify its instruction after each; how
    many were taken until it was decided.
    """
    track(state, layout, 0)
    for t in range(len(actions)):
        act(state, layout, 0, actions[t])
        outcomes[t] = outcome_of(state, layout, 0, actions[t])
        if outcomes[t] != CONTINUE:
            return t + 1
    return len(actions)


@kernel
def _replay(state: State, layout: Layout, actions: NDArray[np.int64], events: _Events) -> None:
    """Replay the actions from the state's only row, and write down the events of each step."""
    track(state, layout, 0)
    held_before, decided = known_hands(state, 0), 0
    for t in range(len(actions)):
        act(state, layout, 0, actions[t])
        new = detect(state, layout, 0, actions[t], held_before, decided)
        decided = new.decided
        events.faced[t] = new.faced
        events.picked_up[t] = new.picked_up
        events.opened[t] = new.opened
        events.moved[t] = new.moved
        events.next_to[t] = new.next_to
        held_before = signed(state.carried[0])


@dataclass(frozen=True)
class Moment:
    """The state of one environment at one time, to evaluate instructions from.

    Attributes:
        state: a copy of its row.
        layout: of its grid.
    """

    state: State
    layout: Layout

    def verify(
        self, actions: Sequence[int] | NDArray[np.int64], instruction: Instruction
    ) -> NDArray[np.int8]:
        """Evaluate an instruction on what these actions would do from here on.

        Args:
            actions: T of them.
            instruction: any; its descriptions refer to objects as they are now.

        Returns:
            int8 [t]: 0 (not yet), 1 (success) or 2 (failure of a strict clause) after each action
            until it is decided, t ≤ T.
        """
        state = self._copy()
        rules = state.instruction[0, 0] & STRICT_RULES
        state.instruction[0] = instruction.code
        state.instruction[0, 0] |= rules
        taken = np.asarray(actions, np.int64)
        outcomes = np.zeros(len(taken), np.int8)
        return outcomes[: _verify_actions(state, self.layout, taken, outcomes)]

    def achieved(
        self, actions: Sequence[int] | NDArray[np.int64]
    ) -> tuple[tuple[Clause, ...], ...]:
        """Everything that these actions achieve from here on.

        Args:
            actions: T of them.

        Returns:
            For each of the T steps the clauses that are first fulfilled by it, in every wording
            that is true: an instruction of that clause alone, given in this moment, would have
            ended in success with this step. What generation rejects is left out: objects that are
            put next to themselves, or to what they stood next to already.
        """
        matches = self._matches()
        events = self._events(np.asarray(actions, np.int64))
        known: set[Clause] = set()
        steps = []
        for t in range(len(events.faced)):
            new = [one for one in self._clauses(events, t, matches) if one not in known]
            known.update(new)
            steps.append(tuple(new))
        return tuple(steps)

    def sequences(
        self, actions: Sequence[int] | NDArray[np.int64], limit: int = 32
    ) -> Iterator[Instruction]:
        """Instructions of two clauses that these actions achieve: "A, then B", "B after you A" and
        "A and B", each verified; objects by colour and noun ("the red ball"), ``limit`` at most.
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
        """Clauses that are true of this state, for a caption: the agent faces an object ("go to"),
        carries one ("pick up"), a door is open, two objects are adjacent ("put").

        Descriptions have no location, since there is no start to count from.
        """
        row = _Row(self.state, self.layout)
        matches = {
            Description(one.noun, one.color, "", bin(found).count("1") > 1): found
            for one in DESCRIPTIONS
            if not one.location and (found := row.alike(one))
        }

        def clauses_of(verb: str, things: int) -> list[Clause]:
            return [
                Clause(verb, one)
                for one, found in matches.items()
                if found & things and is_grammatical(verb, one)
            ]

        clauses = clauses_of("go to", row.at(row.front)) + clauses_of("pick up", row.held)
        clauses += clauses_of("open", row.open_doors)
        for thing, near in row.pairs():
            clauses += [
                Clause("put", moved, fixed)
                for moved, fixed in itertools.product(matches, repeat=2)
                if matches[moved] >> thing & 1
                and matches[fixed] & near
                and not matches[moved] & matches[fixed]
                and is_grammatical("put", moved)
            ]
        return tuple(dict.fromkeys(clauses))

    def _copy(self) -> State:
        return State._make(array.copy() for array in self.state)

    def _events(self, actions: NDArray[np.int64]) -> _Events:
        steps = len(actions)
        faced, picked_up, opened, next_to = np.zeros((4, steps), np.uint64)
        moved = np.zeros(steps, np.int32)
        events = _Events(faced, picked_up, opened, moved, next_to)
        _replay(self._copy(), self.layout, actions, events)
        return events

    def _matches(self) -> dict[Description, int]:
        """The objects that each description means here, where there are any; "a" or "the" as the
        verifier words it.
        """
        found = np.zeros(len(CODES), np.uint64)
        match(self.state, self.layout, 0, CODES, found)
        matches = {}
        for one, mask in zip(DESCRIPTIONS, found.tolist(), strict=True):
            several = is_several(one, mask)
            if mask:
                matches[Description(one.noun, one.color, one.location, several)] = mask
        return matches

    def _clauses(
        self, events: _Events, t: int, matches: dict[Description, int]
    ) -> Iterator[Clause]:
        """All clauses that the events of step t fulfil."""
        single = {
            "go to": int(events.faced[t]),
            "pick up": int(events.picked_up[t]),
            "open": int(events.opened[t]),
        }
        for verb, things in single.items():
            for one, meant in matches.items():
                if meant & things and is_grammatical(verb, one):
                    yield Clause(verb, one)
        moved, near = _bit(events.moved[t]), int(events.next_to[t])
        if not moved:
            return
        row = _Row(self.state, self.layout)
        fixed = [(one, meant) for one, meant in matches.items() if meant & near]
        for target, meant in matches.items():
            if meant & moved and is_grammatical("put", target):
                for other, others in fixed:
                    if not meant & others and not row.are_beside(meant, others):
                        yield Clause("put", target, other)


class _Row:
    """The only row of a state as Python integers; sets of objects hold a bit each."""

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
        """The open doors."""
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


def _is_plain(clause: Clause) -> bool:
    described = [clause.target, *([clause.beside] if clause.beside else [])]
    return all(one.color and one.noun != "object" and not one.location for one in described)
