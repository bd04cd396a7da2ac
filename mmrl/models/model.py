"""START HERE: the multimodal model, observation → tokens → fusion → features.

    observation {key: numbers} ── one encoder a key ──→ {key: Tokens [B, L, D]} ── fusion ──→ [B, F]

Notable:

- A modality is data: a row in ``ModelConfig.encoders``, by observation key, or the default for its
  shape. There may be any number of images, vectors and texts, also a single one.
- Encoders are frozen for real (no gradient, BatchNorm statistics or dropout), and then cached: each
  distinct input is encoded once.
- A batch holds few distinct instructions: each is encoded once, and its tokens are shared.
- Frames stay bytes up to the encoder, which cuts patches before it normalises.
- Any modality may be missing from a batch.
- Weights are safetensors, the rest JSON; nothing is unpickled.

Reading order: this file; :mod:`~mmrl.models.tokens`, the interface between encoders and fusions;
:mod:`~mmrl.models.encoders.base` and one encoder, such as :mod:`~mmrl.models.encoders.image`;
:mod:`~mmrl.models.fusion.film`, one fusion; :mod:`~mmrl.models.config` and
:mod:`~mmrl.models.build`, how names become modules; :mod:`~mmrl.models.io`, how they are saved.

Shapes: B batch, L tokens (or token ids), D their width, F features, H and W pixels. Images are
uint8 [B, H, W, 3] from the environment up to the image encoder, which turns them.
"""

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
from mmrl.models.fusion import Fusion, SingleReadout
from mmrl.models.module_table import ModuleTable
from mmrl.models.tokens import Tokens
from mmrl.preprocessing.text import Tokenizer

PRECISIONS: Final = {"fp32": torch.float32, "bf16": torch.bfloat16}


class MultimodalModel(nn.Module):
    """A multimodal feature extractor: one encoder for each modality, and a fusion.

    Inside policies it takes observations; with a tokenizer also sentences and images.
    :func:`mmrl.models.build.build_model` makes it from a configuration,
    :func:`mmrl.models.io.save_model` and :func:`mmrl.models.io.load_model` keep it in a folder.

    Args:
        encoders: by observation key: raw numbers → Tokens.
        fusion: the Tokens of all modalities → features; a readout, where there is one modality.
        tokenizer: for sentences.
        dropout: share of the features that is dropped in training (Srivastava et al., 2014).
        precision: "fp32", or "bf16" for matrix products in bfloat16 (autocast); weights and
            features are float32 either way.

    Attributes:
        features: F.
        recipe: how to build it again, as plain data; None if it was not made by ``build_model``.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        fusion: Fusion | SingleReadout,
        *,
        tokenizer: Tokenizer | None = None,
        dropout: float = 0.0,
        precision: str = "fp32",
    ) -> None:
        super().__init__()
        self.encoders = ModuleTable(encoders)
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
            observation: by key, such as ``image`` uint8 [B, H, W, 3], ``state`` float [B, K],
                ``instruction`` token ids [B, L], ``speech`` features [B, …], ``goal`` uint8
                [B, 1, H, W, 3], of which some may be missing; or B sentences.
            images: with sentences, uint8 [B, 3, H, W] where the model was built without an
                environment, else [B, H, W, 3]; see :class:`mmrl.models.inputs.ModelInputs`.

        Raises:
            ValueError: a modality that the model was not built for, or images or token ids that do
                not fit its encoder.
            UserError: sentences, as :meth:`observe`.
        """
        if not isinstance(observation, Mapping):
            observation = self.observe(observation, images)
        with self.autocast(next(iter(observation.values())).device):
            features = self.fusion(self.encode(observation))
        return self.dropout(features.float())

    def encode(self, observation: Mapping[str, Tensor]) -> dict[str, Tokens]:
        """The Tokens of each modality in a batch, by observation key.

        Raises:
            ValueError: a modality that the model was not built for.
        """
        unexpected = [name for name in observation if name not in self.encoders]
        if unexpected:
            known = ", ".join(self.encoders)
            raise ValueError(f"a model of {known} was given {', '.join(unexpected)}")
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
