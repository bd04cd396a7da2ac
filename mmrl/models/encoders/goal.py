"""The goal-image encoder: an image → one token, each distinct image of a batch encoded once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmrl.models.encoders.base import Encoder
from mmrl.models.encoders.dedup import distinct_images
from mmrl.models.encoders.image_base import ImageEncoder
from mmrl.models.tokens import Tokens, TokensShape


class GoalEncoder(Encoder):
    """An image → one token, linear in the flattened grid of its image encoder.

    One token without a grid goes with every fusion, also with FiLM, for which only the observed
    image may lie on a grid.

    Args:
        encoder: of the image, with weights and, when frozen, a cache of its own.
    """

    def __init__(self, encoder: ImageEncoder) -> None:
        super().__init__()
        rows, columns = encoder.shape.grid or (1, 1)
        width = encoder.shape.width
        self.encoder = encoder
        self.readout = nn.Linear(width * rows * columns, width)
        self.shape = TokensShape(width)
        self.channels_first = encoder.channels_first

    def stages(self) -> list[nn.Module]:
        """Those of the image's encoder."""
        return self.encoder.stages()

    def freeze(self, trained: int) -> None:
        """As :meth:`Encoder.freeze`, of the image's encoder; the readout is always trained."""
        self.encoder.freeze(trained)

    def enable_cache(self, capacity: int) -> None:
        """As :meth:`Encoder.enable_cache`, of the image's encoder."""
        self.encoder.enable_cache(capacity)

    def forward(self, images: Tensor) -> Tokens:
        """uint8 [B, 1, H, W, 3] → Tokens [B, 1, D].

        Raises:
            ValueError: as :class:`ImageEncoder`.
        """
        distinct, where = distinct_images(images[:, 0])
        tokens: Tokens = self.encoder(distinct)
        flat = tokens.mean() if tokens.grid is None else tokens.as_grid().movedim(3, 1).flatten(1)
        values = torch.relu(self.readout(flat)).unsqueeze(1)
        mask = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
        return Tokens(values, mask, rows=where)
