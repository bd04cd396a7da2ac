"""Does an agent do what it is told? It is told something else, and should do that instead.

An agent that is told what to do in another language than its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmrl.agent import Actor, ActorWrapper
from mmrl.contract import INSTRUCTION, SPEECH
from mmrl.errors import UserError
from mmrl.generative.text.models import Translator


class InstructionSwap(ActorWrapper):
    """An actor that reads and hears the instruction of another episode.

    An agent that follows its instructions fails then; success that stays is what can be had
    without them, by luck or by trying everything. An episode keeps its wrong instruction, one of
    those that other episodes had so far.

    Args:
        actor: who acts.
    """

    def __init__(self, actor: Actor) -> None:
        super().__init__(actor)
        self._heard: dict[str, Any] = {}  # how each sentence was said, None without speech
        self._told: dict[int, tuple[str, str]] = {}  # by row, its own sentence and the other one

    def change(self, observation: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same images with other instructions.

        Raises:
            UserError: there is only one instruction.
        """
        own = observation[INSTRUCTION]
        speech = observation.get(SPEECH)
        for row, sentence in enumerate(own):
            if sentence not in self._heard:
                self._heard[sentence] = None if speech is None else speech[row].copy()
        for row, sentence in enumerate(own):
            if row not in self._told or self._told[row][0] != sentence:
                self._told[row] = sentence, self._another(row, sentence)
        told = [self._told[row][1] for row in range(len(own))]
        misleading = {**observation, INSTRUCTION: tuple(told)}
        if speech is not None:
            misleading[SPEECH] = np.stack([self._heard[sentence] for sentence in told])
        return misleading

    def _another(self, row: int, sentence: str) -> str:
        others = [other for other in self._heard if other != sentence]
        if not others:
            raise UserError(
                f"all episodes say {sentence!r}: there is nothing else to tell. Take another "
                "environment, or more episodes"
            )
        return others[row % len(others)]


class TranslatedInstructions(ActorWrapper):
    """An actor that reads translations of its instructions.

    Args:
        actor: who acts.
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
        told = observation[INSTRUCTION]
        new = [sentence for sentence in dict.fromkeys(told) if sentence not in self._known]
        if new:
            said = self._translator.translate(new)
            self._known |= {one: other.sentence for one, other in zip(new, said, strict=True)}
        return {**observation, INSTRUCTION: tuple(self._known[sentence] for sentence in told)}
