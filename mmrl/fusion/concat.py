"""Concatenation: one vector a modality, side by side, and a layer on top."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmrl.fusion.base import Fusion, Readout
from mmrl.tokens import Tokens, TokensShape


class ConcatFusion(Fusion):
    """relu(W [v₁; v₂; …] + b), where vᵢ is the readout of a modality."""

    def __init__(self, shapes: Mapping[str, TokensShape], features: int) -> None:
        super().__init__(shapes, features)
        self.readouts = nn.ModuleDict({k: Readout(s, features) for k, s in shapes.items()})
        self.mix = nn.Linear(features * len(shapes), features)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """The tokens of every modality, by name → float [B, F]."""
        vectors = [readout(tokens[name]) for name, readout in self.readouts.items()]
        return torch.relu(self.mix(torch.cat(vectors, dim=1)))
