"""The instruction language: five integers in the kernels, an English sentence outside.

BabyAI's grammar (Chevalier-Boisvert et al., 2019, table 1)::

    sentence    := half | half ", then " half | half " after you " half
    half        := clause | clause " and " clause
    clause      := "go to " D | "pick up " D | "open " D | "put " D " next to " D
    D           := ("the" | "a") [colour] (box | ball | key | door | object) [location]
    location    := "in front of you" | "behind you" | "on your left" | "on your right"

An instruction is ``int32 [5]``: the order (0 one half, 1 before, 2 after), then up to two clauses
of the first half and up to two of the second; a clause that is not there is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import (
    BALL,
    BOX,
    COLOR_SHIFT,
    COLORS,
    DOOR_OPEN,
    DOORS,
    KEY,
    KIND_MASK,
)

# Orders of the two halves.
SINGLE: Final = 0
BEFORE: Final = 1
AFTER: Final = 2
ORDER_MASK: Final = 3
# Beside the order, how a strict episode is decided, see rules/strict.py; neither where it is not.
BY_ACT: Final = 1 << 2
BY_DONE: Final = 1 << 3
STRICT_RULES: Final = BY_ACT | BY_DONE

# Kinds of clause.
GO_TO: Final = 1
PICK_UP: Final = 2
OPEN: Final = 3
PUT_NEXT: Final = 4
VERBS: Final = {"go to": GO_TO, "pick up": PICK_UP, "open": OPEN, "put": PUT_NEXT}

# A description: noun (3 bits), 1 + colour (3), location (3), "several match" (1).
NOUNS: Final = ("object", "box", "ball", "key", "door")
NOUN_OF_KIND: Final = {BOX: 1, BALL: 2, KEY: 3, DOOR_OPEN: 4}
DOOR_NOUN: Final = 4
LOCATIONS: Final = ("", "on your left", "on your right", "in front of you", "behind you")
COLOR_BITS: Final = 3
LOCATION_BITS: Final = 6
SEVERAL: Final = 1 << 9
# A clause: verb (4 bits), description (10), second description (10), strict (1).
DESCRIPTION_A: Final = 4
DESCRIPTION_B: Final = 14
DESCRIPTION_MASK: Final = 1023
STRICT: Final = 1 << 24

MAX_CHARACTERS: Final = 400
"""More than the longest sentence of the grammar: four times "put … next to …"."""

# fmt: off
VOCABULARY: Final = (
    "a", "after", "and", "ball", "behind", "blue", "box", "door", "front", "go", "green",
    "grey", "in", "key", "left", "next", "object", "of", "on", "open", "pick", "purple",
    "put", "red", "right", "the", "then", "to", "up", "yellow", "you", "your",
)
# fmt: on
"""Every word that a sentence can hold, sorted."""


@dataclass(frozen=True)
class Description:
    """A noun phrase that describes an object.

    Attributes:
        noun: one of :data:`NOUNS`; ``"object"`` matches every kind.
        color: one of the colours, or ``""`` for any.
        location: one of :data:`LOCATIONS`, relative to the agent's start; ``""`` for anywhere.
        several: more than one object matched when the episode began ("a" instead of "the").
    """

    noun: str
    color: str = ""
    location: str = ""
    several: bool = False

    def __str__(self) -> str:
        words = ("a" if self.several else "the", self.color, self.noun, self.location)
        return " ".join(word for word in words if word)

    def fits(self, code: int) -> bool:
        """Whether an object that looks like a cell code is one of this noun and colour."""
        kind = code & KIND_MASK
        noun = NOUN_OF_KIND[DOOR_OPEN if DOORS >> kind & 1 else kind]
        has_color = not self.color or COLORS[code >> COLOR_SHIFT] == self.color
        return has_color and self.noun in ("object", NOUNS[noun])

    @property
    def code(self) -> int:
        """The ten bits that the kernels read."""
        color = 1 + COLORS.index(self.color) if self.color else 0
        location = LOCATIONS.index(self.location)
        return (
            NOUNS.index(self.noun)
            | color << COLOR_BITS
            | location << LOCATION_BITS
            | SEVERAL * self.several
        )

    @classmethod
    def from_code(cls, code: int) -> Description:
        """The description whose :attr:`code` is given."""
        color = code >> COLOR_BITS & 7
        return cls(
            noun=NOUNS[code & 7],
            color=COLORS[color - 1] if color else "",
            location=LOCATIONS[code >> LOCATION_BITS & 7],
            several=bool(code & SEVERAL),
        )


@dataclass(frozen=True)
class Clause:
    """One thing to do.

    Attributes:
        verb: a key of :data:`VERBS`.
        target: what it is done to.
        beside: for "put", what the target is put next to.
        strict: doing it to a wrong object ends the episode in failure.
    """

    verb: str
    target: Description
    beside: Description | None = None
    strict: bool = False

    def __str__(self) -> str:
        tail = f" next to {self.beside}" if self.beside else ""
        return f"{self.verb} {self.target}{tail}"

    @property
    def code(self) -> int:
        """The 25 bits that the kernels read."""
        beside = self.beside.code if self.beside else 0
        return (
            VERBS[self.verb]
            | self.target.code << DESCRIPTION_A
            | beside << DESCRIPTION_B
            | STRICT * self.strict
        )

    @classmethod
    def from_code(cls, code: int) -> Clause:
        """The clause whose :attr:`code` is given."""
        verb = next(name for name, number in VERBS.items() if number == code & 15)
        target = Description.from_code(code >> DESCRIPTION_A & DESCRIPTION_MASK)
        beside = Description.from_code(code >> DESCRIPTION_B & DESCRIPTION_MASK)
        return cls(verb, target, beside if verb == "put" else None, bool(code & STRICT))


@dataclass(frozen=True)
class Instruction:
    """A parsed instruction: one half, or two in an order.

    Attributes:
        first: one or two clauses, which come first in the sentence.
        second: one or two clauses, or none.
        order: ``""``, ``"before"`` (first, then second) or ``"after"`` (first after second).
    """

    first: tuple[Clause, ...]
    second: tuple[Clause, ...] = ()
    order: str = ""

    def __str__(self) -> str:
        halves = [" and ".join(map(str, half)) for half in (self.first, self.second) if half]
        return (" after you " if self.order == "after" else ", then ").join(halves)

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """All clauses, in the order of the sentence."""
        return (*self.first, *self.second)

    @property
    def kind(self) -> str:
        """What is asked for without the objects, such as "go to", "open and put" or "pick up,
        then open": to group results by, or to split them.
        """
        halves = [
            " and ".join(clause.verb for clause in half)
            for half in (self.first, self.second)
            if half
        ]
        return (" after " if self.order == "after" else ", then ").join(halves)

    @property
    def code(self) -> NDArray[np.int32]:
        """The five integers that the kernels read, int32 [5]."""
        code = np.zeros(5, np.int32)
        code[0] = ("", "before", "after").index(self.order)
        for start, half in ((1, self.first), (3, self.second)):
            for offset, clause in enumerate(half):
                code[start + offset] = clause.code
        return code

    @classmethod
    def from_code(cls, code: NDArray[np.int32]) -> Instruction:
        """The instruction whose :attr:`code` is given, int32 [5]."""
        first, second = (
            tuple(Clause.from_code(int(clause)) for clause in code[i : i + 2] if clause)
            for i in (1, 3)
        )
        return cls(first, second, ("", "before", "after")[int(code[0]) & ORDER_MASK])

    @classmethod
    def from_sentence(cls, text: str) -> Instruction:
        """Read a sentence of the language; ``str`` gives it back.

        A sentence does not show whether a clause is strict: it is read as one that is not.

        Raises:
            ValueError: a sentence that the grammar does not have, with what does not fit.
        """
        order, halves = "", [text]
        for name, link in (("before", ", then "), ("after", " after you ")):
            if link in text:
                order, halves = name, text.split(link)
                break
        if len(halves) > 2 or ", then " in halves[-1]:
            raise ValueError(f"{text!r}: more than two halves")
        read = [tuple(_read_clause(clause) for clause in half.split(" and ")) for half in halves]
        if max(map(len, read)) > 2:
            raise ValueError(f"{text!r}: more than two clauses joined by 'and'")
        return cls(read[0], read[1] if order else (), order)


def _read_clause(text: str) -> Clause:
    for verb in VERBS:
        if text.startswith(f"{verb} "):
            rest = text.removeprefix(f"{verb} ")
            break
    else:
        raise ValueError(f"{text!r}: must begin with one of {', '.join(VERBS)}")
    if verb == "put":
        moved, link, fixed = rest.partition(" next to ")
        if not link:
            raise ValueError(f"{text!r}: 'put' needs 'next to'")
        clause = Clause(verb, _read_description(moved), _read_description(fixed))
    else:
        clause = Clause(verb, _read_description(rest))
    is_door = clause.target.noun == "door"
    if is_door != (verb == "open") and verb != "go to":
        raise ValueError(f"{text!r}: {'only doors open' if verb == 'open' else 'doors stay'}")
    return clause


def _read_description(text: str) -> Description:
    article, *words = text.split(" ")
    if article not in ("the", "a"):
        raise ValueError(f"{text!r}: must begin with 'the' or 'a'")
    color = words.pop(0) if words and words[0] in COLORS else ""
    if not words or words[0] not in NOUNS:
        raise ValueError(
            f"{text!r}: {words[0] if words else 'nothing'!r} stands where one of "
            f"{', '.join((*COLORS, *NOUNS))} is expected"
        )
    noun, location = words[0], " ".join(words[1:])
    if location not in LOCATIONS:
        raise ValueError(f"{text!r}: {location!r} is none of {', '.join(LOCATIONS[1:])}")
    return Description(noun, color, location, article == "a")


@lru_cache(maxsize=1 << 16)
def parsed(code: bytes) -> Instruction:
    """The instruction given as the bytes of its int32 [5]; remembered, since the same few
    instructions come back at every reset.
    """
    return Instruction.from_code(np.frombuffer(code, np.int32))
