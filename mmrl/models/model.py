"""START HERE: observation → tokens → fusion → features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from mmrl.contract import IMAGE, INSTRUCTION
from mmrl.errors import UserError
from mmrl.models.encoders.base import Encoder
from mmrl.models.fusion import Fusion
from mmrl.models.tokens import Tokens
from mmrl.preprocessing.text import Tokenizer

PRECISIONS: Final = {"fp32": torch.float32, "bf16": torch.bfloat16}


class MultimodalModel(nn.Module):
    """What is seen, read and heard → features.

    Inside policies it takes observations; with a tokenizer it takes sentences and images.

    Args:
        encoders: for each modality of the observation, by its key: raw numbers → Tokens.
        fusion: the Tokens of all modalities → features.
        tokenizer: for sentences.
        dropout: share of the features that is left out in training (Srivastava et al., 2014).
        precision: "fp32", or "bf16" for matrix products in bfloat16 (autocast); weights and
            features are float32 either way.

    Attributes:
        recipe: how it was built, which :meth:`save` writes down; set by the builders.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        fusion: Fusion,
        *,
        tokenizer: Tokenizer | None = None,
        dropout: float = 0.0,
        precision: str = "fp32",
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.fusion = fusion
        self.dropout = nn.Dropout(dropout)
        self.tokenizer = tokenizer
        self.precision = precision
        self.features = fusion.features
        self.recipe: dict[str, Any] | None = None

    def forward(
        self, observation: Mapping[str, Tensor] | Sequence[str], images: Tensor | None = None
    ) -> Tensor:
        """A batch of observations, or of sentences and images → features float32 [B, F].

        Args:
            observation: by modality, ``image`` uint8 [B, 3, H, W], ``instruction`` token ids
                [B, L], ``speech`` features [B, …], ``goal`` uint8 [B, 1, 3, H, W], of which some
                may be missing; or B sentences.
            images: uint8 [B, 3, H, W], with sentences.
        """
        if not isinstance(observation, Mapping):
            observation = self.observe(observation, images)
        with self.autocast(next(iter(observation.values())).device):
            features = self.fusion(self.encode(observation))
        return self.dropout(features.float())

    def encode(self, observation: Mapping[str, Tensor]) -> dict[str, Tokens]:
        """The Tokens of each modality that is there.

        Raises:
            ValueError: a modality that the model was not built for.
        """
        strange = [name for name in observation if name not in self.encoders]
        if strange:
            known = ", ".join(self.encoders)
            raise ValueError(f"a model of {known} was given {', '.join(strange)}")
        return {name: self.encoders[name](given) for name, given in observation.items()}

    def observe(self, sentences: Sequence[str], images: Tensor | None) -> dict[str, Tensor]:
        """B sentences and images as an observation, on the model's device.

        Raises:
            UserError: the model has no tokenizer, or there are not as many images as sentences.
        """
        if self.tokenizer is None:
            raise UserError("this model takes token ids: it has no tokenizer for sentences")
        if images is not None and len(images) != len(sentences):
            raise UserError(f"{len(sentences)} sentences and {len(images)} images: give as many")
        device = next(self.parameters()).device
        ids = np.stack([self.tokenizer.encode(sentence) for sentence in sentences])
        observation = {INSTRUCTION: torch.from_numpy(ids).to(device)}
        return observation if images is None else {**observation, IMAGE: images.to(device)}

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        """The precision in which it computes on a device."""
        return autocast(self.precision, device)


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Matrix products in one of :data:`PRECISIONS` on a device."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, PRECISIONS[precision])
