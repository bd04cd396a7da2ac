"""One embedding space for pictures and sentences: what belongs together lies together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.model import MultimodalModel
from mmrl.tokens import Tokens


class SharedEmbedding(nn.Module):
    """A linear head for each modality of a model, onto the unit sphere, as CLIP (Radford et al.,
    2021) and ALIGN have it.

    Args:
        model: whose encoders make the tokens; its fusion is not used.
        width: of the embeddings.
    """

    def __init__(self, model: MultimodalModel, width: int = 128) -> None:
        super().__init__()
        self.model = model
        encoders: dict[str, Any] = dict(model.encoders.items())
        self.heads = nn.ModuleDict(
            {name: nn.Linear(encoder.shape.width, width) for name, encoder in encoders.items()}
        )
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(
        self, observation: Mapping[str, Tensor] | Sequence[str], images: Tensor | None = None
    ) -> dict[str, Tensor]:
        """What :class:`mmrl.model.MultimodalModel` takes → unit vectors float32 [B, width], by
        modality.
        """
        if not isinstance(observation, Mapping):
            observation = self.model.observe(observation, images)
        return {
            name: self._embed(name, one) for name, one in self.model.encode(observation).items()
        }

    def loss(self, first: Tensor, second: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """:func:`contrastive_loss` at the learned temperature, which is kept above 0.01."""
        scale = self.log_scale.clamp(max=math.log(100)).exp()
        return contrastive_loss(first, second, scale, label_smoothing=label_smoothing)

    def _embed(self, name: str, tokens: Tokens) -> Tensor:
        return functional.normalize(self.heads[name](tokens.mean().float()), dim=1)


def contrastive_loss(
    first: Tensor, second: Tensor, scale: Tensor | float, *, label_smoothing: float = 0.0
) -> Tensor:
    """InfoNCE both ways (van den Oord et al., 2018): row b of one belongs to row b of the other.

    Args:
        first, second: unit vectors float [B, D].
        scale: one over the temperature.
        label_smoothing: share of the target that is spread over all rows.
    """
    similar = scale * first @ second.T
    target = torch.arange(len(first), device=first.device)
    there = functional.cross_entropy(similar, target, label_smoothing=label_smoothing)
    back = functional.cross_entropy(similar.T, target, label_smoothing=label_smoothing)
    return (there + back) / 2
