"""The kind of an instruction, the sentence without the things that it mentions; and these."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Final

from mmrl_envs.grid.language.languages import LANGUAGES

_LINKS: Final = re.compile(r"(, then | after (?:you )?| and |，然后|之后，|并且)")
_HEAD: Final = re.compile(r"先?(.*?)\s*(?:\b(?:the|an?)\b|那个|一个|$)")


def instruction_kind(sentence: str) -> str:
    """The verbs of an instruction and what links them, such as "go to" or "pick up, then open".

    A verb is whatever stands before the first article of a clause; a clause without an article is
    its own kind. English and Chinese.
    """
    pieces = _LINKS.split(sentence)
    for k in range(0, len(pieces), 2):
        head = _HEAD.match(pieces[k])
        pieces[k] = head[1] if head else pieces[k]
    for k in range(1, len(pieces), 2):
        pieces[k] = pieces[k].replace("after you", "after")
    return "".join(pieces)


@lru_cache(maxsize=1 << 12)
def mentions(sentence: str) -> Mapping[str, tuple[str, ...]]:
    """The colours, objects and places that an instruction mentions, by ``color``, ``object`` and
    ``place``, in English; nothing for a sentence that neither grammar has.
    """
    for language in LANGUAGES.values():
        with suppress(ValueError):
            clauses = language.parse(sentence).clauses
            things = [one for each in clauses for one in (each.target, each.beside) if one]
            named = {
                "color": [one.color for one in things],
                "object": [one.noun for one in things],
                "place": [one.location for one in things],
            }
            return {key: tuple(dict.fromkeys(filter(None, names))) for key, names in named.items()}
    return {}
