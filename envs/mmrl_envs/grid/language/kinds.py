"""The kind of an instruction: the sentence without the things that it mentions."""

from __future__ import annotations

import re
from typing import Final

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
