"""Weighted sum: one vector a modality, added with learned weights that can be read as shares."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmrl.fusion.base import Fusion, Readout
from mmrl.tokens import Tokens, TokensShape


class WeightedSumFusion(Fusion):
    """Σᵢ wᵢ vᵢ with w = softmax(learned), where vᵢ is the readout of a modality; then a layer."""

    def __init__(self, shapes: Mapping[str, TokensShape], features: int) -> None:
        super().__init__(shapes, features)
        self.readouts = nn.ModuleDict({k: Readout(s, features) for k, s in shapes.items()})
        self.logits = nn.Parameter(torch.zeros(len(shapes)))
        self.mix = nn.Linear(features, features)

    @property
    def weights(self) -> dict[str, float]:
        """The share of each modality; they add up to 1."""
        shares = self.logits.detach().softmax(0).tolist()
        return dict(zip(self.readouts, shares, strict=True))

    def forward(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """The tokens of every modality, by name → float [B, F]."""
        vectors = torch.stack([readout(tokens[name]) for name, readout in self.readouts.items()])
        mixed = torch.einsum("m,mbf->bf", self.logits.softmax(0), vectors)
        return torch.relu(self.mix(mixed))
