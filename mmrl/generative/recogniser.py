"""Speech → text: a :class:`~mmrl.generative.generator.TextGenerator` that takes waveforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmrl.encoders.speech import SpeechEncoder
from mmrl.errors import UserError
from mmrl.generative.generator import Said, TextGenerator
from mmrl.preprocessing.speech import RATE, LogMel
from mmrl.preprocessing.text import WordTokenizer


class Recogniser(TextGenerator):
    """p(sentence | speech).

    Args:
        preprocessor: waveforms → the encoder's features; its ``seconds`` are the longest speech.
        encoder: features → Tokens.
        tokenizer: of what is heard.
        more: arguments of :class:`~mmrl.generative.generator.TextGenerator`.
    """

    def __init__(
        self, preprocessor: LogMel, encoder: SpeechEncoder, tokenizer: WordTokenizer, **more: Any
    ) -> None:
        super().__init__(encoder, tokenizer, **more)
        self.preprocessor = preprocessor

    def transcribe(self, waveforms: Sequence[NDArray[np.float32]], **how: Any) -> list[Said]:
        """The sentence of each waveform.

        Args:
            waveforms: float32 [T] each, at 16 kHz.
            how: arguments of :meth:`~mmrl.generative.generator.TextGenerator.say`.

        Raises:
            UserError: one is longer than what it was fitted for.
        """
        limit = self.preprocessor.seconds
        for number, waveform in enumerate(waveforms):
            if len(waveform) > limit * RATE:
                raise UserError(
                    f"speech number {number + 1} takes {len(waveform) / RATE:.1f} s: this model "
                    f"was fitted for at most {limit:g} s. Cut it, or fit one with more --seconds"
                )
        features = np.stack([self.preprocessor.encode(one) for one in waveforms])
        return self.say(torch.from_numpy(features), **how)
