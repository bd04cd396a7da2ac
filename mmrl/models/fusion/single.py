"""What takes the place of a fusion where there is one modality only."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from mmrl.models.fusion.base import Readout, some_tokens
from mmrl.models.tokens import Tokens, TokensShape


class SingleReadout(nn.Module):
    """The tokens of the only modality → features, by a linear layer.

    Args:
        key: of the observation.
        shape: of its tokens.
        features: width F of the features.
    """

    def __init__(self, key: str, shape: TokensShape, features: int) -> None:
        super().__init__()
        self.key, self.features = key, features
        self.readout = Readout(shape, features)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """Tokens by observation key → features float [B, F], at least 0.

        Raises:
            ValueError: they are missing, or there are others.
        """
        features: Tensor = self.readout(some_tokens(tokens, [self.key]))
        return features
