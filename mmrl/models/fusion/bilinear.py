"""Bilinear: products of the modalities' features, of low rank (Kim et al., 2017)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmrl.models.fusion.base import Fusion, Readouts
from mmrl.models.tokens import Tokens, TokensShape


class BilinearFusion(Fusion):
    """relu(P (tanh(U₁ v₁) ⊙ tanh(U₂ v₂) ⊙ …) + b): a bilinear (with more modalities, multilinear)
    form whose tensor has rank R = 2 F; vᵢ is the readout of a modality.
    """

    def __init__(self, shapes: Mapping[str, TokensShape], features: int) -> None:
        super().__init__(shapes, features)
        rank = 2 * features
        self.readouts = Readouts(shapes, features)
        self.factors = nn.ModuleList(nn.Linear(features, rank) for _ in shapes)
        self.mix = nn.Linear(rank, features)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """The tokens of the modalities that are there, by name → float [B, F]; a missing one is
        left out of the product.
        """
        vectors, there = self.readouts(tokens)
        factors = torch.stack(
            [layer(one).tanh() for layer, one in zip(self.factors, vectors, strict=True)]
        )
        return torch.relu(self.mix(factors.masked_fill(~there[:, None, None], 1).prod(0)))
