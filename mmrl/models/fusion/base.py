"""The base class of fusions, and the readout that most of them begin with.

Shapes: B batch, M modalities, L tokens, D their width, F features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.models.module_table import ModuleTable
from mmrl.models.tokens import Tokens, TokensShape


class Fusion(nn.Module, ABC):
    """A fusion: the tokens of two modalities or more → features.

    A modality may be missing from a batch, such as speech; at least one has to be there.

    Args:
        shapes: of each modality's tokens, by observation key.
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
        """Tokens by observation key, of which some may be missing → features float [B, F].

        Raises:
            ValueError: all are missing, or there is one that the fusion was not built for.
        """

    def attention(self, tokens: Mapping[str, Tokens]) -> dict[str, Tensor]:
        """Attention weights of each token, float [B, L] by modality, to be visualised; nothing
        where the fusion has none.
        """
        return {}

    def modality_weights(self, tokens: Mapping[str, Tokens]) -> dict[str, Tensor]:
        """The weight of each modality, float [B], which add up to 1; nothing where the fusion has
        none.
        """
        return {}


class Readouts(nn.Module):
    """One vector a modality, of the same width.

    Args:
        shapes: of each modality's tokens.
        features: width of the vectors.
    """

    def __init__(self, shapes: Mapping[str, TokensShape], features: int) -> None:
        super().__init__()
        self.each = ModuleTable({k: Readout(s, features) for k, s in shapes.items()})
        self._features = features

    def forward(self, tokens: Mapping[str, Tokens]) -> tuple[Tensor, Tensor]:
        """The tokens of the modalities that are there, by name.

        Returns:
            Vectors float [M, B, features], 0 for a modality that is missing, and which are there,
            bool [M].

        Raises:
            ValueError: none is there, or one that the fusion was not built for.
        """
        nothing = some_tokens(tokens, list(self.each)).zeros(self._features)
        vectors = [
            readout(tokens[name]) if name in tokens else nothing
            for name, readout in self.each.items()
        ]
        there = torch.tensor([name in tokens for name in self.each], device=nothing.device)
        return torch.stack(vectors), there


def some_tokens(tokens: Mapping[str, Tokens], known: list[str]) -> Tokens:
    """The tokens of any one modality that is there.

    Raises:
        ValueError: none is there, or one that the fusion was not built for.
    """
    unexpected = [name for name in tokens if name not in known]
    if unexpected or not tokens:
        got = ", ".join(tokens) or "nothing"
        raise ValueError(f"a fusion of {', '.join(known)} got {got}")
    return next(iter(tokens.values()))


def with_blanks(
    tokens: Mapping[str, Tokens], shapes: Mapping[str, TokensShape]
) -> dict[str, Tokens]:
    """The tokens of every modality of ``shapes``: zeros for those that are missing.

    Raises:
        ValueError: none is there, or one that the fusion was not built for.
    """
    some = some_tokens(tokens, list(shapes))

    def blank(shape: TokensShape) -> Tokens:
        rows, columns = shape.grid or (1, 1)
        values = some.zeros(rows * columns, shape.width)
        return Tokens(values, torch.ones_like(values[..., 0], dtype=torch.bool), shape.grid)

    return {
        name: tokens[name] if name in tokens else blank(shape) for name, shape in shapes.items()
    }


class Readout(nn.Module):
    """Tokens → one vector by a linear layer: a grid is flattened, a sequence averaged.

    Args:
        shape: of the tokens.
        features: width of the vector.
    """

    def __init__(self, shape: TokensShape, features: int) -> None:
        super().__init__()
        rows, columns = shape.grid or (1, 1)
        self._is_grid, self._width = shape.grid is not None, shape.width
        self.project = nn.Linear(shape.width * rows * columns, features)

    def forward(self, tokens: Tokens) -> Tensor:
        """Tokens → float [B, features], at least 0."""
        return torch.relu(self.linear(tokens))

    def linear(self, tokens: Tokens) -> Tensor:
        """As :meth:`forward`, before the ReLU."""
        if not self._is_grid:
            vector: Tensor = self.project(tokens.mean())
            return vector
        # the weights are in the order [D, rows, columns]: they are fewer than the tokens of a batch
        weight = self.project.weight.unflatten(1, (self._width, -1)).transpose(1, 2).flatten(1)
        return functional.linear(tokens.as_grid().flatten(1), weight, self.project.bias)
