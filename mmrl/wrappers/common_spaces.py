"""The observation and action space that several environments have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from mmrl.errors import UserError
from mmrl.text_output import printable
from mmrl.wrappers.nested_spaces import describe

Space = spaces.Space[Any]


def common_observations(by_env: Sequence[tuple[str, Space]]) -> spaces.Dict:
    """The space of the observations of all: texts of any of their lengths and characters, arrays
    of the same shape and type within the widest bounds.

    Args:
        by_env: the ids of the environments, and their spaces, which fulfil the contract.

    Raises:
        UserError: two have other keys, or one key has another shape or type.
    """
    (first, own), *rest = [(env, _entries(space)) for env, space in by_env]
    for env, theirs in rest:
        for key in sorted(own.keys() ^ theirs.keys()):
            has, lacks = (first, env) if key in own else (env, first)
            raise _differ(first, env, f"{has} has {key!r} in its observations, and {lacks} has not")
        for key, space in theirs.items():
            joined = _union(own[key], space)
            if joined is None:
                what = f"{key!r} is {describe(own[key])} and {describe(space)}"
                raise _differ(first, env, what)
            own[key] = joined
    return spaces.Dict(own)


def common_actions(by_env: Sequence[tuple[str, Space]]) -> Space:
    """The action space of all.

    Args:
        by_env: as of :func:`common_observations`.

    Raises:
        UserError: two have different ones.
    """
    (first, own), *rest = by_env
    for env, theirs in rest:
        if theirs != own:
            what = f"the actions are {describe(own)} and {describe(theirs)}"
            raise _differ(first, env, what)
    return own


def _entries(space: Space) -> dict[str, Space]:
    assert isinstance(space, spaces.Dict)  # as of all that fulfil the contract
    return dict(space.spaces)


def _union(one: Space, other: Space) -> Space | None:
    """A space that holds what is in either; None where there is none that a model could take."""
    if one == other:
        return one
    if isinstance(one, spaces.Text) and isinstance(other, spaces.Text):
        return spaces.Text(
            max(one.max_length, other.max_length),
            min_length=min(one.min_length, other.min_length),
            charset="".join(sorted(one.character_set | other.character_set)),
        )
    if isinstance(one, spaces.Box) and isinstance(other, spaces.Box):
        if one.shape != other.shape or one.dtype != other.dtype:
            return None
        low, high = np.minimum(one.low, other.low), np.maximum(one.high, other.high)
        return spaces.Box(low, high, one.shape, one.dtype.type)
    return None


def common_entries(mappings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The entries that are equal in all mappings."""
    first, *rest = mappings
    return {
        key: value
        for key, value in first.items()
        if all(key in one and _is_same(one[key], value) for one in rest)
    }


def _is_same(one: Any, other: Any) -> bool:
    try:
        return one is other or bool(one == other)
    except Exception:  # arrays, or whatever a package keeps there
        return False


def _differ(first: str, second: str, what: str) -> UserError:
    return UserError(
        f"environments {printable(first)} and {printable(second)} cannot be played by one policy: "
        f"{printable(what)}"
    )
