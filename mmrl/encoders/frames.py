"""Several pictures at once: each is encoded, and their tokens stand below each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmrl.encoders.freezing import Encoder
from mmrl.encoders.image import ImageEncoder
from mmrl.tokens import Tokens


class FramesEncoder(Encoder):
    """F pictures → the Tokens of one grid, as if they stood below each other; the first comes
    first.

    Args:
        encoder: of each picture, to a grid.
        frames: F.
    """

    def __init__(self, encoder: ImageEncoder, frames: int) -> None:
        super().__init__()
        if encoder.shape.grid is None:
            raise ValueError("the pictures' tokens must lie on a grid, not be pooled")
        rows, columns = encoder.shape.grid
        self.encoder, self.frames = encoder, frames
        self.shape = encoder.shape._replace(grid=(frames * rows, columns))

    def stages(self) -> list[nn.Module]:
        """Those of the encoder."""
        return self.encoder.stages()

    def forward(self, images: Tensor) -> Tokens:
        """uint8 [B, F, 3, H, W] → Tokens.

        Raises:
            ValueError: another number of pictures, or as :class:`ImageEncoder`.
        """
        if images.ndim != 5 or images.shape[1] != self.frames:
            raise ValueError(f"{self.frames} frames are needed, got {list(images.shape)}")
        tokens: Tokens = self.encoder(images.flatten(0, 1))
        values = tokens.values.unflatten(0, (-1, self.frames)).flatten(1, 2)
        mask = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
        return Tokens(values, mask, self.shape.grid)
