"""FiLM: the instruction scales and shifts the image's feature maps (Perez et al., 2018)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.models.fusion.base import Fusion, Readout, with_blanks
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
    """FiLM blocks over the modality that lies on a grid, conditioned on all others.

    As in BabyAI's agent, the instruction selects features of the image. Each condition is
    layer-normalised (Ba et al., 2016), so that the scale of the text encoder does not matter:
    policies learn to follow instructions several times sooner, some only then.

    Args:
        shapes, features: as :class:`Fusion`.
        blocks: how many FiLM blocks.
        kernel_size: of their convolutions, odd: 1 modulates each place by itself, and learns sooner
            and runs faster; 3 and more relate neighbouring places under the instruction.

    Raises:
        ValueError: not exactly one modality lies on a grid, or a number that cannot be.
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
        grids = [name for name, shape in shapes.items() if shape.grid is not None]
        if len(grids) != 1:
            raise ValueError(
                f"film needs exactly one modality on a grid, got {', '.join(grids) or 'none'}; "
                "others, such as concat or cross_attention, take any number"
            )
        self._shapes = dict(shapes)
        self._image = grids[0]
        self._others = [name for name in shapes if name != self._image]
        width = shapes[self._image].width
        condition = sum(shapes[name].width for name in self._others)
        self.film = nn.ModuleList(FilmBlock(width, condition, kernel_size) for _ in range(blocks))
        self.readout = Readout(shapes[self._image], features)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """The tokens of the modalities that are there, by name → float [B, F]; a missing one
        counts as 0.
        """
        tokens = with_blanks(tokens, self._shapes)
        means = [tokens[name].mean() for name in self._others]
        condition = torch.cat([functional.layer_norm(m, m.shape[1:]) for m in means], dim=1)
        image = tokens[self._image]
        maps = image.as_grid()
        for block in self.film:
            maps = block(maps, condition)
        return self.readout(image.replace(values=maps.flatten(1, 2)))
