"""Who says what an episode has done: nobody, the verifier, or a captioner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from mmrl.generative.text.models import TextGenerator
from mmrl.language import NEUTRAL, InstructionLanguage, is_among
from mmrl.preprocessing.text import Tokenizer

_SURE: Final = 0.1  # there may be some ways to say what was done
_DRAWS: Final = 3


@dataclass(frozen=True)
class Ending:
    """The last step of an episode.

    Attributes:
        images: before and after it, uint8 [2, 3, H, W].
        instruction: token ids, int32 [L].
        success: whether it was carried out.
        cut: whether a time limit ended the episode, and not what was done.
        reward: of the last step.
        achieved: instructions that the verifier would have called carried out with this step; None
            where the environment does not say.
    """

    images: NDArray[np.uint8]
    instruction: NDArray[np.int32]
    success: bool
    cut: bool
    reward: float
    achieved: tuple[str, ...] | None

    def has_achieved(self, sentence: str, language: InstructionLanguage = NEUTRAL) -> bool:
        """Whether the verifier confirms a sentence, in a language's canonical form."""
        return is_among(language, sentence, self.achieved or ())


class Relabeller(Protocol):
    """Says what the ends of episodes have carried out."""

    @property
    def rounds(self) -> int | None:
        """How often it has learnt to say more; None where it never will."""
        ...

    def learn(self, endings: Sequence[Ending]) -> None:
        """Take notice of episodes that ended, successes among them."""
        ...

    def label(self, endings: Sequence[Ending]) -> list[str]:
        """An instruction that each of some failed episodes has carried out with its last step; an
        empty one where there is none.
        """
        ...

    def figures(self) -> dict[str, float]:
        """What is to be seen of it in TensorBoard."""
        ...

    def get_state(self) -> dict[str, Any]:
        """All that it has learnt, as plain data."""
        ...

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        ...


class Oracle:
    """The environment's verifier: one of what was achieved, by chance, in words that have been
    heard as instructions.

    Args:
        tokenizer: of the instructions.
        seed: of the choice.
    """

    rounds: int | None = None

    def __init__(self, tokenizer: Tokenizer, seed: int = 0) -> None:
        self._generator = np.random.default_rng(seed)
        self._heard = InstructionLog(tokenizer)

    def learn(self, endings: Sequence[Ending]) -> None:
        """Listen to the instructions."""
        self._heard.note(endings)

    def label(self, endings: Sequence[Ending]) -> list[str]:
        """As :meth:`Relabeller.label`."""
        return [self._choose(one.achieved or ()) for one in endings]

    def _choose(self, achieved: tuple[str, ...]) -> str:
        known = [sentence for sentence in achieved if sentence in self._heard.sentences]
        return known[int(self._generator.integers(len(known)))] if known else ""

    def figures(self) -> dict[str, float]:
        """As :meth:`Relabeller.figures`."""
        return {"sentences_heard": len(self._heard.sentences)}

    def get_state(self) -> dict[str, Any]:
        """As :meth:`Relabeller.get_state`."""
        return {"generator": self._generator.bit_generator.state, "heard": self._heard.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """As :meth:`Relabeller.set_state`."""
        self._generator.bit_generator.state = state["generator"]
        self._heard.set_state(state["heard"])


class InstructionLog:
    """The instructions that were given so far.

    Args:
        tokenizer: of the instructions.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer: Any = tokenizer
        self._ids: dict[bytes, str] = {}
        self.sentences: set[str] = set()

    def note(self, endings: Sequence[Ending]) -> list[str]:
        """Take notice of the instructions of episodes; they themselves, as sentences."""
        return [self._sentence(one.instruction) for one in endings]

    def _sentence(self, ids: NDArray[np.int32]) -> str:
        key = ids.tobytes()
        if key not in self._ids:
            self._ids[key] = self._tokenizer.decode(ids)
            self.sentences.add(self._ids[key])
        return self._ids[key]

    def get_state(self) -> list[str]:
        """The sentences."""
        return sorted(self.sentences)

    def set_state(self, state: list[str]) -> None:
        """Go on from a state."""
        self._ids, self.sentences = {}, set(state)


class Captioner:
    """A captioner that looks at the last two frames. A sentence is drawn, so that all wordings of
    what was done are learnt from, as often as instructions use them; an improbable one is drawn
    again, and after three of them it says nothing. Nor does it of episodes that a time limit has
    cut: nothing was done there, and it has learnt from what was done only.

    Args:
        generator: images uint8 [B, 2, 3, H, W] → sentences; "" where nothing was done.
        tokenizer: of the instructions; only what has been heard as one is put in.
    """

    rounds: int | None = None

    def __init__(self, generator: TextGenerator, tokenizer: Tokenizer) -> None:
        self.generator = generator
        self._heard = InstructionLog(tokenizer)

    def learn(self, endings: Sequence[Ending]) -> None:
        """Listen to the instructions."""
        self._heard.note(endings)

    def label(self, endings: Sequence[Ending]) -> list[str]:
        """As :meth:`Relabeller.label`."""
        labels = [""] * len(endings)
        for _ in range(_DRAWS):
            asked = [k for k, one in enumerate(endings) if not (one.cut or labels[k])]
            if not asked:
                break
            images = torch.from_numpy(np.stack([endings[k].images for k in asked]))
            said = self.generator.generate(images, how="sample")
            for k, one in zip(asked, said, strict=True):
                if one.probability >= _SURE and one.sentence in self._heard.sentences:
                    labels[k] = one.sentence
        return labels

    def figures(self) -> dict[str, float]:
        """As :meth:`Relabeller.figures`."""
        return {"sentences_heard": len(self._heard.sentences)}

    def get_state(self) -> dict[str, Any]:
        """As :meth:`Relabeller.get_state`; the generator does not change."""
        return {"heard": self._heard.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """As :meth:`Relabeller.set_state`."""
        self._heard.set_state(state["heard"])
