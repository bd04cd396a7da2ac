"""A modality → text: an encoder, the decoder that puts its tokens into words, and their words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mmrl.encoders.freezing import Encoder
from mmrl.generative.continuations import Continuations, OneOf
from mmrl.generative.decoder import TextDecoder
from mmrl.model import autocast
from mmrl.preprocessing.text import WordTokenizer

_AT_ONCE: Final = 128


class Said(NamedTuple):
    """A sentence, and how probable the generator holds it, 0 to 1."""

    sentence: str
    probability: float


class TextGenerator(nn.Module):
    """p(sentence | input), whatever the encoder reads: pictures make it a captioner, speech a
    recogniser, sentences of another language a translator.

    Args:
        encoder: input [B, …] → Tokens.
        tokenizer: of what is said; its ``length`` is the longest sentence.
        precision: fp32, or bf16 for matrix products in bfloat16.
        decoder: arguments of :class:`~mmrl.generative.decoder.TextDecoder`.
    """

    def __init__(
        self, encoder: Encoder, tokenizer: WordTokenizer, *, precision: str = "fp32", **decoder: Any
    ) -> None:
        super().__init__()
        self.encoder, self.tokenizer, self.precision = encoder, tokenizer, precision
        self.decoder = TextDecoder(
            encoder.shape, tokenizer.size, length=tokenizer.length, **decoder
        )

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    def loss(self, given: Tensor, ids: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """See :meth:`TextDecoder.loss`; ``given`` is the encoder's input."""
        with autocast(self.precision, self.device):
            return self.decoder.loss(self.encoder(given), ids, label_smoothing=label_smoothing)

    @torch.no_grad()
    def say(
        self,
        given: Tensor,
        *,
        how: str = "greedy",
        beams: int = 4,
        temperature: float = 1.0,
        allowed: Continuations | None = None,
    ) -> list[Said]:
        """A sentence for each of B inputs, so many at once as are worth it; see
        :meth:`TextDecoder.generate`.
        """
        was_training = self.training
        self.eval()
        said = []
        for part in given.split(_AT_ONCE):
            with autocast(self.precision, self.device):
                made = self.decoder.generate(
                    self.encoder(part.to(self.device)),
                    how=how,
                    beams=beams,
                    temperature=temperature,
                    allowed=allowed,
                )
            chances = made.log_prob.exp().tolist()
            said += [
                Said(self.tokenizer.decode(ids), chance)
                for ids, chance in zip(made.ids.tolist(), chances, strict=True)
            ]
        self.train(was_training)
        return said

    @torch.no_grad()
    def probabilities(self, given: Tensor, sentences: Sequence[str]) -> Tensor:
        """How probable each input's sentence is, float32 [B], 0 to 1."""
        was_training = self.training
        self.eval()
        with autocast(self.precision, self.device):
            logs = self.decoder.log_prob(self.encoder(given.to(self.device)), self.ids(sentences))
        self.train(was_training)
        return logs.exp()

    def ids(self, sentences: Sequence[str]) -> Tensor:
        """Token ids int32 [B, L], on its device."""
        rows = np.stack([self.tokenizer.encode(sentence) for sentence in sentences])
        return torch.from_numpy(rows).to(self.device)

    def one_of(self, sentences: Sequence[str]) -> OneOf:
        """To be held to some sentences.

        Raises:
            ValueError: a word that it does not know.
        """
        return OneOf(sentences, self.tokenizer)
