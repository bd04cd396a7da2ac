"""Text generators: captioner, speech recogniser, translator.

All three are one model, :class:`TextGenerator`: an encoder of some modality, a
:class:`~mmrl.generative.text.decoder.TextDecoder` and a word tokenizer. They differ in the encoder:

- :func:`build_captioner`: an agent's last images → what it achieved; or one image → a description.
- :class:`Recogniser`: waveforms → text.
- :class:`Translator`: sentences of one language → another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmrl.contract import IMAGE
from mmrl.errors import UserError
from mmrl.generative.text.decoder import Constraint, SentenceTrie, TextDecoder, evaluating
from mmrl.models.encoders.base import Encoder, TextEncoder
from mmrl.models.encoders.image import build_image_encoder
from mmrl.models.encoders.image_base import FramesEncoder
from mmrl.models.encoders.speech import SpeechEncoder
from mmrl.models.model import autocast
from mmrl.models.saved_encoders import resolve_name
from mmrl.preprocessing.speech import RATE, LogMel
from mmrl.preprocessing.text import WordTokenizer

_AT_ONCE: Final = 128


class GeneratedText(NamedTuple):
    """A sentence, and its probability under the model, 0 to 1."""

    sentence: str
    probability: float


class TextGenerator(nn.Module):
    """p(sentence | input): an encoder of any modality, and a text decoder.

    Args:
        encoder: input [B, …] → Tokens.
        tokenizer: of the generated text; its ``length`` is the longest sentence.
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

    def loss(self, inputs: Tensor, ids: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """See :meth:`TextDecoder.loss`; ``inputs`` are the encoder's."""
        with autocast(self.precision, self.device):
            return self.decoder.loss(self.encoder(inputs), ids, label_smoothing=label_smoothing)

    @torch.no_grad()
    def generate(
        self,
        inputs: Tensor,
        *,
        how: str = "greedy",
        beams: int = 4,
        temperature: float = 1.0,
        allowed: Constraint | None = None,
    ) -> list[GeneratedText]:
        """Generate a sentence for each of B inputs, in evaluation mode and in batches; see
        :meth:`TextDecoder.generate`.
        """
        texts = []
        with evaluating(self):
            for part in inputs.split(_AT_ONCE):
                with autocast(self.precision, self.device):
                    generated = self.decoder.generate(
                        self.encoder(part.to(self.device)),
                        how=how,
                        beams=beams,
                        temperature=temperature,
                        allowed=allowed,
                    )
                pairs = zip(generated.ids.tolist(), generated.log_prob.exp().tolist(), strict=True)
                texts += [GeneratedText(self.tokenizer.decode(ids), p) for ids, p in pairs]
        return texts

    @torch.no_grad()
    def probabilities(self, inputs: Tensor, sentences: Sequence[str]) -> Tensor:
        """p(sentence | input) of B pairs, float32 [B], 0 to 1."""
        with evaluating(self), autocast(self.precision, self.device):
            tokens = self.encoder(inputs.to(self.device))
            return self.decoder.log_prob(tokens, self.ids(sentences)).exp()

    def ids(self, sentences: Sequence[str]) -> Tensor:
        """Token ids int32 [B, L], on its device."""
        rows = np.stack([self.tokenizer.encode(sentence) for sentence in sentences])
        return torch.from_numpy(rows).to(self.device)

    def one_of(self, sentences: Sequence[str]) -> SentenceTrie:
        """A constraint of decoding to a set of sentences.

        Raises:
            ValueError: a word outside the vocabulary.
        """
        return SentenceTrie(sentences, self.tokenizer)


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
        words: the vocabulary.
        frames: images of one input, the newest last.
        length: the longest sentence, in words.
        image, image_args: the encoder of an image, as in
            :class:`mmrl.models.config.ModelConfig`; its tokens must lie on a grid.
        precision: fp32 or bf16.
        named: words that are generated from the encoder's ``aside`` channels alone; see
            :class:`mmrl.generative.text.pointer.PointerHead`.
        decoder: width, layers, heads and dropout of the decoder.

    Raises:
        UserError: an unknown encoder, one whose tokens lie on no grid; named words that are not in
            the vocabulary, or an encoder without ``aside`` channels.
    """
    size = (int(image_size[0]), int(image_size[1]))
    image, _ = resolve_name(IMAGE, image)
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
    """A captioner's input, uint8 [B, F, H, W, 3], of B · F images: F frames each.

    Args:
        images: B · F of them, uint8 [H, W, 3].
        generator: the captioner.

    Raises:
        UserError: another number or size than it was fitted for.
    """
    encoder = generator.encoder
    assert isinstance(encoder, FramesEncoder)
    if not images or len(images) % encoder.frames:
        raise UserError(
            f"{len(images)} images: this captioner takes {encoder.frames} together, the newest last"
        )
    wrong = [one.shape for one in images if one.shape != (*encoder.encoder.image_size, 3)]
    if wrong:
        raise UserError(
            f"an image of shape {list(wrong[0])}: this captioner was fitted for "
            f"{[*encoder.encoder.image_size, 3]}"
        )
    return torch.from_numpy(np.stack(images)).unflatten(0, (-1, encoder.frames))


class Recogniser(TextGenerator):
    """p(sentence | speech).

    Args:
        preprocessor: waveforms → the encoder's features; its ``seconds`` are the longest speech.
        encoder: features → Tokens.
        tokenizer: of the transcript.
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
        """Transcribe waveforms.

        Args:
            waveforms: float32 [T] each, at 16 kHz.
            how: arguments of :meth:`~mmrl.generative.text.models.TextGenerator.generate`.

        Raises:
            UserError: one is longer than the model was fitted for.
        """
        limit = self.preprocessor.seconds
        for number, waveform in enumerate(waveforms):
            if len(waveform) > limit * RATE:
                raise UserError(
                    f"speech number {number + 1} takes {len(waveform) / RATE:.1f} s: this model "
                    f"was fitted for at most {limit:g} s. Cut it, or fit one with more --seconds"
                )
        features = np.stack([self.preprocessor.encode(one) for one in waveforms])
        return self.generate(torch.from_numpy(features), **how)


class Translator(TextGenerator):
    """p(sentence | sentence of another language).

    Args:
        source: tokenizer of the source language.
        encoder: its ids → Tokens.
        tokenizer: of the target language.
        more: arguments of :class:`~mmrl.generative.text.models.TextGenerator`.
    """

    def __init__(
        self, source: WordTokenizer, encoder: TextEncoder, tokenizer: WordTokenizer, **more: Any
    ) -> None:
        super().__init__(encoder, tokenizer, **more)
        self.source = source

    def translate(self, sentences: Sequence[str], **how: Any) -> list[GeneratedText]:
        """Translate sentences.

        Args:
            sentences: to translate.
            how: arguments of :meth:`~mmrl.generative.text.models.TextGenerator.generate`.

        Raises:
            UserError: words outside the vocabulary, which are named; a sentence that is empty or
                longer than the model was fitted for.
        """
        return self.generate(self.read(sentences), **how)

    def read(self, sentences: Sequence[str]) -> Tensor:
        """The encoder's input, int32 [B, L].

        Raises:
            UserError: as :meth:`translate`.
        """
        for sentence in sentences:
            if not sentence.strip():
                raise UserError("a sentence is empty: there is nothing to translate")
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
