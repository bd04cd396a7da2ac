"""Held-out cases: which of an environment's sentences are learnt from, and which are kept for the
test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

import numpy as np

from mmrl.contract import EVAL_SEED_START
from mmrl.errors import UserError
from mmrl.language import NEUTRAL, InstructionLanguage

Case = TypeVar("Case")


def check_held_out_pairs(language: InstructionLanguage) -> None:
    """Make sure that there is something to hold out where a configuration wants it.

    Raises:
        UserError: the language holds no combination of words out.
    """
    if not language.held_out_pairs:
        raise UserError(
            "held_out_pairs=true: the language of this environment holds no pairs out "
            "(metadata['language'], held_out_pairs); set it to false"
        )


class TrainingCases(Generic[Case]):
    """Lets only those cases through that training may show, and counts.

    Args:
        sentences_of: all sentences of a case.
        language: which says what is held out; the neutral one lets every case through.

    Attributes:
        kept: cases that were let through.
        turned_away: cases that were not.
    """

    def __init__(
        self,
        sentences_of: Callable[[Case], Iterable[str]],
        language: InstructionLanguage = NEUTRAL,
    ) -> None:
        self._sentences_of = sentences_of
        self._language = language
        self.kept = self.turned_away = 0

    def allows(self, case: Case) -> bool:
        """Whether a case may be shown; it is counted."""
        allowed = not any(map(self._language.is_held_out, self._sentences_of(case)))
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
