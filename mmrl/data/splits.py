"""Held-out cases: what training never shows, so that an evaluation can ask for it.

A case is held out by what its sentence speaks of: pairs of a colour and a noun. Every colour and
every noun is seen in training, but not these together; an agent that carries out such an
instruction has understood its parts (systematic generalization, Hill et al., 2020).

Which of an environment's sentences are learnt from, and which are kept for the test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final, Generic, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track

from mmrl.contract import EVAL_SEED_START

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


T = TypeVar("T")


def training_seeds(count: int, seed: int) -> list[int]:
    """Seeds of episodes to learn from, below those of held-out ones."""
    return list(map(int, np.random.default_rng(seed).integers(EVAL_SEED_START, size=count)))


def held_out_seeds(count: int) -> list[int]:
    """Seeds of episodes to test with."""
    return list(range(EVAL_SEED_START, EVAL_SEED_START + count))


def is_held_out(sentence: str, share: float) -> bool:
    """Whether a sentence belongs to the share of all sentences that is never learnt from: by its
    hash, so that it is the same everywhere and at all times.
    """
    return int.from_bytes(sha256(sentence.encode()).digest()[:8]) < share * 2**64


def shown(items: Sequence[T], doing: str) -> Iterator[T]:
    """The items, under a progress bar in the terminal."""
    console = Console(stderr=True)
    yield from track(items, doing, console=console, disable=not console.is_terminal)
