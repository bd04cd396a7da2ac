"""The exact state of a batch as plain arrays, out and in again: for resuming, branching, replays.

A snapshot is a dictionary of arrays, so that ``numpy.savez`` can keep it and nothing is pickled.
It holds one row an environment, and can go into any rows of a batch of the same level and sizes.
Where a witness notes what is achieved, its record is in it; without one, what comes after is judged
as if the episode began there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.state import NOTHING, State
from mmrl_envs.grid.rules.invariants import RULES, check_envs
from mmrl_envs.grid.rules.knowledge import look_around
from mmrl_envs.grid.worlds import GridWorlds

Snapshot = dict[str, NDArray[Any]]

VERSION: Final = 1
_COMMON: Final = ("version", "level", "geometry", "recipe", "fixed_max_steps")
_SEEDS: Final = "seeds"
_ACHIEVED: Final = "achieved_"


def take_snapshot(worlds: GridWorlds, rows: NDArray[np.int64]) -> Snapshot:
    """A copy of the state of environments ``rows``, int64 [K], random streams included."""
    record = {} if worlds.witness is None else worlds.witness.record._asdict()
    return {
        "version": np.array(VERSION),
        "level": np.array(worlds.level),
        "geometry": _geometry(worlds),
        "recipe": worlds.recipe.copy(),
        "fixed_max_steps": np.array(worlds.fixed_max_steps),
        _SEEDS: worlds.seeds[rows],
        **{name: array[rows] for name, array in worlds.state._asdict().items()},
        **{_ACHIEVED + name: array[rows] for name, array in record.items()},
    }


def put_snapshot(
    worlds: GridWorlds, snapshot: Mapping[str, NDArray[Any]], rows: NDArray[np.int64]
) -> None:
    """Replace the state of environments ``rows``, int64 [K], by a snapshot of K environments.

    Raises:
        ValueError: an array is missing, unknown, or of another type or shape; another version,
            level or size; or a state that cannot be, with the rule that it breaks. Nothing was
            changed then.
    """
    record = {name: array for name, array in snapshot.items() if name.startswith(_ACHIEVED)}
    rest = {name: array for name, array in snapshot.items() if name not in record}
    state, seeds = _checked(worlds, rest, len(rows))
    record = _checked_record(record, worlds, len(rows))
    if state.seen.shape[1]:
        worlds.remember()
    for name, new in state._asdict().items():
        present = getattr(worlds.state, name)
        if new.shape[1:] == present.shape[1:]:
            present[rows] = new
    worlds.seeds[rows] = seeds
    if worlds.has_memory and not state.seen.shape[1]:  # known from the present view on
        begun = np.zeros(worlds.num_envs, np.bool_)
        begun[rows] = True
        for e in rows.tolist():
            look_around(worlds.state, worlds.layout, e, e + 1, begun)
    worlds.word(rows)
    if worlds.witness is not None:
        worlds.witness.begin(worlds.state, rows)
        for name, new in record.items():
            getattr(worlds.witness.record, name)[rows] = new


def _geometry(worlds: GridWorlds) -> NDArray[np.int64]:
    """The size of the rooms, and how many there are in a row and a column."""
    layout = worlds.layout
    return np.array([layout.room_size, layout.columns, layout.rows])


def _checked(
    worlds: GridWorlds, snapshot: Mapping[str, NDArray[Any]], count: int
) -> tuple[State, NDArray[np.uint64]]:
    """The state and the seeds in a snapshot, once all is well with it."""
    _check_names(snapshot)
    version = snapshot["version"]
    if version.shape != () or version != VERSION:
        raise ValueError(f"version {version} of a state: this program reads version {VERSION}")
    if str(snapshot["level"]) != worlds.level:
        raise ValueError(f"a state of level {snapshot['level']}: this is {worlds.level}")
    same_rooms = np.array_equal(snapshot["geometry"], _geometry(worlds))
    if not same_rooms or not np.array_equal(snapshot["recipe"], worlds.recipe):
        raise ValueError(f"a state of level {worlds.level} with other sizes")
    if int(snapshot["fixed_max_steps"]) != worlds.fixed_max_steps:
        raise ValueError(
            f"a state with max_steps={int(snapshot['fixed_max_steps'])}: "
            f"this is {worlds.fixed_max_steps} (0 for BabyAI's own)"
        )
    arrays = {}
    for name, like in worlds.state._asdict().items():
        given = snapshot[name]
        shapes = [(count, *like.shape[1:])]
        if name == "seen":  # with a memory, or without
            shapes = [(count, 0), (count, worlds.state.grid.shape[1])]
        _check_array(name, given, like.dtype, shapes)
        arrays[name] = np.ascontiguousarray(given)
    _check_array(_SEEDS, snapshot[_SEEDS], np.dtype(np.uint64), [(count,)])
    state = State(**arrays)
    broken, e = check_envs(state, worlds.layout, 0, count)
    if broken:
        raise ValueError(f"environment {e} of the state cannot be: {RULES[broken]}")
    return state, snapshot[_SEEDS]


def _checked_record(given: Mapping[str, NDArray[Any]], worlds: GridWorlds, count: int) -> Snapshot:
    """The record of a witness in a snapshot, once all is well with it; empty without one."""
    if worlds.witness is None or not given:
        return {}
    likes = worlds.witness.record._asdict()
    missing = {_ACHIEVED + name for name in likes} - set(given)
    if missing:
        raise ValueError(f"the state lacks {', '.join(sorted(missing))}")
    for name, like in likes.items():
        _check_array(
            _ACHIEVED + name, given[_ACHIEVED + name], like.dtype, [(count, *like.shape[1:])]
        )
    record = {name: given[_ACHIEVED + name] for name in likes}
    most = worlds.layout.max_objects
    for name, low, high in (
        ("agent_direction", 0, 3),
        ("object_count", 0, most),
        ("held", NOTHING, most - 1),
    ):
        if ((record[name] < low) | (record[name] > high)).any():
            raise ValueError(f"{_ACHIEVED}{name} of the state must be {low} to {high}")
    return record


def _check_names(snapshot: Mapping[str, NDArray[Any]]) -> None:
    expected = {*_COMMON, _SEEDS, *State._fields}
    missing, unknown = expected - set(snapshot), set(snapshot) - expected
    if missing:
        raise ValueError(f"the state lacks {', '.join(sorted(missing))}")
    if unknown:
        raise ValueError(f"the state holds {', '.join(sorted(unknown))}, which is not known")
    for name, array in snapshot.items():
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{name} of the state must be a numpy array, got {type(array)}")


def _check_array(
    name: str, given: NDArray[Any], dtype: np.dtype[Any], shapes: list[tuple[int, ...]]
) -> None:
    if given.dtype != dtype or given.shape not in shapes:
        raise ValueError(
            f"{name} of the state must be {dtype} of shape {shapes[-1]}, "
            f"got {given.dtype} of shape {given.shape}"
        )
