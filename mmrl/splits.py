"""Splits for agents: which instructions training never shows, and an evaluation asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Self, cast

from mmrl.errors import UserError, unknown
from mmrl.language import InstructionLanguage, LanguageWithSplits

SPLIT: Final = "split"
"""The argument of environments under which the split is, see :meth:`Split.read`."""
SENTENCES: Final = "sentences"
"""The split of every language: a fifth of all instructions."""
SHARE: Final = 0.2


@dataclass(frozen=True)
class Split:
    """One side of a split.

    Args:
        language: of the instructions.
        name: of the split: one of the language's, or :data:`SENTENCES`.
        held_out: the instructions that are held out; otherwise all others.
    """

    language: InstructionLanguage
    name: str
    held_out: bool = False

    @classmethod
    def read(cls, given: Any, language: InstructionLanguage) -> Self:
        """A split as environments' arguments have it: ``{"name": …, "held_out": …}``, or a name.

        Raises:
            UserError: there is no such split.
        """
        plain = {"name": given} if isinstance(given, str) else given
        if not isinstance(plain, Mapping) or not {"name"} <= plain.keys() <= {"name", "held_out"}:
            raise UserError(f"split is {given!r}: give a name, or {{name: …, held_out: true}}")
        name, held_out = plain["name"], plain.get("held_out", False)
        if type(held_out) is not bool:
            raise UserError(f"split.held_out={held_out!r}: must be true or false")
        known = split_names(language)
        if name not in known:
            raise unknown("split", str(name), known)
        return cls(language, name, held_out)

    def allows(self, instruction: str) -> bool:
        """Whether an instruction is on this side of the split."""
        if self.name == SENTENCES:
            is_held_out = is_test_sentence(self.language.canonical(instruction), SHARE)
        else:
            own = cast("LanguageWithSplits", self.language)
            is_held_out = own.in_split(self.name, instruction)
        return is_held_out is self.held_out


def split_names(language: InstructionLanguage) -> dict[str, str]:
    """The splits of a language, and what each holds out."""
    own = getattr(language, "splits", {})
    return {**own, SENTENCES: f"{SHARE:.0%} of all instructions, by their hash"}


def split_argument(name: str, *, held_out: bool = False) -> dict[str, Any]:
    """The argument of environments for one side of a split."""
    return {SPLIT: {"name": name, "held_out": held_out}}


def is_test_sentence(sentence: str, share: float) -> bool:
    """Whether a sentence belongs to the share of all sentences that is never learnt from: by its
    hash, so that it is the same everywhere and at all times.
    """
    return int.from_bytes(sha256(sentence.encode()).digest()[:8]) < share * 2**64
