"""FiLM: the instruction scales and shifts the picture's feature maps (Perez et al., 2018)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmrl.fusion.base import Fusion, Readout, some_tokens
from mmrl.tokens import Tokens, TokensShape


class FilmBlock(nn.Module):
    """x + relu((1 + γ) · conv(x) + β), with γ and β linear in the condition.

    Args:
        width: channels of the maps.
        condition: width of the condition.
    """

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.GroupNorm(1, width, affine=False)
        self.modulate = nn.Linear(condition, 2 * width)

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        """Float [B, D, rows, columns] and [B, condition] → maps of the same shape."""
        scale, shift = self.modulate(condition)[:, :, None, None].chunk(2, dim=1)
        return maps + torch.relu(torch.addcmul(shift, self.norm(self.conv(maps)), 1 + scale))


class FilmFusion(Fusion):
    """Two FiLM blocks over the modality that lies on a grid, conditioned on all others.

    As in BabyAI's agent: what is said decides which features of the picture count.

    Raises:
        ValueError: not exactly one modality lies on a grid.
    """

    blocks = 2

    def __init__(self, shapes: Mapping[str, TokensShape], features: int) -> None:
        super().__init__(shapes, features)
        grids = [name for name, shape in shapes.items() if shape.grid is not None]
        if len(grids) != 1:
            raise ValueError(
                f"film needs exactly one modality on a grid, got {', '.join(grids) or 'none'}"
            )
        self._picture = grids[0]
        self._others = {name: one.width for name, one in shapes.items() if name != self._picture}
        self._width, grid = shapes[self._picture]
        assert grid is not None
        self._grid = grid
        condition = sum(self._others.values())
        self.film = nn.ModuleList(FilmBlock(self._width, condition) for _ in range(self.blocks))
        self.readout = Readout(shapes[self._picture], features)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """The tokens of the modalities that are there, by name → float [B, F]; a missing one
        counts as 0.
        """
        some = some_tokens(tokens, [self._picture, *self._others]).values
        rows = some.shape[0]
        condition = torch.cat(
            [
                tokens[name].mean() if name in tokens else some.new_zeros(rows, width)
                for name, width in self._others.items()
            ],
            dim=1,
        )
        if self._picture in tokens:
            maps = tokens[self._picture].as_map()
        else:
            maps = some.new_zeros(rows, self._width, *self._grid)
        for block in self.film:
            maps = block(maps, condition)
        mask = torch.ones(maps.shape[0], maps[0, 0].numel(), dtype=torch.bool, device=maps.device)
        return self.readout(Tokens(maps.flatten(2).transpose(1, 2), mask, self._grid))
