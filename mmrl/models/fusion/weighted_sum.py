"""Weighted sum: one vector a modality, added with learned weights that can be read as shares."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmrl.models.fusion.base import Fusion, Readouts
from mmrl.models.tokens import Tokens, TokensShape


class WeightedSumFusion(Fusion):
    """Σᵢ wᵢ vᵢ with w = softmax(learned), where vᵢ is the readout of a modality; then a layer."""

    def __init__(self, shapes: Mapping[str, TokensShape], features: int) -> None:
        super().__init__(shapes, features)
        self.readouts = Readouts(shapes, features)
        self.logits = nn.Parameter(torch.zeros(len(shapes)))
        self.mix = nn.Linear(features, features)

    @property
    def weights(self) -> dict[str, float]:
        """The share of each modality; they add up to 1."""
        shares = self.logits.detach().softmax(0).tolist()
        return dict(zip(self.readouts.each, shares, strict=True))

    def forward(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """The tokens of the modalities that are there, by name → float [B, F]; they share the
        weight of a missing one.
        """
        vectors, there = self.readouts(tokens)
        return torch.relu(self.mix(torch.einsum("m,mbf->bf", self._shares(there), vectors)))

    def modality_weights(self, tokens: Mapping[str, Tokens]) -> dict[str, Tensor]:
        """As :meth:`Fusion.modality_weights`: the same for all rows."""
        vectors, there = self.readouts(tokens)
        shares = self._shares(there)[:, None].expand(-1, vectors.shape[1])
        return dict(zip(self.readouts.each, shares, strict=True))

    def _shares(self, there: Tensor) -> Tensor:
        return self.logits.masked_fill(~there, -torch.inf).softmax(0)
