"""The painter: text → image, autoregressively over the codes of patches (Ramesh et al., 2021).

Notable:

- :class:`PatchDecoder` is the text decoder with patches for words; at each patch it is given the
  pooled prompt and which codes were drawn so far, so that it knows what is still missing.
- Sampling is guided without a classifier (Ho and Salimans, 2022): the empty prompt is trained too.
- With a :class:`~mmrl.generative.image.color.ColorTokenizer`, colours are anonymised: each prompt
  and image is rewritten in names that colours have in it alone, so that things are painted in
  colours that they never had (:class:`~mmrl.generative.image.color.ColorNames`).

Axes: B prompts, L words, K patches of an image row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mmrl.contract import INSTRUCTION
from mmrl.errors import UserError
from mmrl.generative.image.color import ColorNames, ColorTokenizer, build_image_tokenizer
from mmrl.generative.image.tokenizer import PatchTokenizer
from mmrl.generative.text.decoder import TextDecoder, evaluating
from mmrl.models.encoders.base import TextEncoder
from mmrl.models.encoders.text import build_text_encoder
from mmrl.models.model import autocast
from mmrl.models.saved_encoders import resolve_name
from mmrl.models.tokens import Tokens, TokensShape
from mmrl.preprocessing.text import START, WordTokenizer, split_words

_LARGER: Final = 5.0


class PatchDecoder(TextDecoder):
    """p(codes | tokens): a :class:`TextDecoder` of texts of one length.

    Besides attending to the tokens and the previous patches, every patch's input has the mean of
    the tokens and a bag of the codes so far: what the prompt asks for, and what of it is there
    already, is available before any attention has been learned.

    Args:
        shape: of the tokens.
        vocabulary: ids are below this; ids up to ``START``, which begins an image, are no patches.
        patches: of an image.
        more: width, layers, heads and dropout of the transformer.
    """

    def __init__(self, shape: TokensShape, vocabulary: int, patches: int, **more: Any) -> None:
        super().__init__(shape, vocabulary, length=patches + 1, **more)
        self.patches = patches
        width = self.project.out_features
        self.asked = nn.Linear(width, width)
        self.there = nn.Linear(vocabulary, width, bias=False)
        with torch.no_grad():
            self.asked.weight.normal_(std=1 / width)
            for embedding in (self.gpt.transformer.wte, self.gpt.transformer.wpe):
                embedding.weight.mul_(_LARGER)

    @torch.no_grad()
    def draw(
        self,
        tokens: Tokens,
        generator: torch.Generator,
        *,
        temperature: float = 1.0,
        guidance: float = 1.0,
    ) -> Tensor:
        """Sample images patch by patch, ids int64 [B, patches].

        Args:
            tokens: B of them, followed by B of the empty prompt.
            generator: on the CPU, the only source of randomness.
            temperature: of the sampling.
            guidance: 1 samples from p(patch | tokens); above 1 the logits are moved further away
                from those of the empty prompt (classifier-free guidance, Ho and Salimans, 2022).

        Raises:
            ValueError: a temperature that is not positive.
        """
        if temperature <= 0:
            raise ValueError(f"temperature={temperature}: must be above 0")
        memory, mask = self._memory(tokens)
        drawn = torch.full((len(tokens) // 2, 1), START, device=memory.device)
        past: Any = None
        with evaluating(self):
            for _ in range(self.patches):
                out = self._read(memory, mask, drawn.repeat(2, 1), past)
                past = out.past_key_values
                conditional, empty = out.logits[:, -1].float().chunk(2)
                logits = empty + guidance * (conditional - empty)
                logits[:, : START + 1] = -torch.inf
                probabilities = (logits / temperature).softmax(1).cpu()
                patch = torch.multinomial(probabilities, 1, generator=generator)
                drawn = torch.cat([drawn, patch.to(drawn.device)], 1)
        return drawn[:, 1:]

    def _logits(self, memory: Tensor, mask: Tensor, given: Tensor) -> Tensor:
        logits: Tensor = self._read(memory, mask, given, None, keep=False).logits
        return logits.float()

    def _read(
        self, memory: Tensor, mask: Tensor, given: Tensor, past: Any, *, keep: bool = True
    ) -> Any:
        """The transformer's output for patches, int64 [B, K]; for the last one alone, where
        ``past`` holds the keys and values of the others.
        """
        is_token = mask.unsqueeze(2)
        mean = (memory * is_token).sum(1, keepdim=True) / is_token.sum(1, keepdim=True)
        so_far = functional.one_hot(given, self.vocabulary).cumsum(1).clamp_max(1).to(memory.dtype)
        new = slice(None) if past is None else slice(-1, None)
        embedded = self.gpt.transformer.wte(given[:, new]) + self.there(so_far[:, new])
        return self.gpt(
            inputs_embeds=embedded + self.asked(mean),
            encoder_hidden_states=memory,
            encoder_attention_mask=mask,
            past_key_values=past,
            use_cache=keep,
        )


_FIRST: Final = START + 1  # the decoder's id of the first code
_AT_ONCE: Final = 64


class Painter(nn.Module):
    """p(image | prompt), as the product of p(code | prompt, previous codes).

    Args:
        tokenizer: of images; it is frozen.
        codes: that are painted with; all others have probability 0.
        words: tokenizer of prompts.
        encoder: its ids → Tokens.
        names: anonymises the colours of a :class:`ColorTokenizer`; None for no such thing.
        precision: fp32, or bf16 for matrix products in bfloat16.
        decoder: arguments of :class:`~mmrl.generative.image.painter.PatchDecoder`.
    """

    _codes: Tensor

    def __init__(
        self,
        tokenizer: PatchTokenizer,
        codes: Sequence[int],
        words: WordTokenizer,
        encoder: TextEncoder,
        *,
        names: ColorNames | None = None,
        precision: str = "fp32",
        **decoder: Any,
    ) -> None:
        super().__init__()
        self.tokenizer, self.words, self.encoder = tokenizer, words, encoder
        self.precision = precision
        self.names = names
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
        """Cross-entropy: the mean of -ln p of a patch's code.

        Args:
            sentences: token ids int32 [B, L], as :meth:`named` returns them.
            codes: of the images' patches, int64 [B, K], all of them among the painter's.
        """
        with autocast(self.precision, self.device):
            return self.decoder.loss(self.encoder(sentences), self._as_text(codes))

    @torch.no_grad()
    def log_prob(self, sentences: Tensor, codes: Tensor) -> Tensor:
        """Ln p(image | prompt), float32 [B]; arguments as for :meth:`loss`."""
        with autocast(self.precision, self.device):
            return self.decoder.log_prob(self.encoder(sentences), self._as_text(codes))

    def named(
        self, sentences: Tensor, codes: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Prompts, int32 [B, L], and codes of their images, int64 [B, K], with anonymised colours;
        as they are, without :class:`ColorNames`.

        Args:
            sentences: as :meth:`read` returns them.
            codes: as the tokenizer returns them.
            generator: on the CPU; draws names for colours that a prompt does not mention.
        """
        if self.names is None:
            return sentences, codes
        called = self.names.draw(sentences, generator)
        return self.names.renamed(sentences, called), self._recolored(codes, called)

    @torch.no_grad()
    def paint(
        self,
        sentences: Sequence[str],
        *,
        seed: int = 0,
        temperature: float = 1.0,
        guidance: float = 2.0,
    ) -> NDArray[np.uint8]:
        """Paint an image of each prompt, uint8 [B, H, W, 3].

        Args:
            sentences: the prompts; an empty one samples from p(image).
            seed: of the sampling.
            temperature: of the sampling.
            guidance: above 1 images follow the prompt more closely, see :meth:`PatchDecoder.draw`.

        Raises:
            UserError: words outside the vocabulary, which are named; too long a prompt.
        """
        ids = self.read(sentences)
        generator = torch.Generator().manual_seed(seed)
        drawn = [
            self._draw(part, generator, temperature=temperature, guidance=guidance)
            for part in ids.split(_AT_ONCE)
        ]
        return self.tokenizer.decode(torch.cat(drawn)).cpu().numpy()

    def read(self, sentences: Sequence[str]) -> Tensor:
        """Token ids int32 [B, L], on its device; an empty prompt is the start mark alone.

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

    def _draw(self, ids: Tensor, generator: torch.Generator, **how: float) -> Tensor:
        """Sample the codes of an image of each prompt, int64 [B, K]."""
        called = None
        if self.names is not None:
            called = self.names.draw(ids, generator)
            ids = self.names.renamed(ids, called)
        both = torch.cat([ids, self.read([""] * len(ids))])
        with autocast(self.precision, self.device):
            drawn = self.decoder.draw(self.encoder(both), generator, **how)
        codes = self._codes[drawn - _FIRST]
        return codes if called is None else self._recolored(codes, called.argsort(1))

    def _recolored(self, codes: Tensor, colors: Tensor) -> Tensor:
        return cast("ColorTokenizer", self.tokenizer).recolored(codes, colors)

    def _as_text(self, codes: Tensor) -> Tensor:
        """Codes int64 [B, K] → the decoder's ids with a start mark, int64 [B, 1 + K]."""
        ids = torch.searchsorted(self._codes, codes) + _FIRST
        return nn.functional.pad(ids, (1, 0), value=START)


def build_painter(
    tokenizer: dict[str, Any],
    codes: Sequence[int],
    words: Sequence[str],
    *,
    meanings: Mapping[str, int] | None = None,
    length: int = 48,
    text: str = "word_cnn",
    text_args: dict[str, Any] | None = None,
    precision: str = "fp32",
    **decoder: Any,
) -> Painter:
    """A painter with new weights.

    Args:
        tokenizer: the recipe of a :class:`~mmrl.generative.image.tokenizer.PatchTokenizer`.
        codes: that are painted with.
        words: the vocabulary of prompts.
        meanings: words for colours, and which of the tokenizer's colours each is: these are
            anonymised, by ids that follow those of the words.
        length: the longest prompt, in words and marks, start mark included.
        text, text_args: the encoder of prompts, as in :class:`mmrl.models.config.ModelConfig`.
        precision: fp32 or bf16.
        decoder: width, layers, heads and dropout of the decoder.

    Raises:
        UserError: an unknown encoder, or numbers out of range.
    """
    reader = WordTokenizer(words, length)
    images = build_image_tokenizer(tokenizer)
    vocabulary, names = reader.space.words, None
    if meanings:
        colors = cast("ColorTokenizer", images).colors
        named = [reader.ids(word)[0] for word in meanings]
        names = ColorNames(named, list(meanings.values()), colors, reader.size)
        vocabulary += tuple(f"[{name}]" for name in range(colors))
    text, pretrained = resolve_name(INSTRUCTION, text)
    encoder = build_text_encoder(
        text, vocabulary, length, pretrained=pretrained, **(text_args or {})
    )
    return Painter(images, codes, reader, encoder, names=names, precision=precision, **decoder)
