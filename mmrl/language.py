"""What the sentences of an environment mean: a protocol, its neutral default, and how to find one.

The framework reads no sentence. Whatever depends on what a sentence says is asked of an
:class:`InstructionLanguage`: which instructions ask for the same, what a painter is prompted with,
which descriptions are held out. An environment names its own in its metadata::

    metadata = {"language": "my_package.language:MyLanguage"}

where ``MyLanguage()`` has all methods of the protocol, most easily as a subclass of
:class:`NeutralLanguage`, of which it overrides what its sentences need. Where an environment names
none, :data:`NEUTRAL` is used, under which every sentence is a whole that equals only itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from gymnasium.envs.registration import load_env_creator

from mmrl.errors import UserError
from mmrl.registry import find_spec
from mmrl.trust import import_trusted

LANGUAGE: Final = "language"
"""The key of an environment's metadata under which it names its language, ``module:Class``."""
_PATH: Final = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*(?:\.[^\W\d]\w*)*)")


@runtime_checkable
class InstructionLanguage(Protocol):
    """What the instructions and descriptions of an environment mean.

    An instruction is what an agent is given to do; a description (``info["description"]``) is what
    an image shows; a prompt is what a painter is asked to show, one or several constraints.
    """

    @property
    def held_out_pairs(self) -> tuple[tuple[str, ...], ...]:
        """Combinations of words that training never shows together where a configuration has
        ``held_out_pairs: true``; empty where the language holds none out.
        """
        ...

    def is_held_out(self, sentence: str) -> bool:
        """Whether an instruction or a description mentions a held-out combination."""
        ...

    def kind(self, instruction: str) -> str:
        """What kind of instruction it is, such as its verbs: to group results by."""
        ...

    def canonical(self, sentence: str) -> str:
        """One form for all sentences that ask for the same."""
        ...

    def prompt(
        self, description: str, generator: np.random.Generator, *, places: float = 0.0
    ) -> str:
        """A prompt that an image of this description satisfies; "" where there is nothing to ask.

        Args:
            description: of the image.
            generator: the only source of randomness.
            places: share of the things that are asked for with where they are, in a language that
                can ask for things without it.
        """
        ...

    def constraints(self, prompt: str) -> tuple[str, ...]:
        """The constraints of a prompt."""
        ...

    def satisfied(self, prompt: str, description: str) -> tuple[bool, ...]:
        """Which constraints of a prompt an image of this description satisfies."""
        ...

    def possible_constraints(
        self, descriptions: Iterable[str], *, places: bool = False
    ) -> list[str]:
        """All constraints that prompts may have where images are described so, sorted.

        Args:
            descriptions: of the images.
            places: whether things are asked for with where they are.
        """
        ...

    def goal_prompt(self, instruction: str) -> str:
        """The prompt for an image of an instruction's goal: what is seen once it is done."""
        ...

    def phrases(self, description: str) -> tuple[str, ...]:
        """The parts of a description, each of which is true of the image by itself."""
        ...

    def generalized(self, phrase: str) -> str:
        """A phrase that claims less, such as one without the place; the phrase itself where there
        is none.
        """
        ...

    def query(self, description: str, phrases: Sequence[str]) -> str:
        """The sentence that asks for some phrases of a description, generalized or not."""
        ...

    def layout(self, description: str) -> tuple[str, ...]:
        """What descriptions share that differ in nothing but the things that they mention: such
        images are each other's hard negatives.
        """
        ...


class LanguageWithSplits(InstructionLanguage, Protocol):
    """A language that has splits of instructions of its own, for agents (:mod:`mmrl.splits`)."""

    @property
    def splits(self) -> Mapping[str, str]:
        """The name of each split, and what it holds out."""
        ...

    def in_split(self, split: str, instruction: str) -> bool:
        """Whether an instruction is one of those that a split holds out.

        Args:
            split: a name of :attr:`splits`.
            instruction: to look at.
        """
        ...


class LanguageWithParaphrases(InstructionLanguage, Protocol):
    """A language whose instructions have paraphrases (:mod:`mmrl.paraphrases`)."""

    @property
    def paraphrase_files(self) -> Sequence[Path]:
        """The files of the paraphrases, such as one for each tongue."""
        ...


class LanguageWithMentions(InstructionLanguage, Protocol):
    """A language that knows what its instructions mention."""

    def mentions(self, instruction: str) -> Mapping[str, Sequence[str]]:
        """The names of what an instruction mentions, by what they are: ``{"color": ["red"]}``."""
        ...


class LanguageWithFactors(InstructionLanguage, Protocol):
    """A language that names factors of variation that training leaves as they are."""

    @property
    def factors(self) -> Mapping[str, Sequence[Any]]:
        """By arguments of the environment, values that an evaluation changes them to."""
        ...


class NeutralLanguage:
    """The default, see :class:`InstructionLanguage`: a sentence is of its own kind, equals only
    itself, and is its own only phrase; a prompt is a description, a goal is prompted for with the
    instruction as it is, and nothing is held out.
    """

    @property
    def held_out_pairs(self) -> tuple[tuple[str, ...], ...]:
        """None."""
        return ()

    def is_held_out(self, sentence: str) -> bool:
        """False."""
        return False

    def kind(self, instruction: str) -> str:
        """The instruction."""
        return instruction

    def canonical(self, sentence: str) -> str:
        """The sentence."""
        return sentence

    def prompt(
        self, description: str, generator: np.random.Generator, *, places: float = 0.0
    ) -> str:
        """The description."""
        return description

    def constraints(self, prompt: str) -> tuple[str, ...]:
        """The prompt, if there is one."""
        return (prompt,) if prompt else ()

    def satisfied(self, prompt: str, description: str) -> tuple[bool, ...]:
        """Whether the one equals the other."""
        return tuple(one == description for one in self.constraints(prompt))

    def possible_constraints(
        self, descriptions: Iterable[str], *, places: bool = False
    ) -> list[str]:
        """The different descriptions."""
        return sorted({one for one in descriptions if one})

    def goal_prompt(self, instruction: str) -> str:
        """The instruction."""
        return instruction

    def phrases(self, description: str) -> tuple[str, ...]:
        """The description."""
        return (description,)

    def generalized(self, phrase: str) -> str:
        """The phrase."""
        return phrase

    def query(self, description: str, phrases: Sequence[str]) -> str:
        """The phrases, commas between them."""
        return ", ".join(phrases)

    def layout(self, description: str) -> tuple[str, ...]:
        """The description: it shares its layout with no other."""
        return (description,)


NEUTRAL: Final[InstructionLanguage] = NeutralLanguage()
"""The language of environments that name none."""

_loaded: dict[str, InstructionLanguage] = {}


def find_language(source: Any) -> InstructionLanguage:
    """The language that an environment names; :data:`NEUTRAL` where it names none.

    An id is looked up without making the environment, in the metadata of its class: one that is
    registered by a function names its language only once it is made.

    Args:
        source: an environment or a batch of some, its metadata, or its id (also as ``module:id``,
            which imports that module: check ids that are read from files with :mod:`mmrl.trust`).

    Raises:
        UserError: no such environment; or a language that cannot be imported, or lacks methods.
    """
    if isinstance(source, str):
        metadata = _registered_metadata(source)
    else:
        metadata = source if isinstance(source, Mapping) else getattr(source, "metadata", None)
    named = (metadata or {}).get(LANGUAGE)
    return NEUTRAL if named is None else load_language(named)


def known_kind(language: InstructionLanguage, instruction: str) -> str:
    """The kind of an instruction; empty where the language knows no kinds, and an instruction is of
    its own.
    """
    if not instruction:
        return ""
    kind = language.kind(instruction)
    return "" if kind in (instruction, language.canonical(instruction)) else kind


def kind_of(source: Any, instruction: str) -> str:
    """As :func:`known_kind`, by the language of an environment; empty, too, for a sentence that it
    does not know.

    Args:
        source: as of :func:`find_language`.
        instruction: the sentence.
    """
    try:
        return known_kind(find_language(source), instruction)
    except Exception:  # a sentence that the language does not know
        return ""


def mentions(language: InstructionLanguage, instruction: str) -> Mapping[str, Sequence[str]]:
    """What an instruction mentions, see :class:`LanguageWithMentions`; nothing where the language
    does not know it, or does not know the sentence.
    """
    named = getattr(language, "mentions", None)
    try:
        return {} if named is None else dict(named(instruction))
    except Exception:  # a sentence that the language does not know
        return {}


def load_language(path: str) -> InstructionLanguage:
    """The language of a path ``module:Class``, made once.

    Raises:
        UserError: it cannot be imported, or lacks methods.
    """
    if not isinstance(path, str) or path not in _loaded:
        made = _load(path)
        _loaded[path] = made
    return _loaded[path]


def language_path(language: InstructionLanguage) -> str:
    """The path by which :func:`load_language` finds a language again; "" of the neutral one."""
    cls = type(language)
    return "" if cls is NeutralLanguage else f"{cls.__module__}:{cls.__qualname__}"


def shared_language(languages: Iterable[InstructionLanguage]) -> InstructionLanguage:
    """The language of several data sets; those that name none follow the others.

    Raises:
        UserError: they name different ones.
    """
    named = {path: one for one in languages if (path := language_path(one))}
    if len(named) > 1:
        raise UserError(
            f"the data are of environments with different languages: {', '.join(sorted(named))}; "
            "give data of one"
        )
    return next(iter(named.values()), NEUTRAL)


def is_among(language: InstructionLanguage, sentence: str, others: Iterable[str]) -> bool:
    """Whether a sentence asks for the same as one of some others."""
    return language.canonical(sentence) in {language.canonical(one) for one in others}


def _load(path: Any) -> InstructionLanguage:
    found = _PATH.fullmatch(path) if isinstance(path, str) else None
    if found is None:
        raise UserError(f"metadata['{LANGUAGE}'] is {path!r}: it must be module:Class")
    module, name = found.groups()
    try:
        made: Any = import_trusted(module)
        for part in name.split("."):
            made = getattr(made, part)
        language: Any = made()
    except Exception as error:  # whatever a package of environments raises
        raise UserError(
            f"language {path!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    lacking = [one for one in _members() if not hasattr(language, one)]
    if lacking:
        raise UserError(
            f"language {path!r} lacks {', '.join(lacking)}: make it a subclass of "
            "mmrl.language.NeutralLanguage, or give it these methods"
        )
    checked: InstructionLanguage = language
    return checked


def _members() -> list[str]:
    return [name for name in vars(InstructionLanguage) if not name.startswith("_")]


def _registered_metadata(env_id: str) -> Any:
    """The metadata of an environment's class, which is not made."""
    spec = find_spec(env_id)
    entry = spec.entry_point or spec.vector_entry_point
    if isinstance(entry, str):
        try:
            entry = load_env_creator(entry)
        except Exception as error:  # whatever a package of environments raises
            raise UserError(
                f"environment {env_id!r} cannot be imported: {type(error).__name__}: {error}"
            ) from error
    return getattr(entry, "metadata", None)
