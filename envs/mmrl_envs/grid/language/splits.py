"""Held-out cases: what training never shows, so that an evaluation can ask for it.

Datasets hold out the pairs of a colour and a noun that a sentence mentions, agents one of
:data:`SPLITS`. Every colour and
every noun is seen in training, but not these together; an agent that succeeds at such an
instruction has understood its parts (systematic generalization, Hill et al., 2020).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

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


class InstructionSplit(NamedTuple):
    """Instructions that are held out.

    Attributes:
        holds_out: what they are, for people.
        pattern: which all of them contain, in lower case, and no other one.
    """

    holds_out: str
    pattern: re.Pattern[str]


_THING: Final = r"(?:the|a) (?:(?:red|green|blue|purple|yellow|grey) )?"

SPLITS: Final[dict[str, InstructionSplit]] = {
    "pairs": InstructionSplit(
        "six pairs of a colour and a noun, such as 'red key'", _pattern(HELD_OUT_PAIRS)
    ),
    "verbs": InstructionSplit(
        "three pairs of a verb and a noun: go to a box, pick up a key, put a ball",
        re.compile(rf"\b(?:go to {_THING}box|pick up {_THING}key|put {_THING}ball)\b"),
    ),
    "long": InstructionSplit(
        "instructions of two or more clauses, such as 'open a door, then go to the ball'",
        re.compile(r", then |\bafter you\b| and "),
    ),
    "places": InstructionSplit(
        "things that are named by their place behind the agent", re.compile(r"\bbehind you\b")
    ),
}
"""What agents never are instructed to do in training, by the name of the split. Each colour, noun,
verb and place is learned from other instructions, but for the longer ones of "long", and "places",
where the other places are learned.
"""

FACTORS: Final[dict[str, tuple[object, ...]]] = {
    "room_size": (10, 12),
    "num_dists": (12, 16),
    "theme": ("paper", "neon"),
}
"""Factors of variation, by arguments of the environments: larger rooms, more things in them, other
looks. Levels that leave an argument at its default are trained on none of these values.
"""
