"""A GPT that names what it points at: the word for a colour comes from a colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import torch
from torch import Tensor, nn

from mmrl.compat import import_transformers

_LEAST: Final = 1e-20  # probability of a name; its logarithm is finite


class Naming(nn.Module):
    """Some words, such as those for colours, are said by what the tokens hold aside alone.

    The sentence says when one of them comes, and points at tokens by what these do not hold aside;
    each names itself by what it does: p(word) = p(some name) Σ_k a_k p(word | aside_k), as in
    pointer-generator networks (See et al., 2017), whose pointer here takes a token's name rather
    than the token. So a shape cannot change the word for its colour, whatever pairs of the two were
    learnt from.

    Args:
        width: of the sentence's states, and of what its words are attended with.
        aside: of what tokens hold aside.
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
            states: of the sentence, float [B, L, width].
            logits: of the words that the sentence says, float [B, L, V]; those of names add up.
            memory: what it may point at, float [B, K, width].
            aside: what that holds aside, float [B, K, D].
            mask: which of it counts, [B, K].
        """
        alike = self.query(states) @ self.key(memory).transpose(1, 2) / states.shape[-1] ** 0.5
        attention = alike.float().masked_fill(~mask.bool().unsqueeze(1), -torch.inf).softmax(2)
        named = attention @ self.names(aside).float().softmax(2)
        logs = logits.float().log_softmax(2)
        some = logs[..., self.ids].logsumexp(2, keepdim=True)
        return logs.index_copy(2, self.ids, some + named.clamp_min(_LEAST).log())

    def alike(self, ids: Tensor) -> Tensor:
        """The words said so far, int64 [B, L], with one name for all: what comes after a name does
        not depend on which it was.
        """
        return torch.where(torch.isin(ids, self.ids), self.ids[0], ids)


def naming_gpt(config: Any, aside: int, named: Sequence[int]) -> nn.Module:
    """GPT-2 of transformers with a :class:`Naming` behind its head. What it attends to holds
    the ``aside`` last channels aside.

    Args:
        config: of the GPT-2.
        aside: how many.
        named: ids of the words that these alone say.
    """
    gpt: nn.Module = _class()(config, aside, named)
    return gpt


@cache
def _class() -> Any:
    transformers = import_transformers()

    class NamingGPT(transformers.GPT2LMHeadModel):  # type: ignore[name-defined,misc]
        def __init__(self, config: Any, aside: int, named: Sequence[int]) -> None:
            super().__init__(config)
            self.naming = Naming(config.n_embd, aside, named)

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
                self.naming.alike(input_ids),
                encoder_hidden_states=memory,
                encoder_attention_mask=encoder_attention_mask,
                **options,
            )
            states = out.hidden_states[-1][:, -out.logits.shape[1] :]
            out.logits = self.naming(states, out.logits, memory, aside, encoder_attention_mask)
            return out

    return NamingGPT
