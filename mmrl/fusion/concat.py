"""Concatenation: one vector a modality, side by side, and a layer on top."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmrl.fusion.base import Fusion, Readouts
from mmrl.tokens import Tokens, TokensShape


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
