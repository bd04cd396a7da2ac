"""Held-out cases: what training never shows, so that an evaluation can ask for it.

A case is held out by the pairs of a colour and a noun that its sentence mentions. Every colour and
every noun is seen in training, but not these together; an agent that succeeds at such an
instruction has understood its parts (systematic generalization, Hill et al., 2020).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

Pair = tuple[str, str]

HELD_OUT_PAIRS: Final[tuple[Pair, ...]] = (
    ("red", "key"),
    ("green", "box"),
    ("blue", "ball"),
    ("purple", "door"),
    ("yellow", "key"),
    ("grey", "ball"),
)
"""One pair of each colour, and at most two of each noun: the others are left to learn it from."""


def mentions_held_out(sentence: str, pairs: Iterable[Pair] = HELD_OUT_PAIRS) -> bool:
    """Whether an English sentence, an instruction or a description, mentions a held-out pair: the
    colour's word right before the noun's.
    """
    return bool(_pattern(tuple(pairs)).search(sentence.lower()))


@lru_cache
def _pattern(pairs: tuple[Pair, ...]) -> re.Pattern[str]:
    if not pairs:
        return re.compile(r"(?!)")  # fits nothing
    joined = "|".join(rf"{re.escape(color)}\s+{re.escape(noun)}" for color, noun in pairs)
    return re.compile(rf"\b(?:{joined})\b")
