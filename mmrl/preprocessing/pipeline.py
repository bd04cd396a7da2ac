"""The preprocessing of instructions: text to token ids, speech to features, goals to images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from gymnasium.spaces import Dict
from numpy.typing import NDArray

from mmrl.contract import GOAL, INSTRUCTION, SPEECH, rows_of, sensors
from mmrl.errors import UserError
from mmrl.preprocessing import speech as speech_files
from mmrl.preprocessing import text as text_files
from mmrl.preprocessing.encoded import EncodedSpace
from mmrl.preprocessing.speech import SpeechPreprocessor, load_speech
from mmrl.preprocessing.text import Tokenizer, load_tokenizer

_REMEMBERED: Final = 512  # utterances whose features are kept
_KEPT_IN: Final = {
    INSTRUCTION: text_files.FILE,
    SPEECH: speech_files.FILE,
    GOAL: "painter, the one that model.goal_image named",
}


class Goals(Protocol):
    """Goal images of instructions."""

    @property
    def space(self) -> EncodedSpace:
        """Uint8 [1, H, W, 3], a stack of one image."""
        ...

    def encode(self, instruction: str) -> NDArray[np.uint8]:
        """The image of an instruction's goal, always the same."""
        ...


@dataclass(frozen=True)
class Preprocessing:
    """Preprocesses instructions: text, speech or both, and a goal image beside them; nothing where
    there are no instructions.

    Attributes:
        tokenizer: for ``instruction``; None for an agent without text input.
        speech: for ``speech``; None for an agent without speech input.
        goals: for ``goal``, an image of the instruction's goal; None where there is none.
    """

    tokenizer: Tokenizer | None = None
    speech: SpeechPreprocessor | None = None
    goals: Goals | None = None
    _features: dict[bytes, NDArray[Any]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def spaces(self) -> dict[str, EncodedSpace]:
        """The spaces of what :meth:`encode` makes, by the observation's keys."""
        parts = {INSTRUCTION: self.tokenizer, SPEECH: self.speech, GOAL: self.goals}
        return {key: part.space for key, part in parts.items() if part is not None}

    def encode(self, observation: Mapping[str, Any], row: int) -> dict[str, NDArray[Any]]:
        """One row of a batch of observations → its encoded instruction, by the keys of spaces.

        Raises:
            UserError: the environment has no speech, or a goal that cannot be painted.
        """
        encoded: dict[str, NDArray[Any]] = {}
        if self.tokenizer is not None:
            if INSTRUCTION not in observation:
                raise UserError(
                    f"the observation lacks {INSTRUCTION!r}: it has {', '.join(observation)}"
                )
            encoded[INSTRUCTION] = self.tokenizer.encode(observation[INSTRUCTION][row])
        if self.speech is not None:
            if SPEECH not in observation:
                raise UserError(
                    "this agent needs spoken instructions, and the environment has no speech: "
                    "give env_args.speech={}"
                )
            encoded[SPEECH] = self._encode_speech(np.asarray(observation[SPEECH][row]))
        if self.goals is not None:
            encoded[GOAL] = self.goals.encode(observation[INSTRUCTION][row])
        return encoded

    def encode_batch(self, observation: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """A batch of observations → its encoded instructions [B, …], by the keys of spaces.

        Raises:
            UserError: as :meth:`encode`.
        """
        rows = [self.encode(observation, row) for row in range(rows_of(observation))]
        return {key: np.stack([row[key] for row in rows]) for key in self.spaces}

    def encoded_space(self, space: Dict) -> Dict:
        """The space of what a model is given of an environment: its images and vectors as they
        are, and the encoded instructions.

        Args:
            space: of the environment's observations.
        """
        return Dict({**sensors(space), **self.spaces})

    def _encode_speech(self, waveform: NDArray[np.float32]) -> NDArray[Any]:
        """Speech features; an episode's waveform comes at every step and is encoded once."""
        assert self.speech is not None
        key = blake2b(waveform.tobytes(), digest_size=16).digest()
        if key not in self._features:
            if len(self._features) >= _REMEMBERED:
                del self._features[next(iter(self._features))]
            self._features[key] = self.speech.encode(waveform)
        return self._features[key]

    @property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of each part, by the keys of :attr:`spaces`."""
        return {key: space.fingerprint for key, space in self.spaces.items()}

    def check(self, trained: Mapping[str, str]) -> None:
        """Make sure that an agent was trained with this preprocessing.

        Args:
            trained: the fingerprints of what it was trained with.

        Raises:
            UserError: it was trained with another.
        """
        now = self.fingerprints
        for key in dict.fromkeys([*now, *trained]):
            if trained.get(key) != now.get(key):
                raise UserError(
                    f"this agent was trained with another preprocessing of {key!r} "
                    f"({trained.get(key)} instead of {now.get(key)}): it cannot read other ids. "
                    f"Restore its {_KEPT_IN[key]}"
                )

    def save(self, folder: Path) -> None:
        """Write what :meth:`load` needs into a folder; a painter of goals stays where it is."""
        for part in (self.tokenizer, self.speech):
            if part is not None:
                part.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Preprocessing:
        """What was saved in a folder; nothing, where the agent has no instructions.

        Raises:
            UserError: it cannot be read.
        """
        speech = load_speech(folder) if (folder / speech_files.FILE).exists() else None
        has_text = (folder / text_files.FILE).exists()
        return cls(load_tokenizer(folder) if has_text else None, speech)
