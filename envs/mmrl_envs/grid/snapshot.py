"""Snapshots: the exact state of a batch as plain arrays, for resuming, branching and replays.

A snapshot is a dictionary of arrays, so that ``numpy.savez`` can keep it and nothing is pickled.
It holds one row an environment, and can go into any rows of a batch of the same level and sizes.
With an achievement tracker its record is part of the snapshot; without one, achievements are
tracked as if the episode began there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.state import NOTHING, State
from mmrl_envs.grid.rules.invariants import RULES, check_envs
from mmrl_envs.grid.rules.knowledge import update_seen
from mmrl_envs.grid.worlds import GridWorlds

Snapshot = dict[str, NDArray[Any]]

VERSION: Final = 3
_FORMER_NAMES: Final = {"streams": "rng", "recipe": "program"}
"""Of version 1. Versions 1 and 2, which have no strict episodes, are read too."""
_COMMON: Final = ("version", "level", "geometry", "program", "fixed_max_steps")
_SEEDS: Final = "seeds"
_ACHIEVED: Final = "achieved_"


def take_snapshot(worlds: GridWorlds, rows: NDArray[np.int64]) -> Snapshot:
    """A copy of the state of environments ``rows``, int64 [K], random generators included."""
    record = {} if worlds.tracker is None else worlds.tracker.record._asdict()
    return {
        "version": np.array(VERSION),
        "level": np.array(worlds.level),
        "geometry": _geometry(worlds),
        "program": worlds.program.copy(),
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
            level or size; or an invalid state, with the invariant that it violates. Nothing was
            changed then.
    """
    snapshot = _upgraded(snapshot)
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
            update_seen(worlds.state, worlds.layout, e, e + 1, begun)
    worlds.update_sentences(rows)
    if worlds.tracker is not None:
        worlds.tracker.begin(worlds.state, rows)
        for name, new in record.items():
            getattr(worlds.tracker.record, name)[rows] = new


def _upgraded(snapshot: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """A snapshot of an earlier version as one of the present version; others as they are."""
    version = snapshot.get("version")
    if not isinstance(version, np.ndarray) or version.shape != () or version not in (1, 2):
        return snapshot
    renamed = {_FORMER_NAMES.get(name, name): array for name, array in snapshot.items()}
    if (held := renamed.get(f"{_ACHIEVED}held")) is not None:
        renamed.setdefault(f"{_ACHIEVED}decided", np.zeros_like(held))
    return renamed | {"version": np.array(VERSION)}


def _geometry(worlds: GridWorlds) -> NDArray[np.int64]:
    """The size of the rooms, and how many there are in a row and a column."""
    layout = worlds.layout
    return np.array([layout.room_size, layout.columns, layout.rows])


def _checked(
    worlds: GridWorlds, snapshot: Mapping[str, NDArray[Any]], count: int
) -> tuple[State, NDArray[np.uint64]]:
    """The validated state and seeds of a snapshot."""
    _check_names(snapshot)
    version = snapshot["version"]
    if version.shape != () or version != VERSION:
        raise ValueError(f"version {version} of a state: versions 1 to {VERSION} are read")
    if str(snapshot["level"]) != worlds.level:
        raise ValueError(f"a state of level {snapshot['level']}: this is {worlds.level}")
    same_rooms = np.array_equal(snapshot["geometry"], _geometry(worlds))
    if not same_rooms or not np.array_equal(snapshot["program"], worlds.program):
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
    """The validated record of a tracker in a snapshot; empty without one."""
    if worlds.tracker is None or not given:
        return {}
    likes = worlds.tracker.record._asdict()
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
        ("decided", 0, 31),
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
