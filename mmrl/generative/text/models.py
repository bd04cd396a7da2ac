"""A modality → text: an encoder, the decoder that puts its tokens into words, and their words.

The captioner: images of an agent's last steps → what they have carried out, or of a moment →
what is to be seen.

Speech → text: a :class:`~mmrl.generative.text.models.TextGenerator` that takes waveforms.

Text → text: a :class:`~mmrl.generative.text.models.TextGenerator` that takes sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmrl.errors import UserError
from mmrl.generative.text.decoder import Continuations, OneOf, TextDecoder
from mmrl.models.encoders.base import Encoder, TextEncoder
from mmrl.models.encoders.image import FramesEncoder, build_image_encoder
from mmrl.models.encoders.speech import SpeechEncoder
from mmrl.models.model import autocast
from mmrl.preprocessing.speech import RATE, LogMel
from mmrl.preprocessing.text import WordTokenizer

_AT_ONCE: Final = 128


class GeneratedText(NamedTuple):
    """A sentence, and how probable the generator holds it, 0 to 1."""

    sentence: str
    probability: float


class TextGenerator(nn.Module):
    """p(sentence | input), whatever the encoder reads: images make it a captioner, speech a
    recogniser, sentences of another language a translator.

    Args:
        encoder: input [B, …] → Tokens.
        tokenizer: of what is said; its ``length`` is the longest sentence.
        precision: fp32, or bf16 for matrix products in bfloat16.
        decoder: arguments of :class:`~mmrl.generative.text.decoder.TextDecoder`.
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
    ) -> list[GeneratedText]:
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
                GeneratedText(self.tokenizer.decode(ids), chance)
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


def build_captioner(
    image_size: Sequence[int],
    words: Sequence[str],
    *,
    frames: int = 2,
    length: int = 32,
    image: str = "small_resnet",
    image_args: dict[str, Any] | None = None,
    precision: str = "fp32",
    named: Sequence[str] = (),
    **decoder: Any,
) -> TextGenerator:
    """A captioner with new weights.

    Args:
        image_size: height and width of the images.
        words: of which sentences are made.
        frames: images that are looked at together, the newest last.
        length: the longest sentence, in words.
        image, image_args: the encoder of an image, as in
            :class:`mmrl.models.config.ModelConfig`; its tokens lie on a grid.
        precision: fp32 or bf16.
        named: words that only what the encoder holds aside says; see
            :class:`mmrl.generative.text.pointer.Naming`.
        decoder: width, layers, heads and dropout of the decoder.

    Raises:
        UserError: an unknown encoder, one whose tokens lie on no grid, or words to be
            named that are not among the words, or of which the encoder holds nothing aside.
    """
    size = (int(image_size[0]), int(image_size[1]))
    try:
        encoder = FramesEncoder(
            build_image_encoder(image, size, pretrained=False, **(image_args or {})), frames
        )
    except ValueError as error:
        raise UserError(f"image={image!r}, image_args={image_args}: {error}") from error
    if named and not encoder.shape.aside:
        raise UserError(f"named={list(named)}: {image} holds no colours aside; luma_chroma does")
    tokenizer = WordTokenizer(words, length + 2)
    try:
        ids = tokenizer.ids(" ".join(named))
    except ValueError as error:
        raise UserError(f"named: {error}") from error
    return TextGenerator(encoder, tokenizer, precision=precision, named=ids, **decoder)


def as_input(images: Sequence[NDArray[np.uint8]], generator: TextGenerator) -> Tensor:
    """Images for a captioner, uint8 [B, F, 3, H, W]: each F of them are looked at together.

    Args:
        images: B · F of them, uint8 [H, W, 3].
        generator: that is to look at them.

    Raises:
        UserError: another number or size than it was fitted for.
    """
    seen = generator.encoder
    assert isinstance(seen, FramesEncoder)
    if not images or len(images) % seen.frames:
        raise UserError(
            f"{len(images)} images: this captioner looks at {seen.frames} together, the newest last"
        )
    wrong = [one.shape for one in images if one.shape != (*seen.encoder.image_size, 3)]
    if wrong:
        raise UserError(
            f"an image of shape {list(wrong[0])}: this captioner was fitted for "
            f"{[*seen.encoder.image_size, 3]}"
        )
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return stacked.unflatten(0, (-1, seen.frames))


class Recogniser(TextGenerator):
    """p(sentence | speech).

    Args:
        preprocessor: waveforms → the encoder's features; its ``seconds`` are the longest speech.
        encoder: features → Tokens.
        tokenizer: of what is heard.
        more: arguments of :class:`~mmrl.generative.text.models.TextGenerator`.
    """

    def __init__(
        self, preprocessor: LogMel, encoder: SpeechEncoder, tokenizer: WordTokenizer, **more: Any
    ) -> None:
        super().__init__(encoder, tokenizer, **more)
        self.preprocessor = preprocessor

    def transcribe(
        self, waveforms: Sequence[NDArray[np.float32]], **how: Any
    ) -> list[GeneratedText]:
        """The sentence of each waveform.

        Args:
            waveforms: float32 [T] each, at 16 kHz.
            how: arguments of :meth:`~mmrl.generative.text.models.TextGenerator.say`.

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


class Translator(TextGenerator):
    """p(sentence | sentence of another language).

    Args:
        source: tokenizer of what is read.
        encoder: its ids → Tokens.
        tokenizer: of what is said.
        more: arguments of :class:`~mmrl.generative.text.models.TextGenerator`.
    """

    def __init__(
        self, source: WordTokenizer, encoder: TextEncoder, tokenizer: WordTokenizer, **more: Any
    ) -> None:
        super().__init__(encoder, tokenizer, **more)
        self.source = source

    def translate(self, sentences: Sequence[str], **how: Any) -> list[GeneratedText]:
        """Each sentence in the other language.

        Args:
            sentences: to translate.
            how: arguments of :meth:`~mmrl.generative.text.models.TextGenerator.say`.

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
