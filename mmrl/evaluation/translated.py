"""An agent that is told what to do in another language than its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmrl.actor import Actor, ActorWrapper
from mmrl.generative.translator import Translator
from mmrl.observation import INSTRUCTION


class Translated(ActorWrapper):
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
        """The same pictures with the instructions translated.

        Raises:
            UserError: words that the translator does not know.
        """
        told = observation[INSTRUCTION]
        new = [sentence for sentence in dict.fromkeys(told) if sentence not in self._known]
        if new:
            said = self._translator.translate(new)
            self._known |= {one: other.sentence for one, other in zip(new, said, strict=True)}
        return {**observation, INSTRUCTION: tuple(self._known[sentence] for sentence in told)}
