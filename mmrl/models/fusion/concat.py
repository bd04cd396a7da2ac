"""Concatenation: one vector a modality, side by side, and a layer on top."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmrl.models.fusion.base import Fusion, Readouts, some_tokens
from mmrl.models.tokens import Tokens, TokensShape


class PlainConcatFusion(Fusion):
    """[mean₁; mean₂; …] of the tokens of each modality, and nothing on top: no weights.

    Args:
        shapes: of each modality's tokens, by observation key.
        features: the sum of their widths.

    Raises:
        ValueError: ``features`` is something else.
    """

    def __init__(self, shapes: Mapping[str, TokensShape], features: int) -> None:
        super().__init__(shapes, features)
        self._widths = {name: shape.width for name, shape in shapes.items()}
        if features != sum(self._widths.values()):
            raise ValueError(
                f"plain_concat of widths {', '.join(map(str, self._widths.values()))} has "
                f"features={sum(self._widths.values())}, not {features}"
            )

    def forward(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """The tokens of the modalities that are there, by name → float [B, F]; a missing one
        counts as 0.
        """
        some = some_tokens(tokens, list(self._widths))
        means = [
            tokens[name].mean() if name in tokens else some.zeros(width)
            for name, width in self._widths.items()
        ]
        return torch.cat(means, dim=1)


class ConcatFusion(Fusion):
    """relu(W [v₁; v₂; …] + b), where vᵢ is the readout of a modality."""

    def __init__(self, shapes: Mapping[str, TokensShape], features: int) -> None:
        super().__init__(shapes, features)
        self.readouts = Readouts(shapes, features)
        self.mix = nn.Linear(features * len(shapes), features)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """The tokens of the modalities that are there, by name → float [B, F]; a missing one's
        vector is 0.
        """
        vectors, _ = self.readouts(tokens)
        return torch.relu(self.mix(vectors.transpose(0, 1).flatten(1)))
