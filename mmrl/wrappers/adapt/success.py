"""What the success of an episode is: said by the environment, a rule of the user's, or unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from mmrl.contract import IS_SUCCESS, read_success, scalar
from mmrl.errors import UserError
from mmrl.wrappers.adapt.config import ADAPTER, NONE, TERMINATED

_ENTRIES: Final = (IS_SUCCESS, "success", "is_solved", "solved")
"""Entries of the last info that say it, the likeliest first."""
_ABOVE: Final = "return_above"


class EpisodeEnd(NamedTuple):
    """The last step of an episode.

    Attributes:
        info, terminated, reward: of the step.
        total: the return, the sum of the episode's rewards.
    """

    info: Mapping[str, Any]
    terminated: bool
    reward: Any
    total: float


class SuccessSource(NamedTuple):
    """Where the success of an episode comes from.

    Attributes:
        read: of an episode's end; None where it is unknown.
        note: for people.
    """

    read: Callable[[EpisodeEnd], bool | None]
    note: str


def find_success(given: Any, option: str = f"{ADAPTER}.success") -> SuccessSource:
    """The source of an environment's success.

    Args:
        given: what the configuration says; None takes what the last info has under one of the
            usual names, and is unknown without.
        option: by which it is given, for errors.

    Raises:
        UserError: the configuration says something else.
    """
    if given is None:
        return SuccessSource(_usual, f"info[{IS_SUCCESS!r}] or info['success'], else unknown")
    if given == NONE:
        return SuccessSource(lambda _: None, "unknown")
    if given == TERMINATED:
        return SuccessSource(_rewarded, "terminated with a positive reward")
    if isinstance(given, str):
        return SuccessSource(lambda end: read_success(end.info.get(given)), f"info[{given!r}]")
    threshold = _number(given.get(_ABOVE)) if isinstance(given, Mapping) else None
    if threshold is None or set(given) != {_ABOVE}:
        raise UserError(
            f"{option}={given!r}: give an entry of the last info such as is_success, "
            f"{TERMINATED}, {{{_ABOVE}: 0.9}}, or {NONE}"
        )
    least = threshold
    return SuccessSource(lambda end: end.total > least, f"a return above {least:g}")


def _number(given: Any) -> float | None:
    """A number, which a nested option of the command line has as text; None for anything else."""
    try:
        return float(given) if isinstance(given, str) else scalar(given)
    except ValueError:
        return None


def _usual(end: EpisodeEnd) -> bool | None:
    for key in _ENTRIES:
        if end.info.get(key) is not None:
            return read_success(end.info[key])
    return None


def _rewarded(end: EpisodeEnd) -> bool:
    return bool(end.terminated and (scalar(end.reward) or 0) > 0)
