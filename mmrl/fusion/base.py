"""What every fusion is, and the readout that most of them begin with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmrl.tokens import Tokens, TokensShape


class Fusion(nn.Module, ABC):
    """Tokens of two modalities or more → features.

    Args:
        shapes: what is known of each modality's tokens, by its name.
        features: width F of the features.

    Raises:
        ValueError: fewer than two modalities.
    """

    def __init__(self, shapes: Mapping[str, TokensShape], features: int) -> None:
        super().__init__()
        if len(shapes) < 2:
            raise ValueError(f"a fusion needs two modalities or more, got {', '.join(shapes)}")
        self.features = features

    @abstractmethod
    def forward(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """The tokens of every modality, by name → float [B, F]."""


class Readout(nn.Module):
    """Tokens → one vector: a grid is flattened, since place matters; a sequence is averaged.

    Args:
        shape: of the tokens.
        features: width of the vector.
    """

    def __init__(self, shape: TokensShape, features: int) -> None:
        super().__init__()
        rows, columns = shape.grid or (1, 1)
        self._is_grid = shape.grid is not None
        self.project = nn.Linear(shape.width * rows * columns, features)

    def forward(self, tokens: Tokens) -> Tensor:
        """Tokens → float [B, features], not negative."""
        pooled = tokens.as_map().flatten(1) if self._is_grid else tokens.mean()
        return torch.relu(self.project(pooled))
