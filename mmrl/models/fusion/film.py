"""FiLM: the instruction scales and shifts the image's feature maps (Perez et al., 2018).

Shapes: B batch, D width of tokens, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.contract import IMAGE
from mmrl.models.fusion.base import Fusion, Readout, with_blanks
from mmrl.models.module_table import ModuleTable
from mmrl.models.tokens import Tokens, TokensShape


class FilmBlock(nn.Module):
    """x + relu((1 + γ) · norm(conv(x)) + β), with γ and β linear in the condition.

    Args:
        width: channels of the maps.
        condition: width of the condition.
        kernel_size: of the convolution, odd.
    """

    def __init__(self, width: int, condition: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, kernel_size, padding=kernel_size // 2)
        self.norm = nn.GroupNorm(1, width, affine=False)
        self.modulate = nn.Linear(condition, 2 * width)

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        """Float [B, rows, columns, D] and [B, condition] → maps of the same shape."""
        scale, shift = self.modulate(condition)[:, None, None].chunk(2, dim=3)
        normed = self.norm(self.conv(maps.movedim(3, 1))).movedim(1, 3)
        return maps + torch.relu(normed * (1 + scale) + shift)


class FilmFusion(Fusion):
    """FiLM blocks over the maps of one modality, conditioned on all others.

    As in BabyAI's agent, the instruction selects features of the image. Each condition is
    layer-normalised (Ba et al., 2016), so that the scale of the text encoder does not matter:
    policies learn to follow instructions several times sooner, some only then.

    The maps are those of :func:`modulated`: of the image, or without images of a vector. The
    condition holds the mean of the tokens of each other modality, or, where they lie on a grid, as
    of a second camera, a linear readout of it.

    Args:
        shapes, features: as :class:`Fusion`.
        blocks: how many FiLM blocks.
        kernel_size: of their convolutions, odd: 1 modulates each place by itself, and learns sooner
            and runs faster; 3 and more relate neighbouring places under the instruction.

    Raises:
        ValueError: fewer than two modalities, or a number that cannot be.
    """

    def __init__(
        self,
        shapes: Mapping[str, TokensShape],
        features: int,
        *,
        blocks: int = 2,
        kernel_size: int = 1,
    ) -> None:
        super().__init__(shapes, features)
        if blocks < 1 or kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                f"blocks={blocks} must be at least 1, and kernel_size={kernel_size} odd"
            )
        self._shapes = dict(shapes)
        self._image = modulated(shapes)
        self._others = {name: one for name, one in shapes.items() if name != self._image}
        width = shapes[self._image].width
        condition = sum(shape.width for shape in self._others.values())
        self.film = nn.ModuleList(FilmBlock(width, condition, kernel_size) for _ in range(blocks))
        self.readout = Readout(shapes[self._image], features)
        self.summaries = ModuleTable(
            {name: Readout(one, one.width) for name, one in self._others.items() if one.grid}
        )

    def forward(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """The tokens of the modalities that are there, by name → float [B, F]; a missing one
        counts as 0.
        """
        image = _on_a_grid(with_blanks(tokens, self._shapes)[self._image])
        condition = torch.cat(
            [
                self._summary(name, tokens[name]) if name in tokens else image.zeros(shape.width)
                for name, shape in self._others.items()
            ],
            dim=1,
        )
        maps = image.as_grid()
        for block in self.film:
            maps = block(maps, condition)
        return self.readout(image.replace(values=maps.flatten(1, 2)))

    def _summary(self, name: str, tokens: Tokens) -> Tensor:
        """The tokens of another modality → its part of the condition, float [B, D]."""
        if name in self.summaries:
            readout: Any = self.summaries[name]
            summary = readout.linear(tokens)
        else:
            summary = tokens.mean()
        return functional.layer_norm(summary, summary.shape[1:])


def modulated(shapes: Mapping[str, TokensShape]) -> str:
    """The modality whose maps FiLM scales and shifts: the first on a grid of several places, else
    one of a single place, such as a vector, else any; ``image`` before others that are alike.
    """

    def rank(name: str) -> tuple[int, bool]:
        grid = shapes[name].grid
        return (0 if grid is None else min(prod(grid), 2)), name == IMAGE

    return max(shapes, key=rank)


def _on_a_grid(tokens: Tokens) -> Tokens:
    """Tokens on their grid; their mean on a grid of one place, where there is none."""
    if tokens.grid is not None:
        return tokens
    mean = tokens.mean().unsqueeze(1)
    return Tokens(mean, torch.ones_like(mean[..., 0], dtype=torch.bool), (1, 1))
