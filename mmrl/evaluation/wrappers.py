"""Actors with changed observations: instructions that are swapped between episodes, empty,
paraphrased or translated, and blank images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from gymnasium.vector import VectorEnv

from mmrl.agent import Actor, ActorWrapper
from mmrl.contract import INSTRUCTION, SPEECH
from mmrl.errors import UserError
from mmrl.generative.text.models import Translator
from mmrl.paraphrases import Paraphrases
from mmrl.wrappers.optional_methods import Equivalence, find_equivalence


class OneInstructionError(UserError):
    """All episodes have the same instruction."""


class NoInstructionError(UserError):
    """The environment has no instruction."""


class NoImageError(UserError):
    """The environment has no image."""


_TRIES: Final = 32
"""Sentences that are tried for an episode before it is left out."""


class InstructionSwap(ActorWrapper):
    """An actor that gets the instruction of another episode.

    The success that remains does not depend on the instruction: it is due to luck or to exploring.
    An episode keeps its swapped instruction, one of those that other episodes had so far. Where
    the environment can say whether a sentence asks for the same in its present scene
    (``is_equivalent``, see :mod:`mmrl.contract`), it is one that asks for something else; otherwise
    any different sentence.

    Args:
        actor: the agent.

    Attributes:
        left_out: seeds of episodes for which no sentence was found that asks for something else:
            they are no evidence, and are to be left out.
    """

    def __init__(self, actor: Actor) -> None:
        super().__init__(actor)
        self.left_out: set[int] = set()
        self._speech: dict[str, Any] = {}  # each sentence's first waveform; None without speech
        self._swapped: dict[int, tuple[str, str]] = {}  # by row, its own sentence and the other one
        self._are_equivalent: Equivalence | None = None
        self._seeds: Sequence[int] = ()  # of the episodes that have just begun

    def anew(self) -> InstructionSwap:
        """The same of the agent, without any instruction so far."""
        return InstructionSwap(self._actor)

    def attach(self, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
        """As :func:`mmrl.agent.attach_environment`."""
        super().attach(env, seeds)
        self._are_equivalent = find_equivalence(env)
        self._seeds = seeds
        self._swapped = {}

    def change(self, observation: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same images with other instructions.

        Raises:
            UserError: there is only one instruction, or none.
        """
        own = _sentences(observation)
        speech = observation.get(SPEECH)
        for row, sentence in enumerate(own):
            if sentence not in self._speech:
                self._speech[sentence] = None if speech is None else speech[row].copy()
        new = [
            row
            for row, sentence in enumerate(own)
            if row not in self._swapped or self._swapped[row][0] != sentence
        ]
        if new:
            self._swap(own, new)
        others = [self._swapped[row][1] for row in range(len(own))]
        changed = {**observation, INSTRUCTION: tuple(others)}
        if speech is not None:
            changed[SPEECH] = np.stack([self._speech[sentence] for sentence in others])
        return changed

    def _swap(self, own: Sequence[str], rows: list[int]) -> None:
        """Find another sentence for each of some rows."""
        candidates = {row: self._candidates(row, own[row]) for row in rows}
        for row in rows:
            self._swapped[row] = own[row], candidates[row][0]
        if self._are_equivalent is not None:
            without = self._search(own, candidates, self._are_equivalent)
            self.left_out |= {self._seeds[row] for row in without if self._seeds}
        self._seeds = ()

    def _search(
        self, own: Sequence[str], candidates: dict[int, list[str]], are_equivalent: Equivalence
    ) -> list[int]:
        """Look for sentences that ask for something else; the rows that have none."""
        pending, without = list(candidates), []
        for k in range(_TRIES):
            without += [row for row in pending if k >= len(candidates[row])]
            pending = [row for row in pending if k < len(candidates[row])]
            if not pending:
                break
            proposed = list(own)
            for row in pending:
                proposed[row] = candidates[row][k]
                self._swapped[row] = own[row], proposed[row]
            equivalent = are_equivalent(proposed, pending)
            pending = [row for row in pending if equivalent[row]]
        return without + pending

    def _candidates(self, row: int, sentence: str) -> list[str]:
        """The other sentences, each row's from another one on."""
        others = [other for other in self._speech if other != sentence]
        if not others:
            raise OneInstructionError(
                f"all episodes have the instruction {sentence!r}: there is none to swap it with. "
                "Take another environment, or more episodes"
            )
        first = row % len(others)
        return others[first:] + others[:first]


class EmptyInstruction(ActorWrapper):
    """An actor that gets no instruction: an empty sentence, and silence for speech."""

    def change(self, observation: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same images with empty instructions.

        Raises:
            UserError: there is no instruction.
        """
        changed = {**observation, INSTRUCTION: ("",) * len(_sentences(observation))}
        if SPEECH in observation:
            changed[SPEECH] = np.zeros_like(observation[SPEECH])
        return changed


class BlankImage(ActorWrapper):
    """An actor that gets blank images: all zeros, in every camera."""

    def change(self, observation: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same instructions with blank images.

        Raises:
            UserError: there is no image.
        """
        images = {key: one for key, one in observation.items() if _are_images(one)}
        if not images:
            raise NoImageError(
                f"the environment has no image: its observations are {', '.join(observation)}"
            )
        return {**observation, **{key: np.zeros_like(one) for key, one in images.items()}}


class ParaphrasedInstructions(ActorWrapper):
    """An actor that reads paraphrases of its instructions; the environment keeps its own.

    Which paraphrase an episode has depends on its seed and its instruction alone.

    Args:
        actor: the agent.
        paraphrases: to choose from.
        kind: their type.

    Attributes:
        left_out: seeds of episodes whose instruction has no paraphrase of this type.
    """

    def __init__(self, actor: Actor, paraphrases: Paraphrases, kind: str) -> None:
        super().__init__(actor)
        self._paraphrases, self._kind = paraphrases, kind
        self.left_out: set[int] = set()
        self._seeds: Sequence[int] = ()
        self._known: dict[tuple[int, str], str] = {}  # by row and its own sentence
        self._begun: set[int] = set()

    def attach(self, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
        """As :func:`mmrl.agent.attach_environment`."""
        super().attach(env, seeds)
        self._seeds, self._known, self._begun = seeds, {}, set()

    def change(self, observation: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same images with the instructions in other words.

        Raises:
            UserError: there is no instruction, or the agent may listen to it.
        """
        sentences = _sentences(observation)
        if SPEECH in observation:
            raise UserError("instructions are spoken, and paraphrases are written")
        changed = [self._paraphrased(row, one) for row, one in enumerate(sentences)]
        return {**observation, INSTRUCTION: tuple(changed)}

    def _paraphrased(self, row: int, sentence: str) -> str:
        if (row, sentence) not in self._known:
            seed = self._seeds[row] if self._seeds else row
            changed = self._paraphrases.paraphrase(sentence, self._kind, seed)
            if changed is None and row not in self._begun:
                self.left_out.add(seed)
            self._begun.add(row)
            self._known[row, sentence] = sentence if changed is None else changed
        return self._known[row, sentence]


class TranslatedInstructions(ActorWrapper):
    """An actor that reads translations of its instructions.

    Args:
        actor: the agent.
        translator: into the actor's language; each distinct sentence is translated once.
    """

    def __init__(self, actor: Actor, translator: Translator) -> None:
        super().__init__(actor)
        self._translator = translator
        self._known: dict[str, str] = {"": ""}

    def change(self, observation: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same images with the instructions translated; empty ones stay empty.

        Raises:
            UserError: words that the translator does not know, or there is no instruction.
        """
        sentences = _sentences(observation)
        new = [sentence for sentence in dict.fromkeys(sentences) if sentence not in self._known]
        if new:
            translations = self._translator.translate(new)
            pairs = zip(new, translations, strict=True)
            self._known |= {sentence: translation.sentence for sentence, translation in pairs}
        return {**observation, INSTRUCTION: tuple(self._known[one] for one in sentences)}


def _sentences(observation: Mapping[str, Any]) -> Sequence[str]:
    """The instructions of a batch.

    Raises:
        NoInstructionError: there are none.
    """
    if INSTRUCTION not in observation:
        raise NoInstructionError(
            f"the environment has no instruction: its observations are {', '.join(observation)}"
        )
    sentences: Sequence[str] = observation[INSTRUCTION]
    return sentences


def _are_images(values: Any) -> bool:
    """Whether an entry of a batch's observations is images, uint8 [B, H, W, C]."""
    return isinstance(values, np.ndarray) and values.dtype == np.uint8 and values.ndim == 4
