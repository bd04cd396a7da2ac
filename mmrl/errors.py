"""The error that a user can cause, and the names that were nearest to a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_MOST: Final = 24  # names that are listed
_LONGEST: Final = 80  # characters of a name


class UserError(Exception):
    """Something the user asked for cannot be had; the message says what, and what to do.

    The command line prints the message alone and exits with status 2.
    """


def unknown(what: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that does not exist, with the nearest ones that do.

    Args:
        what: what kind of thing was named, such as "fusion".
        name: the name that was given.
        known: the names that exist.
    """
    names, name = sorted(known), name[:_LONGEST]
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        hint = f"did you mean {' or '.join(repr(one) for one in near)}?"
    else:
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        hint = f"there are: {', '.join(names[:_MOST]) or 'none'}{more}."
    return UserError(f"unknown {what} {name!r}: {hint}")
