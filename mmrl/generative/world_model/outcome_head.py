"""Reward and end of a step, from the frame that it led to, the action and the instruction."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.generative.world_model.transformer import Attention, perceptron


class Outcome(NamedTuple):
    """What steps led to.

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

    def losses(self, rewards: Tensor, ends: Tensor, count: Tensor) -> dict[str, Tensor]:
        """Cross-entropies, and the squared error of the rewards that there are.

        Args:
            rewards: float32 [N].
            ends: bool [N].
            count: bool [N]; the others do not count.
        """
        rewarded = rewards != 0
        asked = {"rewarded": (self.rewarded, rewarded), "end": (self.end, ends)}
        losses = {
            name: functional.binary_cross_entropy_with_logits(logits[count], true[count].float())
            for name, (logits, true) in asked.items()
        }
        error = (self.reward - rewards).square() * (rewarded & count)
        return {**losses, "reward": error.sum() / count.sum()}


class SummaryLayer(nn.Module):
    """A summary token attends to others and becomes more by a perceptron.

    Args:
        width, heads: of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.attention, self.perceptron = Attention(width, heads), perceptron(width)

    def forward(self, summary: Tensor, x: Tensor, may: Tensor) -> Tensor:
        """Summaries float [N, 1, D], tokens [N, L, D] and which of them there are, bool [N, L] →
        [N, 1, D].
        """
        query, _, _ = self.attention.project(self.norms[0](summary))
        _, key, value = self.attention.project(self.norms[1](x))
        query, key, value = map(self.attention.split, (query, key, value))
        summary = summary + self.attention.attend(query, key, value, may[:, None, None])
        out: Tensor = summary + self.perceptron(self.norms[2](summary))
        return out


class FilmLayer(nn.Module):
    """x + relu((1 + γ) · norm(W x) + β) of each token, with γ and β linear in what the instruction
    is about (FiLM, Perez et al., 2018).

    Args:
        width: of tokens, and of what it is about.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix, self.modulate = nn.Linear(width, width), nn.Linear(width, 2 * width)

    def forward(self, x: Tensor, about: Tensor) -> Tensor:
        """Float [N, K, D] and [N, D] → [N, K, D]."""
        scale, shift = self.modulate(about)[:, None].chunk(2, -1)
        mixed = functional.layer_norm(self.mix(x), x.shape[-1:])
        return x + torch.relu(mixed * (1 + scale) + shift)


class OutcomeHead(nn.Module):
    """A summary token attends to a frame and an instruction, and becomes an :class:`Outcome`.

    The frame is seen in the light of the instruction: by two layers of FiLM.

    Args:
        width, heads: of the attention.
        layers: how many.
    """

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.films = nn.ModuleList(FilmLayer(width) for _ in range(2))
        self.layers = nn.ModuleList(SummaryLayer(width, heads) for _ in range(layers))
        self.norm, self.tell = nn.LayerNorm(width), nn.Linear(width, 3)

    def forward(
        self, summary: Tensor, frame: Tensor, about: Tensor, words: Tensor, mask: Tensor
    ) -> Outcome:
        """The outcomes of N steps.

        Args:
            summary: what is known of the step beforehand, float [N, D].
            frame: that it led to, float [N, K, D].
            about: what the instruction is about, float [N, D].
            words: of the instruction, float [N, L, D].
            mask: which of them there are, bool [N, L].
        """
        for film in self.films:
            frame = film(frame, about)
        x = torch.cat([frame, words], 1)
        may = functional.pad(mask, (frame.shape[1], 0), value=True)
        told = (summary + about)[:, None]
        for layer in self.layers:
            told = layer(told, x, may)
        return Outcome(*self.tell(self.norm(told[:, 0])).float().unbind(1))
