"""Held-out cases: what training never shows, so that an evaluation can ask for it.

A case is held out by what its sentence speaks of: pairs of a colour and a noun. Every colour and
every noun is seen in training, but not these together; an agent that carries out such an
instruction has understood its parts (systematic generalization, Hill et al., 2020).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final, Generic, TypeVar

Case = TypeVar("Case")
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
    """Whether an English sentence, an instruction or a description, speaks of a held-out pair: the
    colour's word right before the noun's.
    """
    return bool(_pattern(tuple(pairs)).search(sentence.lower()))


def held_out(*sentences: str, pairs: Iterable[Pair] = HELD_OUT_PAIRS) -> bool:
    """Whether a case is held out: any of its sentences speaks of a held-out pair."""
    chosen = tuple(pairs)
    return any(mentions_held_out(sentence, chosen) for sentence in sentences)


@lru_cache
def _pattern(pairs: tuple[Pair, ...]) -> re.Pattern[str]:
    if not pairs:
        return re.compile(r"(?!)")  # fits nothing
    joined = "|".join(rf"{re.escape(color)}\s+{re.escape(noun)}" for color, noun in pairs)
    return re.compile(rf"\b(?:{joined})\b")


class TrainingCases(Generic[Case]):
    """Lets only those cases through that training may show, and counts.

    Args:
        sentences_of: all that is said in a case.
        pairs: those held out.

    Attributes:
        kept: cases that were let through.
        turned_away: cases that were not.
    """

    def __init__(
        self,
        sentences_of: Callable[[Case], Iterable[str]],
        pairs: Iterable[Pair] = HELD_OUT_PAIRS,
    ) -> None:
        self._sentences_of = sentences_of
        self._pairs = tuple(pairs)
        self.kept = self.turned_away = 0

    def allows(self, case: Case) -> bool:
        """Whether a case may be shown; it is counted."""
        allowed = not held_out(*self._sentences_of(case), pairs=self._pairs)
        self.kept += allowed
        self.turned_away += not allowed
        return allowed

    def sample(self, cases: Iterable[Case]) -> Iterator[Case]:
        """Those of the cases that may be shown, in their order."""
        return (case for case in cases if self.allows(case))

    def counts(self) -> dict[str, int]:
        """``kept`` and ``turned_away``, for a report."""
        return {"kept": self.kept, "turned_away": self.turned_away}
