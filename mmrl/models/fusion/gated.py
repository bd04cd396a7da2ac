"""Gated: for every feature, the modalities compete (Arevalo et al., 2017)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmrl.models.fusion.base import Fusion, Readouts
from mmrl.models.tokens import Tokens, TokensShape


class GatedFusion(Fusion):
    """Σᵢ gᵢ ⊙ tanh(Wᵢ vᵢ) with g = softmax over the modalities of (U [v₁; v₂; …]), feature by
    feature; vᵢ is the readout of a modality. The gated multimodal unit, for any number of them.
    """

    def __init__(self, shapes: Mapping[str, TokensShape], features: int) -> None:
        super().__init__(shapes, features)
        self.readouts = Readouts(shapes, features)
        self.transforms = nn.ModuleList(nn.Linear(features, features) for _ in shapes)
        self.gate = nn.Linear(len(shapes) * features, len(shapes) * features)

    def gates(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """The gate of each modality and feature, float [M, B, F]; sums to 1 over M."""
        return self._gates(*self.readouts(tokens))

    def modality_weights(self, tokens: Mapping[str, Tokens]) -> dict[str, Tensor]:
        """As :meth:`Fusion.modality_weights`: the gates' mean over the features."""
        return dict(zip(self.readouts.each, self.gates(tokens).mean(2), strict=True))

    def forward(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """The tokens of the modalities that are there, by name → float [B, F]; a missing one has
        no gate.
        """
        vectors, there = self.readouts(tokens)
        transformed = torch.stack(
            [layer(one) for layer, one in zip(self.transforms, vectors, strict=True)]
        )
        return (self._gates(vectors, there) * transformed.tanh()).sum(0)

    def _gates(self, vectors: Tensor, there: Tensor) -> Tensor:
        modalities, rows, features = vectors.shape
        logits = self.gate(vectors.transpose(0, 1).flatten(1))
        logits = logits.view(rows, modalities, features).transpose(0, 1)
        return logits.masked_fill(~there[:, None, None], -torch.inf).softmax(0)
