"""Any encoder's tokens → text: a GPT with cross-attention (Radford et al., 2019).

Which words may follow: sentences that a generator is held to.
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
from mmrl.generative.text.pointer import naming_gpt
from mmrl.models.encoders.layers import sines
from mmrl.models.tokens import Tokens, TokensShape
from mmrl.preprocessing.text import PADDING, START, UNKNOWN, WordTokenizer

END: Final = PADDING
"""The token after the last word: what follows is padding."""


class Continuations(Protocol):
    """A language, by what may follow."""

    def after(self, ids: Sequence[int]) -> list[int]:
        """The tokens that may follow those of a beginning; :data:`END` among them where it may be
        all.

        Args:
            ids: of the words so far, without the start mark; none for the first word.
        """
        ...


class OneOf:
    """The language of so many sentences, as a trie: every word of theirs is looked up once.

    Args:
        sentences: all that may be said.
        tokenizer: by which words have their ids.

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

    def after(self, ids: Sequence[int]) -> list[int]:
        """As :meth:`Continuations.after`; nothing but the end follows what is no beginning."""
        return sorted(self._next.get(tuple(ids), (END,)))


_NEVER_SAID: Final = (UNKNOWN, START)


class GeneratedTokens(NamedTuple):
    """Sentences that were generated.

    Attributes:
        ids: int64 [B, L], without a start mark; ``PADDING`` after the last word.
        log_prob: of each whole sentence, its end included, float32 [B]: ln p(ids | tokens), of
            those that may be said where there is a constraint.
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
        word_dropout: share of the words said so far that are hidden while learning (Bowman et al.,
            2016), so that the next one is looked up in the tokens and not guessed from them.
        named: ids of words that only what the tokens hold aside says, such as those for colours;
            see :class:`~mmrl.generative.text.pointer.Naming`.

    Raises:
        ValueError: words are to be named, and the tokens hold nothing aside.
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
            raise ValueError("named words need tokens that hold something aside")
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
            pad_token_id=None,  # what stands after the end is not looked at, and not warned of
        )
        self.gpt: Any = (
            naming_gpt(config, self.aside, named) if named else transformers.GPT2LMHeadModel(config)
        )

    def loss(self, tokens: Tokens, ids: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """The mean of -ln p of each word and of the end.

        Args:
            tokens: B of them.
            ids: integers [B, L] as a tokenizer makes them: start mark, words, ``PADDING``.
            label_smoothing: share of the target that is spread over all words.
        """
        logits, target = self._teach(tokens, ids)
        return functional.cross_entropy(
            logits.flatten(0, 1), target.flatten(), ignore_index=-1, label_smoothing=label_smoothing
        )

    def log_prob(self, tokens: Tokens, ids: Tensor) -> Tensor:
        """The log-probability of each whole text, float32 [B]; ids as for :meth:`loss`."""
        logits, target = self._teach(tokens, ids)
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
        allowed: Continuations | None = None,
    ) -> GeneratedTokens:
        """A text for each of B tokens.

        Args:
            tokens: what to put into words.
            how: "greedy" takes the most probable word each time, "beam" keeps the best ``beams``
                beginnings, "sample" draws.
            beams: of the beam search.
            temperature: of the drawing; below 1 likelier words are preferred.
            allowed: the language that is kept to; any words, if None.

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
        if how == "beam":  # beams are compared by their probability, not by that of a word
            options = {"num_beams": beams, "length_penalty": 0.0}
        elif how == "sample":
            options = {"do_sample": True, "temperature": temperature, "top_k": 0}
        if allowed is not None:
            options["prefix_allowed_tokens_fn"] = lambda _, ids: allowed.after(ids[1:].tolist())
        with evaluating(self):
            out: Tensor = self.gpt.generate(
                begun,
                attention_mask=torch.ones_like(begun),
                encoder_hidden_states=memory,
                encoder_attention_mask=mask,
                max_new_tokens=self.length - 1,
                pad_token_id=PADDING,
                suppress_tokens=list(_NEVER_SAID),
                **options,
            )
            return GeneratedTokens(out[:, 1:], self._chosen(memory, mask, out, allowed))

    def _teach(self, tokens: Tokens, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Logits float32 [B, K, V] and the words that they should have been, int64 [B, K], -1
        where none is left to say.
        """
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
            attention_mask=torch.ones_like(given),  # what follows the end is not looked at
            encoder_hidden_states=memory,
            encoder_attention_mask=mask,
            use_cache=False,
        ).logits
        return logits.float()

    def _memory(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """What is attended to, float [B, K, width], and which of it counts, int64 [B, K]."""
        values, aside = tokens.values.split([self.project.in_features, self.aside], dim=2)
        memory = self.project(values)
        if self.position is None:
            memory = memory + sines(memory.shape[1], memory.shape[2]).to(memory)
        else:
            memory = memory + self.position
        return torch.cat([self.norm(memory), aside], dim=2), tokens.mask.long()

    def _chosen(
        self, memory: Tensor, mask: Tensor, out: Tensor, allowed: Continuations | None
    ) -> Tensor:
        """The log-probability of what was generated, of all that might have been."""
        logits = self._logits(memory, mask, out[:, :-1])
        logits[..., list(_NEVER_SAID)] = -torch.inf
        target = out[:, 1:]
        over = torch.zeros_like(target, dtype=torch.bool)
        over[:, 1:] = (target[:, :-1] == END).cumsum(1) > 0
        if allowed is not None:
            rows = zip(out.tolist(), logits, over.tolist(), strict=True)
            for ids, each, ended in rows:
                for k in range(len(ended)):
                    if not ended[k]:
                        may = torch.full_like(each[k], -torch.inf)
                        may[allowed.after(ids[1 : k + 1])] = 0
                        each[k] += may
        picked = logits.log_softmax(2).gather(2, target.unsqueeze(2)).squeeze(2)
        return picked.masked_fill(over, 0).sum(1)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """In evaluation mode, and afterwards as it was."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
