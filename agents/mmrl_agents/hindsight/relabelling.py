"""Relabellers: instructions that failed episodes did achieve, by the verifier or a captioner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from mmrl.generative.text.models import TextGenerator
from mmrl.language import NEUTRAL, InstructionLanguage, is_among
from mmrl.preprocessing.text import Tokenizer
from mmrl_agents.buffers.undo import UndoLog
from mmrl_agents.earlier import entry

_MIN_PROBABILITY: Final = 0.1  # there may be several sentences for one achievement
_DRAWS: Final = 3


@dataclass(frozen=True)
class FinalStep:
    """The final step of an episode.

    Attributes:
        images: before and after it, uint8 [2, H, W, 3].
        instruction: token ids, int32 [L].
        success: whether the instruction was achieved.
        truncated: whether a time limit ended the episode.
        reward: of the step.
        achieved: instructions that were achieved with this step, by the environment's verifier;
            None where it has none.
    """

    images: NDArray[np.uint8]
    instruction: NDArray[np.int32]
    success: bool
    truncated: bool
    reward: float
    achieved: tuple[str, ...] | None

    def has_achieved(self, sentence: str, language: InstructionLanguage = NEUTRAL) -> bool:
        """Whether the verifier confirms a sentence, in a language's canonical form."""
        return is_among(language, sentence, self.achieved or ())


class Relabeller(Protocol):
    """Generates instructions that failed episodes did achieve.

    Attributes:
        undo: records what it changes, while a rollout is being collected.
    """

    undo: UndoLog

    @property
    def rounds(self) -> int | None:
        """How many rounds it has been trained for; None for one that is not trained."""
        ...

    def learn(self, final_steps: Sequence[FinalStep]) -> None:
        """Learn from episodes that ended, successes among them."""
        ...

    def label(self, final_steps: Sequence[FinalStep]) -> list[str]:
        """An instruction that each of some failed episodes achieved with its final step; an empty
        one where there is none.
        """
        ...

    def metrics(self) -> dict[str, float]:
        """Metrics for TensorBoard."""
        ...

    def get_state(self) -> dict[str, Any]:
        """The training state, as plain data."""
        ...

    def set_state(self, state: dict[str, Any]) -> None:
        """Resume from a state."""
        ...


class Oracle:
    """The environment's verifier: a random one of the instructions that were achieved, among those
    that have been given before.

    Args:
        tokenizer: of the instructions.
        seed: of the random choice.
    """

    rounds: int | None = None

    def __init__(self, tokenizer: Tokenizer, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._given = InstructionLog(tokenizer)
        self.undo = UndoLog()

    def learn(self, final_steps: Sequence[FinalStep]) -> None:
        """Record the instructions."""
        self._given.record(final_steps, self.undo)

    def label(self, final_steps: Sequence[FinalStep]) -> list[str]:
        """As :meth:`Relabeller.label`."""
        bits = self._rng.bit_generator
        self.undo.record(partial(setattr, bits, "state", bits.state))
        return [self._choose(one.achieved or ()) for one in final_steps]

    def _choose(self, achieved: tuple[str, ...]) -> str:
        known = [sentence for sentence in achieved if sentence in self._given.sentences]
        return known[int(self._rng.integers(len(known)))] if known else ""

    def metrics(self) -> dict[str, float]:
        """As :meth:`Relabeller.metrics`."""
        return {"distinct_instructions": len(self._given.sentences)}

    def get_state(self) -> dict[str, Any]:
        """As :meth:`Relabeller.get_state`."""
        return {"generator": self._rng.bit_generator.state, "instructions": self._given.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """As :meth:`Relabeller.set_state`."""
        self._rng.bit_generator.state = state["generator"]
        self._given.set_state(entry(state, "instructions"))


class InstructionLog:
    """The instructions that were given so far.

    Args:
        tokenizer: of the instructions.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer: Any = tokenizer
        self._ids: dict[bytes, str] = {}
        self.sentences: set[str] = set()

    def record(self, final_steps: Sequence[FinalStep], undo: UndoLog) -> list[str]:
        """Record the instructions of episodes; returns them as sentences."""
        return [self._sentence(one.instruction, undo) for one in final_steps]

    def _sentence(self, ids: NDArray[np.int32], undo: UndoLog) -> str:
        key = ids.tobytes()
        if key not in self._ids:
            sentence = self._tokenizer.decode(ids)
            undo.record(partial(self._ids.pop, key))
            if sentence not in self.sentences:
                undo.record(partial(self.sentences.discard, sentence))
            self._ids[key] = sentence
            self.sentences.add(sentence)
        return self._ids[key]

    def get_state(self) -> list[str]:
        """The sentences, as plain data."""
        return sorted(self.sentences)

    def set_state(self, state: list[str]) -> None:
        """Resume from a state."""
        self._ids, self.sentences = {}, set(state)


class Captioner:
    """A captioner of the last two frames. Sentences are sampled, so that all wordings are learned
    from as often as instructions use them; an improbable one is sampled again, at most three times.
    Truncated episodes get none: nothing was achieved there, and the captioner was trained on
    achievements only.

    Args:
        generator: images uint8 [B, 2, H, W, 3] → sentences.
        tokenizer: of the instructions; only sentences that were given as one are used.
    """

    rounds: int | None = None

    def __init__(self, generator: TextGenerator, tokenizer: Tokenizer) -> None:
        self.generator = generator
        self._given = InstructionLog(tokenizer)
        self.undo = UndoLog()

    def learn(self, final_steps: Sequence[FinalStep]) -> None:
        """Record the instructions."""
        self._given.record(final_steps, self.undo)

    def label(self, final_steps: Sequence[FinalStep]) -> list[str]:
        """As :meth:`Relabeller.label`."""
        labels = [""] * len(final_steps)
        for _ in range(_DRAWS):
            remaining = [k for k, one in enumerate(final_steps) if not (one.truncated or labels[k])]
            if not remaining:
                break
            images = torch.from_numpy(np.stack([final_steps[k].images for k in remaining]))
            generated = self.generator.generate(images, how="sample")
            for k, one in zip(remaining, generated, strict=True):
                if one.probability >= _MIN_PROBABILITY and one.sentence in self._given.sentences:
                    labels[k] = one.sentence
        return labels

    def metrics(self) -> dict[str, float]:
        """As :meth:`Relabeller.metrics`."""
        return {"distinct_instructions": len(self._given.sentences)}

    def get_state(self) -> dict[str, Any]:
        """As :meth:`Relabeller.get_state`; the generator does not change."""
        return {"instructions": self._given.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """As :meth:`Relabeller.set_state`."""
        self._given.set_state(entry(state, "instructions"))
