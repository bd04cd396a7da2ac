"""Text decoder: any encoder's tokens → text, by a GPT-2 with cross-attention.

Notable:

- The GPT-2 is transformers', so greedy decoding, beam search and sampling are its ``generate``.
- Decoding can be constrained to a language (:class:`Constraint`), such as an environment's finite
  set of instructions (:class:`SentenceTrie`); probabilities are then renormalised over it.
- Word dropout (Bowman et al., 2016) forces the decoder to look at the tokens.

Axes: B inputs, K encoder tokens, L words, V words of the vocabulary, D channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any, Final, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.compat import import_transformers
from mmrl.generative.text.pointer import pointer_gpt
from mmrl.models.encoders.layers import sines
from mmrl.models.tokens import Tokens, TokensShape
from mmrl.preprocessing.text import PADDING, START, UNKNOWN, WordTokenizer

END: Final = PADDING
"""The token after the last word: what follows is padding."""


class Constraint(Protocol):
    """A language to which decoding is constrained, by the allowed continuations of a prefix."""

    def allowed_next(self, ids: Sequence[int]) -> list[int]:
        """The tokens that may follow a prefix; :data:`END` among them where it is a sentence.

        Args:
            ids: of the words so far, without the start mark; none for the first word.
        """
        ...


class SentenceTrie:
    """The language of a finite set of sentences; a :class:`Constraint`.

    Args:
        sentences: the set.
        tokenizer: of their words.

    Raises:
        ValueError: there are none, or a word is unknown to the tokenizer.
    """

    def __init__(self, sentences: Iterable[str], tokenizer: WordTokenizer) -> None:
        self._next: dict[tuple[int, ...], set[int]] = {}
        for sentence in dict.fromkeys(sentences):
            ids = tokenizer.ids(sentence)
            for k in range(len(ids) + 1):
                follows = ids[k] if k < len(ids) else END
                self._next.setdefault(tuple(ids[:k]), set()).add(follows)
        if not self._next:
            raise ValueError("no sentence to choose from")

    def allowed_next(self, ids: Sequence[int]) -> list[int]:
        """As :meth:`Constraint.allowed_next`; only the end may follow what is no prefix."""
        return sorted(self._next.get(tuple(ids), (END,)))


_SUPPRESSED: Final = (UNKNOWN, START)


class GeneratedTokens(NamedTuple):
    """Generated sentences.

    Attributes:
        ids: int64 [B, L], without a start mark; ``PADDING`` after the last word.
        log_prob: of each whole sentence, its end included, float32 [B]: ln p(ids | tokens), under
            the constraint if there is one.
    """

    ids: Tensor
    log_prob: Tensor


class TextDecoder(nn.Module):
    """p(text | tokens), word by word: transformers' GPT-2 over the tokens of any encoder.

    Args:
        shape: of the tokens. Places on a grid get learned positions; a sequence brings its own, or
            sines (Vaswani et al., 2017) are added.
        vocabulary: ids are below this; ``PADDING`` ends a text, ``START`` begins it.
        width, layers, heads: of the transformer.
        length: the longest text, in tokens, start mark and end included.
        dropout: of the transformer.
        word_dropout: share of the previous words that are masked in training (Bowman et al., 2016),
            so that the next one is read from the tokens rather than guessed from the prefix.
        named: ids of words that are generated from the tokens' ``aside`` channels alone, such as
            those for colours; see :class:`~mmrl.generative.text.pointer.PointerHead`.

    Raises:
        ValueError: named words, and tokens without such channels.
    """

    def __init__(
        self,
        shape: TokensShape,
        vocabulary: int,
        *,
        width: int = 128,
        layers: int = 2,
        heads: int = 4,
        length: int = 64,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
        named: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.word_dropout = word_dropout
        transformers = import_transformers()
        self.vocabulary, self.length = vocabulary, length
        self.aside = shape.aside if named else 0
        if named and not self.aside:
            raise ValueError("named words need tokens with channels held aside")
        self.project = nn.Linear(shape.width - self.aside, width)
        self.position = (
            nn.Parameter(torch.randn(prod(shape.grid), width) * 0.02) if shape.grid else None
        )
        self.norm = nn.LayerNorm(width)
        config = transformers.GPT2Config(
            vocab_size=vocabulary,
            n_positions=length,
            n_embd=width,
            n_layer=layers,
            n_head=heads,
            add_cross_attention=True,
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=dropout,
            bos_token_id=START,
            eos_token_id=END,
            pad_token_id=None,  # no mask and no warning for what follows the end
        )
        self.gpt: Any = (
            pointer_gpt(config, self.aside, named)
            if named
            else transformers.GPT2LMHeadModel(config)
        )

    def loss(self, tokens: Tokens, ids: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Cross-entropy: the mean of -ln p of each word and of the end.

        Args:
            tokens: B of them.
            ids: integers [B, L] as a tokenizer makes them: start mark, words, ``PADDING``.
            label_smoothing: share of the target that is spread over all words.
        """
        logits, target = self._teacher_forced(tokens, ids)
        return functional.cross_entropy(
            logits.flatten(0, 1), target.flatten(), ignore_index=-1, label_smoothing=label_smoothing
        )

    def log_prob(self, tokens: Tokens, ids: Tensor) -> Tensor:
        """The log-probability of each whole text, float32 [B]; ids as for :meth:`loss`."""
        logits, target = self._teacher_forced(tokens, ids)
        flat = functional.cross_entropy(
            logits.flatten(0, 1), target.flatten(), ignore_index=-1, reduction="none"
        )
        return -flat.view(target.shape).sum(1)

    @torch.no_grad()
    def generate(
        self,
        tokens: Tokens,
        *,
        how: str = "greedy",
        beams: int = 4,
        temperature: float = 1.0,
        allowed: Constraint | None = None,
    ) -> GeneratedTokens:
        """Generate a text for each of B tokens.

        Args:
            tokens: what is described.
            how: "greedy" takes the most probable word each time, "beam" is beam search with
                ``beams`` beams, "sample" draws from the distribution.
            beams: width of the beam search.
            temperature: of the sampling.
            allowed: the language to which decoding is constrained; any words, if None.

        Raises:
            ValueError: another ``how``, or a temperature that is not positive.
        """
        if how not in ("greedy", "beam", "sample"):
            raise ValueError(f"how={how!r}: choose greedy, beam or sample")
        if temperature <= 0:
            raise ValueError(f"temperature={temperature}: must be above 0")
        memory, mask = self._memory(tokens)
        begun = torch.full((len(tokens), 1), START, device=memory.device)
        options: dict[str, Any] = {}
        if how == "beam":  # ranked by the probability of the whole text, not per word
            options = {"num_beams": beams, "length_penalty": 0.0}
        elif how == "sample":
            options = {"do_sample": True, "temperature": temperature, "top_k": 0}
        if allowed is not None:
            options["prefix_allowed_tokens_fn"] = lambda _, ids: allowed.allowed_next(
                ids[1:].tolist()
            )
        with evaluating(self):
            out: Tensor = self.gpt.generate(
                begun,
                attention_mask=torch.ones_like(begun),
                encoder_hidden_states=memory,
                encoder_attention_mask=mask,
                max_new_tokens=self.length - 1,
                pad_token_id=PADDING,
                suppress_tokens=list(_SUPPRESSED),
                **options,
            )
            return GeneratedTokens(out[:, 1:], self._sequence_log_prob(memory, mask, out, allowed))

    def _teacher_forced(self, tokens: Tokens, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Logits float32 [B, L, V] and target words, int64 [B, L], -1 after the end."""
        memory, mask = self._memory(tokens)
        ids = ids.long()
        longest = int((ids != PADDING).sum(1).max())
        given = ids[:, :longest]
        target = functional.pad(ids, (0, 1), value=PADDING)[:, 1 : longest + 1]
        target = torch.where(given == PADDING, -1, target)  # one padding is the end
        if self.training and self.word_dropout:
            hidden = torch.rand(given.shape, device=given.device) < self.word_dropout
            given = given.masked_fill(hidden & (given > START), UNKNOWN)
        return self._logits(memory, mask, given), target

    def _logits(self, memory: Tensor, mask: Tensor, given: Tensor) -> Tensor:
        logits: Tensor = self.gpt(
            given,
            attention_mask=torch.ones_like(given),  # what follows the end is ignored
            encoder_hidden_states=memory,
            encoder_attention_mask=mask,
            use_cache=False,
        ).logits
        return logits.float()

    def _memory(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """What the GPT attends to, float [B, K, D], and its mask, int64 [B, K]."""
        values, aside = tokens.values.split([self.project.in_features, self.aside], dim=2)
        memory = self.project(values)
        if self.position is None:
            memory = memory + sines(memory.shape[1], memory.shape[2]).to(memory)
        else:
            memory = memory + self.position
        return torch.cat([self.norm(memory), aside], dim=2), tokens.mask.long()

    def _sequence_log_prob(
        self, memory: Tensor, mask: Tensor, out: Tensor, allowed: Constraint | None
    ) -> Tensor:
        """The log-probability of generated texts, float32 [B], under the constraint."""
        logits = self._logits(memory, mask, out[:, :-1])
        logits[..., list(_SUPPRESSED)] = -torch.inf
        target = out[:, 1:]
        over = torch.zeros_like(target, dtype=torch.bool)
        over[:, 1:] = (target[:, :-1] == END).cumsum(1) > 0
        if allowed is not None:
            rows = zip(out.tolist(), logits, over.tolist(), strict=True)
            for ids, each, ended in rows:
                for k in range(len(ended)):
                    if not ended[k]:
                        mask_k = torch.full_like(each[k], -torch.inf)
                        mask_k[allowed.allowed_next(ids[1 : k + 1])] = 0
                        each[k] += mask_k
        picked = logits.log_softmax(2).gather(2, target.unsqueeze(2)).squeeze(2)
        return picked.masked_fill(over, 0).sum(1)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """A module in evaluation mode, and afterwards as it was."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
