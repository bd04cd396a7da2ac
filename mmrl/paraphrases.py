"""Paraphrases of instructions by type, as files declare them: an evaluation gives an agent the same
instruction in other words.

A file in YAML has the paraphrases of each type, of whole sentences or of phrases in them::

    slots:                          # optional: what stands in braces
      place: [shelf, drawer]
    types:
      politeness:
        sentences:
          "close the {place}": ["please close the {place}", "would you close the {place}?"]
          "{what}": ["{what}, if you don't mind"]
      verb:
        phrases:
          "close": ["shut"]
    spelling: {"a orange": "an orange"}   # optional: mended in what comes out

A slot that ``slots`` does not list stands for any text. Its alternatives may have slots themselves;
the first one that fits is taken, so longer ones stand first. Where several patterns fit a sentence,
a paraphrase is one of all of theirs; of phrases, the longest at each place count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Self

from msgspec import Meta, field

from mmrl.errors import UserError, unknown
from mmrl.language import InstructionLanguage
from mmrl.schema import FileError, Schema, read_yaml

_SLOT: Final = re.compile(r"\{([^{}]*)\}")
_NAME: Final = re.compile(r"[^\W\d]\w*")
_START: Final = r"(?<![A-Za-z0-9])"
_END: Final = r"(?![A-Za-z0-9])"
_MOST_SLOTS: Final = 8  # of a pattern
_LONGEST: Final = 20_000  # characters of a pattern's regular expression
_LONGEST_FILE: Final = 200_000  # of those of a file together; compiled, each takes some bytes
_SUFFIXES: Final = (".yaml", ".yml")
Text = Annotated[str, Meta(min_length=1, max_length=1_000)]
Texts = Annotated[list[Text], Meta(min_length=1)]


class _Type(Schema):
    """The paraphrases of one type, by the patterns that they are for."""

    sentences: dict[Text, Texts] = field(default_factory=dict)
    phrases: dict[Text, Texts] = field(default_factory=dict)


class _File(Schema):
    """The file as a whole."""

    types: Annotated[dict[Text, _Type], Meta(min_length=1)]
    slots: dict[Text, list[Annotated[str, Meta(max_length=1_000)]]] = field(default_factory=dict)
    spelling: dict[Text, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Rule:
    """A pattern, and the templates of what it may become."""

    pattern: re.Pattern[str]
    templates: tuple[str, ...]


class ParaphraseSet:
    """The paraphrases of one file, by type.

    Attributes:
        types: their names, in the file's order.
    """

    def __init__(self, declared: _File, source: str) -> None:
        self._source, self._slots = source, declared.slots
        self._spelling, self._length = declared.spelling, 0
        self._sentences = self._rules(declared, "sentences", "", "")
        self._phrases = self._rules(declared, "phrases", _START, _END)
        self.types = tuple(declared.types)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The paraphrases of a file.

        Raises:
            FileError: it cannot be read, or is not what this module describes.
        """
        return cls(read_yaml(path, _File), str(path))

    def templates(self, kind: str) -> tuple[str, ...]:
        """All different sentence forms of a type, with their slots."""
        rules = (*self._sentences[kind], *self._phrases[kind])
        return tuple(dict.fromkeys(one for rule in rules for one in rule.templates))

    def paraphrase(self, sentence: str, kind: str, seed: int = 0) -> str | None:
        """A sentence in other words; the same ones for the same seed.

        Args:
            sentence: the instruction.
            kind: a type, one of :attr:`types`.
            seed: of the choice.

        Returns:
            None where the file has no paraphrase of this type.
        """
        options = [
            (found, template)
            for rule in self._sentences[kind]
            if (found := rule.pattern.fullmatch(sentence))
            for template in rule.templates
        ]
        if options:
            changed = _filled(*options[_number(sentence, kind, seed) % len(options)])
        else:
            changed = self._with_phrases(sentence, kind, seed)
        changed = self._spelled.sub(lambda found: self._spelling[found[0]], changed)
        return None if changed == sentence else changed

    def _with_phrases(self, sentence: str, kind: str, seed: int) -> str:
        """The sentence with other phrases."""
        pieces, at = [], 0
        for start, end, options in self._places(sentence, kind):
            number = _number(sentence, kind, seed, start)
            pieces += [sentence[at:start], _filled(*options[number % len(options)])]
            at = end
        return "".join(pieces) + sentence[at:]

    def _places(
        self, sentence: str, kind: str
    ) -> Iterator[tuple[int, int, list[tuple[re.Match[str], str]]]]:
        """The longest phrases, from left to right: where each is, and what it may become."""
        options: dict[tuple[int, int], list[tuple[re.Match[str], str]]] = {}
        for rule in self._phrases[kind]:
            for found in rule.pattern.finditer(sentence):
                options.setdefault(found.span(), []).extend(
                    (found, template) for template in rule.templates
                )
        free = 0
        for start, end in sorted(options, key=lambda span: (span[0], -span[1])):
            if start >= free and end > start:
                yield start, end, options[start, end]
                free = end

    @cached_property
    def _spelled(self) -> re.Pattern[str]:
        words = "|".join(map(re.escape, sorted(self._spelling, key=len, reverse=True)))
        return re.compile(f"{_START}(?:{words or '(?!)'}){_END}")

    def _rules(
        self, declared: _File, part: str, start: str, end: str
    ) -> dict[str, tuple[_Rule, ...]]:
        return {
            kind: tuple(
                _Rule(
                    re.compile(start + self._compiled(pattern) + end),
                    self._checked(pattern, templates),
                )
                for pattern, templates in getattr(one, part).items()
            )
            for kind, one in declared.types.items()
        }

    def _checked(self, pattern: str, templates: Sequence[str]) -> tuple[str, ...]:
        """The templates of a pattern, which have no slots but its own."""
        known = self._names(pattern)
        for template in templates:
            for name in self._names(template):
                if name not in known:
                    raise FileError(
                        f"{self._source}: {template!r} has the slot {{{name}}}, which its pattern "
                        f"{pattern!r} lacks"
                    )
        return tuple(templates)

    def _names(self, text: str) -> list[str]:
        """The slots of a text."""
        names = _SLOT.findall(text)
        wrong = [name for name in names if not _NAME.fullmatch(name)]
        if wrong or "{" in (rest := _SLOT.sub("", text)) or "}" in rest:
            raise FileError(
                f"{self._source}: {text!r}: braces hold the name of a slot, such as {{place}}"
            )
        return names

    def _compiled(self, pattern: str) -> str:
        """The regular expression of a pattern, with a group for each slot."""
        names = self._names(pattern)
        if len(set(names)) < len(names) or len(names) > _MOST_SLOTS:
            raise FileError(
                f"{self._source}: {pattern!r}: a pattern has each slot once, and {_MOST_SLOTS} at "
                "most"
            )
        compiled = self._expanded(pattern, (), named=True)
        self._length += len(compiled)
        if len(compiled) > _LONGEST or self._length > _LONGEST_FILE:
            raise self._too_long(pattern)
        return compiled

    def _expanded(self, text: str, within: tuple[str, ...], *, named: bool = False) -> str:
        """A text as a regular expression; ``within`` are the slots that it is an alternative of."""
        self._names(text)
        pieces = [re.escape(one) if k % 2 == 0 else one for k, one in enumerate(_SLOT.split(text))]
        for k in range(1, len(pieces), 2):
            name = pieces[k]
            if name in within:
                raise FileError(f"{self._source}: slot {{{name}}} contains itself")
            inner = self._alternatives(name, (*within, name))
            pieces[k] = f"(?P<{name}>{inner})" if named else f"(?:{inner})"
            if len(pieces[k]) > _LONGEST:
                raise self._too_long(text)
        return "".join(pieces)

    def _alternatives(self, name: str, within: tuple[str, ...]) -> str:
        if name not in self._slots:
            return ".+?"
        return "|".join(self._expanded(one, within) for one in self._slots[name])

    def _too_long(self, text: str) -> FileError:
        return FileError(f"{self._source}: {text!r}: its slots have too many alternatives")


@dataclass(frozen=True)
class Paraphrases:
    """Paraphrases that an evaluation asks for.

    Attributes:
        sets: of the files; the first one that has a paraphrase of a sentence gives it.
        types: whose.
    """

    sets: tuple[ParaphraseSet, ...]
    types: tuple[str, ...]

    def paraphrase(self, sentence: str, kind: str, seed: int = 0) -> str | None:
        """As :meth:`ParaphraseSet.paraphrase`."""
        for one in self.sets:
            if kind in one.types and (changed := one.paraphrase(sentence, kind, seed)) is not None:
                return changed
        return None


def find_paraphrases(given: Sequence[str], language: InstructionLanguage) -> Paraphrases:
    """The paraphrases that a user names.

    Args:
        given: types, and files of paraphrases (``….yaml``), which take the place of the language's
            own; without a type, all there are.
        language: of the environment.

    Raises:
        UserError: there are none, no such type, or a file that cannot be read.
    """
    files = [Path(one) for one in given if one.endswith(_SUFFIXES)]
    wanted = [one for one in given if not one.endswith(_SUFFIXES)]
    files = files or list(getattr(language, "paraphrase_files", ()))
    if not files:
        raise UserError(
            "paraphrases: the environment's language has none; give a file of them, ….yaml"
        )
    sets = tuple(map(ParaphraseSet.read, files))
    known: Mapping[str, None] = dict.fromkeys(kind for one in sets for kind in one.types)
    for kind in wanted:
        if kind not in known:
            raise unknown("type of paraphrases", kind, known)
    return Paraphrases(sets, tuple(dict.fromkeys(wanted)) or tuple(known))


def _number(sentence: str, kind: str, seed: int, place: int = 0) -> int:
    """A number that is the same everywhere and at all times."""
    return int.from_bytes(sha256(f"{seed}\0{place}\0{kind}\0{sentence}".encode()).digest()[:8])


def _filled(found: re.Match[str], template: str) -> str:
    """A template with what the slots hold."""
    return _SLOT.sub(lambda slot: found[slot[1]], template)
