"""Achievement tracking: what each agent of a batch has just achieved, while episodes run.

After every step an :class:`AchievementTracker` gives what
:meth:`~mmrl_envs.grid.hindsight.achievements.Moment.achieved` gives for the episode's start and its
actions up to now. A kernel records events, and sentences are generated only where something
happened for the first time in its episode.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.jit import device_function, kernel, signed
from mmrl_envs.grid.core.state import NOTHING, NOWHERE, Layout, State
from mmrl_envs.grid.hindsight.events import CODES, DESCRIPTIONS, detect, is_grammatical, match
from mmrl_envs.grid.language.instructions import STRICT_RULES, VERBS, Description
from mmrl_envs.grid.language.languages import find_language
from mmrl_envs.grid.rules.verification import known_hands

_IS_GRAMMATICAL: Final = {
    verb: np.array([is_grammatical(verb, one) for one in DESCRIPTIONS]) for verb in VERBS
}
_GREY_OBJECTS: Final = np.array([(o.noun, o.color) == ("object", "grey") for o in DESCRIPTIONS])
"""Minigrid counts the walls among them, so that there are always several."""


class Record(NamedTuple):
    """How N episodes began, and what was achieved in them; sets of objects hold a bit each."""

    agent_cell: NDArray[np.int32]  # [N] at the start, as all down to object_cell
    agent_direction: NDArray[np.int32]  # [N]
    object_count: NDArray[np.int32]  # [N]
    object_code: NDArray[np.uint8]  # [N, M]
    object_cell: NDArray[np.int32]  # [N, M]
    held: NDArray[np.int32]  # [N] what was carried after the last step
    decided: NDArray[np.int32]  # [N] of the last step's events
    gone_to: NDArray[np.uint64]  # [N] objects that the agent has faced
    picked_up: NDArray[np.uint64]  # [N]
    opened: NDArray[np.uint64]  # [N]
    put: NDArray[np.uint64]  # [N, M] what each object has been put next to


class _NewEvents(NamedTuple):
    """What the last step added to the record."""

    any: NDArray[np.bool_]  # [N]
    gone_to: NDArray[np.uint64]  # [N]
    picked_up: NDArray[np.uint64]  # [N]
    opened: NDArray[np.uint64]  # [N]
    moved: NDArray[np.int32]  # [N] the object that was put …
    next_to: NDArray[np.uint64]  # [N] … next to these


@device_function
def _begin(state: State, e: int, record: Record) -> None:
    record.agent_cell[e] = state.agent_cell[e]
    record.agent_direction[e] = state.agent_direction[e]
    record.object_count[e] = state.object_count[e]
    for thing in range(state.object_code.shape[1]):
        record.object_code[e, thing] = state.object_code[e, thing]
        record.object_cell[e, thing] = state.object_cell[e, thing]
        record.put[e, thing] = 0
    record.held[e] = known_hands(state, e)
    record.decided[e] = 0
    record.gone_to[e] = record.picked_up[e] = record.opened[e] = 0


@device_function
def _record(
    state: State, layout: Layout, e: int, action: int, record: Record, new: _NewEvents
) -> None:
    """Add the events of the step that environment ``e`` has just made to its record."""
    events = detect(state, layout, e, action, signed(record.held[e]), record.decided[e])
    record.decided[e] = events.decided
    record.held[e] = state.carried[e]
    new.gone_to[e] = events.faced & ~record.gone_to[e]
    new.picked_up[e] = events.picked_up & ~record.picked_up[e]
    new.opened[e] = events.opened & ~record.opened[e]
    record.gone_to[e] |= events.faced
    record.picked_up[e] |= events.picked_up
    record.opened[e] |= events.opened
    next_to = events.next_to
    if events.moved != NOTHING:
        next_to &= ~record.put[e, events.moved]
        record.put[e, events.moved] |= next_to
    new.moved[e] = events.moved
    new.next_to[e] = next_to
    happened = new.gone_to[e] | new.picked_up[e] | new.opened[e] | next_to
    new.any[e] = happened != np.uint64(0)


@kernel
def _record_envs(
    state: State,
    layout: Layout,
    start: int,
    stop: int,
    actions: NDArray[np.int64],
    paused: NDArray[np.bool_],
    restart: NDArray[np.bool_],
    record: Record,
    new: _NewEvents,
) -> None:
    """Record the step that environments ``start`` to ``stop - 1`` have just made."""
    for e in range(start, stop):
        if paused[e]:
            continue
        if restart[e]:
            new.any[e] = False
            _begin(state, e, record)
        else:
            _record(state, layout, e, actions[e], record, new)


class _Phrases:
    """The noun phrases of one episode, and the objects that each of them means.

    Args:
        meant: the objects that each description meant at the start, uint64 [descriptions].
        near: those beside each object at the start, uint64 [M].
        phrases: of each description, "the" and "a".
    """

    def __init__(
        self, meant: NDArray[np.uint64], near: NDArray[np.uint64], phrases: list[tuple[str, str]]
    ) -> None:
        self.meant, self.near = meant, near
        several = (meant & (meant - np.uint64(1)) != 0) | _GREY_OBJECTS
        self.text = [both[a] for both, a in zip(phrases, several.tolist(), strict=True)]


class AchievementTracker:
    """Tracks what the agents of a batch of worlds achieve, episode by episode.

    Args:
        state: of the worlds, one row each.
        layout: of their grids.
        language: of the sentences.
    """

    def __init__(self, state: State, layout: Layout, language: str) -> None:
        n, m = state.object_code.shape
        self._layout = layout

        def sets() -> NDArray[np.uint64]:
            return np.zeros(n, np.uint64)

        self.record = Record(
            agent_cell=state.agent_cell.copy(),
            agent_direction=state.agent_direction.copy(),
            object_count=state.object_count.copy(),
            object_code=state.object_code.copy(),
            object_cell=state.object_cell.copy(),
            held=np.full(n, NOTHING, np.int32),
            decided=np.zeros(n, np.int32),
            gone_to=sets(),
            picked_up=sets(),
            opened=sets(),
            put=np.zeros((n, m), np.uint64),
        )
        nothing = np.full(n, NOTHING, np.int32)
        self._new = _NewEvents(np.zeros(n, np.bool_), sets(), sets(), sets(), nothing, sets())
        self._start = state._replace(
            agent_cell=self.record.agent_cell,
            agent_direction=self.record.agent_direction,
            object_count=self.record.object_count,
            object_code=self.record.object_code,
            object_cell=self.record.object_cell,
        )
        self._clause = find_language(language).clause
        describe = find_language(language).description
        self._all_phrases = [
            (describe(one), describe(Description(one.noun, one.color, one.location, True)))
            for one in DESCRIPTIONS
        ]
        self._episode_phrases: dict[int, _Phrases] = {}
        self._none = np.empty(n, object)
        self._none.fill(())

    def update(
        self,
        state: State,
        start: int,
        stop: int,
        actions: NDArray[np.int64],
        paused: NDArray[np.bool_],
        restart: NDArray[np.bool_],
    ) -> None:
        """Record a step of environments ``start`` to ``stop - 1``, with the arguments of
        :func:`mmrl_envs.grid.stepping.step_envs`.
        """
        _record_envs(
            state, self._layout, start, stop, actions, paused, restart, self.record, self._new
        )

    def begin(self, state: State, rows: NDArray[np.int64]) -> None:
        """Treat the present state of environments ``rows`` as the start of their episodes."""
        self.forget(rows)
        for name, array in self.record._asdict().items():
            array[rows] = getattr(state, name)[rows] if name in state._fields else 0
        is_strict = state.instruction[rows, 0] & STRICT_RULES != 0
        self.record.held[rows] = np.where(is_strict, state.carried[rows], NOTHING)

    def forget(self, rows: NDArray[np.int64]) -> None:
        """Drop the cached phrases of environments ``rows``, which have begun another episode or
        have had their state replaced.
        """
        for e in rows.tolist():
            self._episode_phrases.pop(e, None)

    def new_achievements(self, mask: NDArray[np.bool_] | None = None) -> NDArray[np.object_]:
        """What the last step achieved for the first time in its episode.

        Args:
            mask: bool [N], which environments are asked for; all, if None.

        Returns:
            An object array [N] of tuples of sentences, None outside of the mask.
        """
        sentences = self._none.copy()
        if mask is not None:
            sentences[~mask] = None
        asked = self._new.any if mask is None else self._new.any & mask
        for e in np.flatnonzero(asked).tolist():
            sentences[e] = self._sentences(e)
        return sentences

    def _sentences(self, e: int) -> tuple[str, ...]:
        phrases = self._phrases_of(e)
        sentences: list[str] = []
        record, new_events = self.record, self._new
        for verb, had, new in (
            ("go to", record.gone_to[e], new_events.gone_to[e]),
            ("pick up", record.picked_up[e], new_events.picked_up[e]),
            ("open", record.opened[e], new_events.opened[e]),
        ):
            if new:
                earlier = _meets(phrases.meant, had & ~new)
                fits = _meets(phrases.meant, new) & ~earlier & _IS_GRAMMATICAL[verb]
                sentences += [
                    self._clause(verb, phrases.text[k], "") for k in np.flatnonzero(fits).tolist()
                ]
        if new_events.next_to[e]:
            sentences += self._put(e, phrases)
        return tuple(sentences)

    def _put(self, e: int, phrases: _Phrases) -> list[str]:
        """All sentences for what was put next to something, but for those of earlier steps, and for
        objects put next to themselves or to what they stood next to at the start.
        """
        moved, new = int(self._new.moved[e]), self._new.next_to[e]
        earlier = self.record.put[e].copy()
        earlier[moved] &= ~new
        ruled_out = earlier | phrases.near
        targets = _meets(phrases.meant, np.uint64(1 << moved)) & _IS_GRAMMATICAL["put"]
        others = np.flatnonzero(_meets(phrases.meant, new))
        sentences = []
        for k in np.flatnonzero(targets).tolist():
            meant = phrases.meant[k]
            theirs = _meets(meant, _bits(len(ruled_out)))
            never = meant | np.bitwise_or.reduce(ruled_out[theirs])
            fixed = others[~_meets(phrases.meant[others], never)]
            sentences += [
                self._clause("put", phrases.text[k], phrases.text[j]) for j in fixed.tolist()
            ]
        return sentences

    def _phrases_of(self, e: int) -> _Phrases:
        if e not in self._episode_phrases:
            meant = np.zeros(len(CODES), np.uint64)
            match(self._start, self._layout, e, CODES, meant)
            cells = self.record.object_cell[e].astype(np.int64)
            apart = np.abs(cells[:, None] - cells)
            here = (cells != NOWHERE) & (np.arange(len(cells)) < self.record.object_count[e])
            touch = ((apart == 1) | (apart == self._layout.stride)) & here & here[:, None]
            near = (touch * _bits(len(cells))).sum(axis=1, dtype=np.uint64)
            self._episode_phrases[e] = _Phrases(meant, near, self._all_phrases)
        return self._episode_phrases[e]


def _bits(count: int) -> NDArray[np.uint64]:
    return np.uint64(1) << np.arange(count, dtype=np.uint64)


def _meets(some: NDArray[np.uint64] | np.uint64, others: NDArray[np.uint64] | np.uint64) -> Any:
    """Whether sets of objects have any in common, bool of the shape of both together."""
    return some & others != 0
