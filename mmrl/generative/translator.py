"""Text → text: a :class:`~mmrl.generative.generator.TextGenerator` that takes sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmrl.encoders.distinct import TextEncoder
from mmrl.errors import UserError
from mmrl.generative.generator import Said, TextGenerator
from mmrl.preprocessing.text import WordTokenizer


class Translator(TextGenerator):
    """p(sentence | sentence of another language).

    Args:
        source: tokenizer of what is read.
        encoder: its ids → Tokens.
        tokenizer: of what is said.
        more: arguments of :class:`~mmrl.generative.generator.TextGenerator`.
    """

    def __init__(
        self, source: WordTokenizer, encoder: TextEncoder, tokenizer: WordTokenizer, **more: Any
    ) -> None:
        super().__init__(encoder, tokenizer, **more)
        self.source = source

    def translate(self, sentences: Sequence[str], **how: Any) -> list[Said]:
        """Each sentence in the other language.

        Args:
            sentences: to translate.
            how: arguments of :meth:`~mmrl.generative.generator.TextGenerator.say`.

        Raises:
            UserError: words that it never learnt, with their names; a sentence that is empty or
                longer than those it was fitted for.
        """
        return self.say(self.read(sentences), **how)

    def read(self, sentences: Sequence[str]) -> Tensor:
        """What the encoder takes, int32 [B, L].

        Raises:
            UserError: as :meth:`translate`.
        """
        for sentence in sentences:
            try:
                words = 1 + len(self.source.ids(sentence))
            except ValueError as error:
                raise UserError(f"{error}. The translator was fitted without them") from error
            if words > self.source.length:
                raise UserError(
                    f"{sentence!r} has {words - 1} words: this model was fitted for at most "
                    f"{self.source.length - 1}"
                )
        return torch.from_numpy(np.stack([self.source.encode(one) for one in sentences]))
