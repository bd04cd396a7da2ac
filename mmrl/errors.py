"""The error that a user can cause, and the names that were nearest to a wrong one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_MOST: Final = 16  # names that are listed
_LONGEST: Final = 80  # characters of a name
_LONG_WORD: Final = re.compile(r"[^\s/\\]{256,}")  # no name of a file is as long
_KEPT: Final = 100


class UserError(Exception):
    """Something the user asked for cannot be had; the message says what, and what to do.

    The command line prints the message alone and exits with status 2. Of a word that is longer than
    a name can be, the message has the beginning and the end.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(_LONG_WORD.sub(_shortened, str(message)))


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


def _shortened(word: re.Match[str]) -> str:
    return f"{word[0][:_KEPT]}…{word[0][-_KEPT // 2 :]}"
