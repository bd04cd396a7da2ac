"""A GPT with a pointer head: some words, such as colours, depend on what it points at alone.

Encoders such as ``luma_chroma`` keep some channels ``aside`` (the colour of a place). The decoder
does not read them; it attends to places by everything else, and a word of the pointer's classes is
read off the aside channels of the place. So the word for a colour generalises to shapes that never
had this colour.

Axes: B sentences, L words, V words of the vocabulary, K tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import torch
from torch import Tensor, nn

from mmrl.compat import import_transformers

_LEAST: Final = 1e-20  # probability of a named word; its logarithm is finite


class PointerHead(nn.Module):
    """Generates some words from the ``aside`` channels of the tokens alone.

    The language model decides when one of these words comes, and points at tokens by their other
    channels; which of them it is depends on the token: p(word) = p(some named word) Σ_k a_k
    p(word | aside_k). As in pointer-generator networks (See et al., 2017), whose pointer here
    classifies a token rather than copying it.

    Args:
        width: of the language model's states, and of the tokens without their aside channels.
        aside: channels held aside.
        named: ids of the words.
    """

    ids: Tensor

    def __init__(self, width: int, aside: int, named: Sequence[int]) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.names = nn.Sequential(nn.Linear(aside, width), nn.ReLU(), nn.Linear(width, len(named)))
        self.register_buffer("ids", torch.tensor(named), persistent=False)

    def forward(
        self, states: Tensor, logits: Tensor, memory: Tensor, aside: Tensor, mask: Tensor
    ) -> Tensor:
        """Log-probabilities float32 [B, L, V].

        Args:
            states: of the language model, float [B, L, width].
            logits: of the language model, float [B, L, V]; those of named words add up.
            memory: the tokens, float [B, K, width].
            aside: their aside channels, float [B, K, aside].
            mask: of the tokens, [B, K].
        """
        scores = self.query(states) @ self.key(memory).transpose(1, 2) / states.shape[-1] ** 0.5
        attention = scores.float().masked_fill(~mask.bool().unsqueeze(1), -torch.inf).softmax(2)
        named = attention @ self.names(aside).float().softmax(2)
        logs = logits.float().log_softmax(2)
        some = logs[..., self.ids].logsumexp(2, keepdim=True)
        return logs.index_copy(2, self.ids, some + named.clamp_min(_LEAST).log())

    def merged(self, ids: Tensor) -> Tensor:
        """Ids int64 [B, L] with all named words merged into one, so that what follows such a word
        does not depend on which it was.
        """
        return torch.where(torch.isin(ids, self.ids), self.ids[0], ids)


def pointer_gpt(config: Any, aside: int, named: Sequence[int]) -> nn.Module:
    """GPT-2 of transformers with a :class:`PointerHead` after its own head. Of what it attends to,
    the last ``aside`` channels are for the pointer alone.

    Args:
        config: of the GPT-2.
        aside: how many.
        named: ids of the words that the pointer generates.
    """
    gpt: nn.Module = _class()(config, aside, named)
    return gpt


@cache
def _class() -> Any:
    transformers = import_transformers()

    class PointerGPT(transformers.GPT2LMHeadModel):  # type: ignore[name-defined,misc]
        def __init__(self, config: Any, aside: int, named: Sequence[int]) -> None:
            super().__init__(config)
            self.pointer = PointerHead(config.n_embd, aside, named)

        def forward(
            self,
            input_ids: Tensor,
            *,
            encoder_hidden_states: Tensor,
            encoder_attention_mask: Tensor,
            **options: Any,
        ) -> Any:
            width = self.config.n_embd
            memory, aside = encoder_hidden_states[..., :width], encoder_hidden_states[..., width:]
            options |= {"output_hidden_states": True}
            out = super().forward(
                self.pointer.merged(input_ids),
                encoder_hidden_states=memory,
                encoder_attention_mask=encoder_attention_mask,
                **options,
            )
            states = out.hidden_states[-1][:, -out.logits.shape[1] :]
            out.logits = self.pointer(states, out.logits, memory, aside, encoder_attention_mask)
            return out

    return PointerGPT
