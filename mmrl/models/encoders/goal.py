"""An image of the goal → one token, each distinct image of a batch encoded once."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.models.encoders.base import Encoder, distinct_rows
from mmrl.models.encoders.image import ImageEncoder
from mmrl.models.tokens import Tokens, TokensShape

_WORD = 8  # bytes of an int64


class GoalEncoder(Encoder):
    """The image of what is asked for → one token, which is what it shows and where.

    A batch holds few distinct goals, as few as instructions. One token, and no grid, goes with
    every fusion: what is seen lies on the only grid.

    Args:
        encoder: of the image, with weights of its own; what is frozen of it is remembered there.
    """

    def __init__(self, encoder: ImageEncoder) -> None:
        super().__init__()
        rows, columns = encoder.shape.grid or (1, 1)
        width = encoder.shape.width
        self.encoder = encoder
        self.readout = nn.Linear(width * rows * columns, width)
        self.shape = TokensShape(width)

    def stages(self) -> list[nn.Module]:
        """Those of the image's encoder."""
        return self.encoder.stages()

    def freeze(self, trained: int) -> None:
        """As :meth:`Encoder.freeze`, of the image's encoder; the readout learns always."""
        self.encoder.freeze(trained)

    def remember(self, capacity: int) -> None:
        """As :meth:`Encoder.remember`, of the image's encoder."""
        self.encoder.remember(capacity)

    def forward(self, images: Tensor) -> Tokens:
        """uint8 [B, 1, 3, H, W] → Tokens [B, 1, D].

        Raises:
            ValueError: as :class:`ImageEncoder`.
        """
        distinct, where = distinct_images(images[:, 0])
        seen: Tokens = self.encoder(distinct)
        flat = seen.mean() if seen.grid is None else seen.as_map().flatten(1)
        values = torch.relu(self.readout(flat)).unsqueeze(1)
        mask = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
        return Tokens(values, mask, rows=where)


def distinct_images(images: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct ones of uint8 [B, …], [U, …], and which of them each is, int64 [B]."""
    flat = images.flatten(1)
    size = flat.shape[1]
    words = functional.pad(flat, (0, -size % _WORD)).contiguous().view(torch.int64)
    rows, where = distinct_rows(words)
    return rows.view(torch.uint8)[:, :size].unflatten(1, images.shape[1:]), where
