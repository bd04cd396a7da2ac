"""Reward and end of a step, from the frame that it led to, the action and the instruction.

A summary token attends to the frame's and the instruction's tokens (layers of
:class:`SummaryLayer`); the frame is conditioned on the instruction beforehand (:class:`FilmLayer`).

Axes: N steps, K tokens of a frame, L tokens of an instruction, D channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.generative.world_model.transformer import Attention, perceptron


class Outcome(NamedTuple):
    """Predicted reward and end of N steps.

    Attributes:
        rewarded: logits of a reward other than 0, float32 [N].
        reward: how large it is, if there is one, float32 [N].
        end: logits of the episode's end, float32 [N].
    """

    rewarded: Tensor
    reward: Tensor
    end: Tensor

    def expected(self) -> tuple[Tensor, Tensor]:
        """The rewards, float32 [N], and ends, bool [N], that are more probable than not."""
        return torch.where(self.rewarded > 0, self.reward, 0), self.end > 0

    def losses(self, rewards: Tensor, ends: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Cross-entropies of ``rewarded`` and ``end``, and the squared error of ``reward``.

        Args:
            rewards: float32 [N].
            ends: bool [N].
            mask: bool [N]; which steps count.
        """
        rewarded = rewards != 0
        targets = {"rewarded": (self.rewarded, rewarded), "end": (self.end, ends)}
        losses = {
            name: functional.binary_cross_entropy_with_logits(logits[mask], true[mask].float())
            for name, (logits, true) in targets.items()
        }
        error = (self.reward - rewards).square() * (rewarded & mask)
        return {**losses, "reward": error.sum() / mask.sum()}


class OutcomeHead(nn.Module):
    """A summary token attends to a frame and an instruction, and becomes an :class:`Outcome`.

    Args:
        width, heads: of the attention.
        layers: how many.
    """

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.films = nn.ModuleList(FilmLayer(width) for _ in range(2))
        self.layers = nn.ModuleList(SummaryLayer(width, heads) for _ in range(layers))
        self.norm, self.outcome_head = nn.LayerNorm(width), nn.Linear(width, 3)

    def forward(
        self, action: Tensor, frame: Tensor, pooled: Tensor, tokens: Tensor, mask: Tensor
    ) -> Outcome:
        """The outcomes of N steps.

        Args:
            action: embedded, float [N, D].
            frame: that the step led to, float [N, K, D].
            pooled: embedding of the whole instruction, float [N, D].
            tokens: of the instruction, float [N, L, D].
            mask: which of them are no padding, bool [N, L].
        """
        for film in self.films:
            frame = film(frame, pooled)
        context = torch.cat([frame, tokens], 1)
        attended = functional.pad(mask, (frame.shape[1], 0), value=True)
        summary = (action + pooled)[:, None]
        for layer in self.layers:
            summary = layer(summary, context, attended)
        return Outcome(*self.outcome_head(self.norm(summary[:, 0])).float().unbind(1))


class FilmLayer(nn.Module):
    """x + relu((1 + γ) · norm(W x) + β) of each token, with γ and β linear in the instruction's
    embedding (FiLM, Perez et al., 2018).

    Args:
        width: of tokens, and of the embedding.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix, self.modulate = nn.Linear(width, width), nn.Linear(width, 2 * width)

    def forward(self, x: Tensor, pooled: Tensor) -> Tensor:
        """Float [N, K, D] and [N, D] → [N, K, D]."""
        scale, shift = self.modulate(pooled)[:, None].chunk(2, -1)
        mixed = functional.layer_norm(self.mix(x), x.shape[-1:])
        return x + torch.relu(mixed * (1 + scale) + shift)


class SummaryLayer(nn.Module):
    """Cross-attention of a summary token to others, and a perceptron, each with a residual.

    Args:
        width, heads: of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.attention, self.perceptron = Attention(width, heads), perceptron(width)

    def forward(self, summary: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        """Summaries float [N, 1, D], tokens [N, L, D] and which of these are attended to, bool
        [N, L] → [N, 1, D].
        """
        query, _, _ = self.attention.project(self.norms[0](summary))
        _, key, value = self.attention.project(self.norms[1](x))
        query, key, value = map(self.attention.split, (query, key, value))
        summary = summary + self.attention.attend(query, key, value, mask[:, None, None])
        out: Tensor = summary + self.perceptron(self.norms[2](summary))
        return out
