"""Actors with changed instructions: swapped between episodes, or translated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmrl.agent import Actor, ActorWrapper
from mmrl.contract import INSTRUCTION, SPEECH
from mmrl.errors import UserError
from mmrl.generative.text.models import Translator


class InstructionSwap(ActorWrapper):
    """An actor that gets the instruction of another episode.

    The success that remains does not depend on the instruction: it is due to luck or to exploring.
    An episode keeps its swapped instruction, one of those that other episodes had so far.

    Args:
        actor: the agent.
    """

    def __init__(self, actor: Actor) -> None:
        super().__init__(actor)
        self._speech: dict[str, Any] = {}  # each sentence's first waveform; None without speech
        self._swapped: dict[int, tuple[str, str]] = {}  # by row, its own sentence and the other one

    def change(self, observation: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same images with other instructions.

        Raises:
            UserError: there is only one instruction.
        """
        own = observation[INSTRUCTION]
        speech = observation.get(SPEECH)
        for row, sentence in enumerate(own):
            if sentence not in self._speech:
                self._speech[sentence] = None if speech is None else speech[row].copy()
        for row, sentence in enumerate(own):
            if row not in self._swapped or self._swapped[row][0] != sentence:
                self._swapped[row] = sentence, self._another(row, sentence)
        others = [self._swapped[row][1] for row in range(len(own))]
        changed = {**observation, INSTRUCTION: tuple(others)}
        if speech is not None:
            changed[SPEECH] = np.stack([self._speech[sentence] for sentence in others])
        return changed

    def _another(self, row: int, sentence: str) -> str:
        others = [other for other in self._speech if other != sentence]
        if not others:
            raise UserError(
                f"all episodes have the instruction {sentence!r}: there is none to swap it with. "
                "Take another environment, or more episodes"
            )
        return others[row % len(others)]


class TranslatedInstructions(ActorWrapper):
    """An actor that reads translations of its instructions.

    Args:
        actor: the agent.
        translator: into the actor's language; each distinct sentence is translated once.
    """

    def __init__(self, actor: Actor, translator: Translator) -> None:
        super().__init__(actor)
        self._translator = translator
        self._known: dict[str, str] = {}

    def change(self, observation: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same images with the instructions translated.

        Raises:
            UserError: words that the translator does not know.
        """
        sentences = observation[INSTRUCTION]
        new = [sentence for sentence in dict.fromkeys(sentences) if sentence not in self._known]
        if new:
            translations = self._translator.translate(new)
            pairs = zip(new, translations, strict=True)
            self._known |= {sentence: translation.sentence for sentence, translation in pairs}
        return {**observation, INSTRUCTION: tuple(self._known[one] for one in sentences)}
