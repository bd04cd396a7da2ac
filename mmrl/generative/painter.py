"""The painter: words → codes of patches, one after the other → a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmrl.encoders.distinct import TextEncoder
from mmrl.encoders.text import build_text_encoder
from mmrl.errors import UserError
from mmrl.generative.image_tokenizer import ImageTokenizer
from mmrl.generative.patch_decoder import PatchDecoder
from mmrl.model import autocast
from mmrl.preprocessing.text import START, WordTokenizer, split_words

_FIRST: Final = START + 1  # what stands for the first code
_AT_ONCE: Final = 64


class Painter(nn.Module):
    """p(picture | sentence), as p of each patch's code, given those above and to the left of it
    (Ramesh et al., 2021).

    Args:
        tokenizer: of pictures; it stays as it is.
        codes: of patches that are painted with; any others never are.
        words: tokenizer of sentences.
        encoder: its ids → Tokens.
        precision: fp32, or bf16 for matrix products in bfloat16.
        decoder: arguments of :class:`~mmrl.generative.patch_decoder.PatchDecoder`.
    """

    _codes: Tensor

    def __init__(
        self,
        tokenizer: ImageTokenizer,
        codes: Sequence[int],
        words: WordTokenizer,
        encoder: TextEncoder,
        *,
        precision: str = "fp32",
        **decoder: Any,
    ) -> None:
        super().__init__()
        self.tokenizer, self.words, self.encoder = tokenizer, words, encoder
        self.precision = precision
        tokenizer.requires_grad_(False)
        self.register_buffer("_codes", torch.tensor(sorted(codes)), persistent=False)
        self.decoder = PatchDecoder(
            encoder.shape, _FIRST + len(codes), tokenizer.grid[0] * tokenizer.grid[1], **decoder
        )

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self._codes.device

    def loss(self, sentences: Tensor, codes: Tensor) -> Tensor:
        """The mean of -ln p of a patch's code.

        Args:
            sentences: token ids int32 [B, L], as :meth:`read` makes them.
            codes: of the pictures' patches, int64 [B, K], all of them among the painter's.
        """
        with autocast(self.precision, self.device):
            return self.decoder.loss(self.encoder(sentences), self._as_text(codes))

    @torch.no_grad()
    def log_prob(self, sentences: Tensor, codes: Tensor) -> Tensor:
        """Log p(picture | sentence), natural, float32 [B]; as for :meth:`loss`."""
        with autocast(self.precision, self.device):
            return self.decoder.log_prob(self.encoder(sentences), self._as_text(codes))

    @torch.no_grad()
    def paint(
        self,
        sentences: Sequence[str],
        *,
        seed: int = 0,
        temperature: float = 1.0,
        guidance: float = 3.0,
    ) -> NDArray[np.uint8]:
        """A picture of each sentence, uint8 [B, H, W, 3].

        Args:
            sentences: what is to be seen; an empty one leaves it to the painter.
            seed: another one paints other pictures.
            temperature: below 1 likelier patches are preferred.
            guidance: above 1 the sentence is kept to the more, see :meth:`PatchDecoder.draw`.

        Raises:
            UserError: words that it never learnt, with their names; too long a sentence.
        """
        ids = self.read(sentences)
        generator = torch.Generator().manual_seed(seed)
        pictures = []
        for part in ids.split(_AT_ONCE):
            both = torch.cat([part, self.read([""] * len(part))])
            with autocast(self.precision, self.device):
                drawn = self.decoder.draw(
                    self.encoder(both),
                    generator,
                    temperature=temperature,
                    guidance=guidance,
                )
            pictures.append(self.tokenizer.decode(self._codes[drawn - _FIRST]))
        return torch.cat(pictures).permute(0, 2, 3, 1).cpu().numpy()

    def read(self, sentences: Sequence[str]) -> Tensor:
        """Token ids int32 [B, L], on its device; of an empty sentence the start mark alone.

        Raises:
            UserError: as :meth:`paint`.
        """
        for sentence in set(sentences):
            self._check(sentence)
        nothing = np.zeros(self.words.length, np.int32)
        nothing[0] = START
        rows = [self.words.encode(one) if one.strip() else nothing for one in sentences]
        return torch.from_numpy(np.stack(rows)).to(self.device)

    def _check(self, sentence: str) -> None:
        words = split_words(sentence)
        strange = sorted({word for word in words if word not in self.words.words})
        if strange:
            raise UserError(
                f"the painter does not know {', '.join(map(repr, strange))}; its words are: "
                f"{' '.join(self.words.words)}"
            )
        if len(words) >= self.words.length:
            raise UserError(
                f"{sentence!r} has {len(words)} words and marks: this painter reads at most "
                f"{self.words.length - 1}"
            )

    def _as_text(self, codes: Tensor) -> Tensor:
        """Codes int64 [B, K] as the decoder's ids, int64 [B, 1 + K], with a start mark."""
        ids = torch.searchsorted(self._codes, codes) + _FIRST
        return nn.functional.pad(ids, (1, 0), value=START)


def build_painter(
    tokenizer: dict[str, Any],
    codes: Sequence[int],
    words: Sequence[str],
    *,
    length: int = 48,
    text: str = "word_cnn",
    text_args: dict[str, Any] | None = None,
    precision: str = "fp32",
    **decoder: Any,
) -> Painter:
    """A painter with new weights.

    Args:
        tokenizer: arguments of :class:`~mmrl.generative.image_tokenizer.ImageTokenizer`.
        codes: of patches that are painted with.
        words: of which sentences are made.
        length: the longest sentence, in words and marks, start mark included.
        text, text_args: the encoder of sentences, as in :class:`mmrl.building.ModelConfig`.
        precision: fp32 or bf16.
        decoder: width, layers, heads and dropout of the decoder.

    Raises:
        UserError: an unknown encoder, or numbers that cannot be.
    """
    reader = WordTokenizer(words, length)
    encoder = build_text_encoder(text, reader.space.words, length, **(text_args or {}))
    return Painter(
        ImageTokenizer(**tokenizer), codes, reader, encoder, precision=precision, **decoder
    )
