"""What did each agent of a batch achieve just now? Told step by step, while the episodes go on.

A :class:`AchievementTracker` says after every step what
:meth:`~mmrl_envs.grid.hindsight.achievements.Moment.achieved` would say of the episode's start and
its actions up to now. It notes events in a kernel, and looks for words only where something
happened for the first time.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import DOOR_OPEN, DROP, KIND_MASK, PICKUP, TOGGLE
from mmrl_envs.grid.core.jit import kernel, part, signed
from mmrl_envs.grid.core.state import NOTHING, NOWHERE, Layout, State
from mmrl_envs.grid.hindsight.achievements import DESCRIPTIONS, match, may
from mmrl_envs.grid.language.instructions import VERBS, Description
from mmrl_envs.grid.language.languages import find_language
from mmrl_envs.grid.rules.verification import beside, front_cell, object_at

_CODES: Final = np.array([one.code for one in DESCRIPTIONS])
_MAY: Final = {verb: np.array([may(verb, one) for one in DESCRIPTIONS]) for verb in VERBS}
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
    gone_to: NDArray[np.uint64]  # [N] objects that the agent has faced
    picked_up: NDArray[np.uint64]  # [N]
    opened: NDArray[np.uint64]  # [N]
    put: NDArray[np.uint64]  # [N, M] what each object has been put next to


class _News(NamedTuple):
    """What the last step added to the record."""

    any: NDArray[np.bool_]  # [N]
    gone_to: NDArray[np.uint64]  # [N]
    picked_up: NDArray[np.uint64]  # [N]
    opened: NDArray[np.uint64]  # [N]
    moved: NDArray[np.int32]  # [N] the object that was put …
    next_to: NDArray[np.uint64]  # [N] … next to these


@part
def _begin(state: State, e: int, record: Record) -> None:
    record.agent_cell[e] = state.agent_cell[e]
    record.agent_direction[e] = state.agent_direction[e]
    record.object_count[e] = state.object_count[e]
    for thing in range(state.object_code.shape[1]):
        record.object_code[e, thing] = state.object_code[e, thing]
        record.object_cell[e, thing] = state.object_cell[e, thing]
        record.put[e, thing] = 0
    record.held[e] = NOTHING
    record.gone_to[e] = record.picked_up[e] = record.opened[e] = 0


@part
def _bit(thing: int) -> np.uint64:
    return np.uint64(1) << np.uint64(thing)


@part
def _note(state: State, layout: Layout, e: int, action: int, record: Record, news: _News) -> None:
    """Note what an action that has been taken did, as a verifier would see it."""
    front = front_cell(state, layout, e)
    held, before = signed(state.carried[e]), signed(record.held[e])
    record.held[e] = held
    faced = picked = opened = near = np.uint64(0)
    news.moved[e] = NOTHING
    for thing in range(state.object_count[e]):
        if state.known_cell[e, thing] == front:
            faced |= _bit(thing)
    if action == PICKUP and held != NOTHING and before == NOTHING:
        picked = _bit(held)
    elif action == TOGGLE and state.grid[e, front] & KIND_MASK == DOOR_OPEN:
        door = object_at(state, e, front)
        if door != NOTHING:
            opened = _bit(door)
    elif action == DROP and before != NOTHING:
        where = signed(state.object_cell[e, before])
        if where != NOWHERE:
            for thing in range(state.object_count[e]):
                known = signed(state.known_cell[e, thing])
                if known != NOWHERE and beside(where, known, layout.stride):
                    near |= _bit(thing)
            news.moved[e] = before
            near &= ~record.put[e, before]
            record.put[e, before] |= near
    news.next_to[e] = near
    news.gone_to[e] = faced & ~record.gone_to[e]
    news.picked_up[e] = picked & ~record.picked_up[e]
    news.opened[e] = opened & ~record.opened[e]
    record.gone_to[e] |= faced
    record.picked_up[e] |= picked
    record.opened[e] |= opened
    happened = news.gone_to[e] | news.picked_up[e] | news.opened[e] | near
    news.any[e] = happened != np.uint64(0)


@kernel
def _watch_envs(
    state: State,
    layout: Layout,
    start: int,
    stop: int,
    actions: NDArray[np.int64],
    paused: NDArray[np.bool_],
    restart: NDArray[np.bool_],
    record: Record,
    news: _News,
) -> None:
    """Note what the step that environments ``start`` to ``stop - 1`` have just made brought."""
    for e in range(start, stop):
        if paused[e]:
            continue
        if restart[e]:
            news.any[e] = False
            _begin(state, e, record)
        else:
            _note(state, layout, e, actions[e], record, news)


class _Words:
    """What can be said of the objects of one episode.

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
        self.phrases = [both[a] for both, a in zip(phrases, several.tolist(), strict=True)]


class AchievementTracker:
    """Tells what the agents of a batch of worlds achieve.

    Args:
        state: of the worlds, one row each.
        layout: of their grids.
        language: to tell it in.
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
            gone_to=sets(),
            picked_up=sets(),
            opened=sets(),
            put=np.zeros((n, m), np.uint64),
        )
        nothing = np.full(n, NOTHING, np.int32)
        self._news = _News(np.zeros(n, np.bool_), sets(), sets(), sets(), nothing, sets())
        self._start = state._replace(
            agent_cell=self.record.agent_cell,
            agent_direction=self.record.agent_direction,
            object_count=self.record.object_count,
            object_code=self.record.object_code,
            object_cell=self.record.object_cell,
        )
        self._clause = find_language(language).clause
        describe = find_language(language).description
        self._phrases = [
            (describe(one), describe(Description(one.noun, one.color, one.location, True)))
            for one in DESCRIPTIONS
        ]
        self._words: dict[int, _Words] = {}
        self._silence = np.empty(n, object)
        self._silence.fill(())

    def watch(
        self,
        state: State,
        start: int,
        stop: int,
        actions: NDArray[np.int64],
        paused: NDArray[np.bool_],
        restart: NDArray[np.bool_],
    ) -> None:
        """Look at environments ``start`` to ``stop - 1`` after a step, with the arguments of
        :func:`mmrl_envs.grid.stepping.step_envs`.
        """
        _watch_envs(
            state, self._layout, start, stop, actions, paused, restart, self.record, self._news
        )

    def begin(self, state: State, rows: NDArray[np.int64]) -> None:
        """Watch environments ``rows`` as if their episodes began as they stand now."""
        self.forget(rows)
        for name, array in self.record._asdict().items():
            array[rows] = getattr(state, name)[rows] if name in state._fields else 0
        self.record.held[rows] = NOTHING

    def forget(self, rows: NDArray[np.int64]) -> None:
        """Drop the words for episodes that are over; each of environments ``rows`` has begun a new
        one, or stands somewhere else.
        """
        for e in rows.tolist():
            self._words.pop(e, None)

    def tell(self, mask: NDArray[np.bool_] | None = None) -> NDArray[np.object_]:
        """What the last step achieved for the first time in its episode.

        Args:
            mask: bool [N], of the environments that are asked; all, if None.

        Returns:
            An object array [N] of tuples of sentences, None where nobody asks.
        """
        told = self._silence.copy()
        if mask is not None:
            told[~mask] = None
        asked = self._news.any if mask is None else self._news.any & mask
        for e in np.flatnonzero(asked).tolist():
            told[e] = self._told(e)
        return told

    def _told(self, e: int) -> tuple[str, ...]:
        words = self._words_of(e)
        sentences: list[str] = []
        record, news = self.record, self._news
        for verb, had, new in (
            ("go to", record.gone_to[e], news.gone_to[e]),
            ("pick up", record.picked_up[e], news.picked_up[e]),
            ("open", record.opened[e], news.opened[e]),
        ):
            if new:
                fits = _meets(words.meant, new) & ~_meets(words.meant, had & ~new) & _MAY[verb]
                sentences += [
                    self._clause(verb, words.phrases[k], "") for k in np.flatnonzero(fits).tolist()
                ]
        if news.next_to[e]:
            sentences += self._put(e, words)
        return tuple(sentences)

    def _put(self, e: int, words: _Words) -> list[str]:
        """All wordings of what was put next to something, but for those of earlier steps, and for
        things put next to themselves or to what they stood next to at the start.
        """
        moved, new = int(self._news.moved[e]), self._news.next_to[e]
        earlier = self.record.put[e].copy()
        earlier[moved] &= ~new
        ruled_out = earlier | words.near
        targets = _meets(words.meant, np.uint64(1 << moved)) & _MAY["put"]
        others = np.flatnonzero(_meets(words.meant, new))
        sentences = []
        for k in np.flatnonzero(targets).tolist():
            meant = words.meant[k]
            theirs = _meets(meant, _bits(len(ruled_out)))
            never = meant | np.bitwise_or.reduce(ruled_out[theirs])
            fixed = others[~_meets(words.meant[others], never)]
            sentences += [
                self._clause("put", words.phrases[k], words.phrases[j]) for j in fixed.tolist()
            ]
        return sentences

    def _words_of(self, e: int) -> _Words:
        if e not in self._words:
            meant = np.zeros(len(_CODES), np.uint64)
            match(self._start, self._layout, e, _CODES, meant)
            cells = self.record.object_cell[e].astype(np.int64)
            apart = np.abs(cells[:, None] - cells)
            here = (cells != NOWHERE) & (np.arange(len(cells)) < self.record.object_count[e])
            touch = ((apart == 1) | (apart == self._layout.stride)) & here & here[:, None]
            near = (touch * _bits(len(cells))).sum(axis=1, dtype=np.uint64)
            self._words[e] = _Words(meant, near, self._phrases)
        return self._words[e]


def _bits(count: int) -> NDArray[np.uint64]:
    return np.uint64(1) << np.arange(count, dtype=np.uint64)


def _meets(some: NDArray[np.uint64] | np.uint64, others: NDArray[np.uint64] | np.uint64) -> Any:
    """Whether sets of objects have any in common, bool of the shape of both together."""
    return some & others != 0
