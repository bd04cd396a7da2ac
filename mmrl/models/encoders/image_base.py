"""The base class of image encoders: an image → a grid of tokens; and an encoder of several images.

An :class:`ImageEncoder` is a normaliser and a body. A :class:`FramesEncoder` encodes several images
at once.

Shapes: B batch, F frames, H and W pixels, D channels, L = rows · columns tokens. Images are
uint8 [B, H, W, 3] up to :meth:`ImageEncoder.forward`, which hands a view [B, 3, H, W] of them to
the layers. The encoder chooses the order in memory by itself: patches are cut from either.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mmrl.models.encoders.base import Encoder, with_parameters
from mmrl.models.encoders.cache import digests
from mmrl.models.encoders.layers import PixelBody
from mmrl.models.tokens import Tokens, TokensShape
from mmrl.preprocessing.image import ImageNormalizer, channels_first


class ImageEncoder(Encoder):
    """An image encoder: one token for every cell of the body's last feature map.

    Args:
        normalizer: of the pixels; with a size, it resizes images of any size.
        body: normalised float [B, 3, H, W] → feature maps float [B, D, rows, columns]; with an
            attribute ``aside`` for separate last channels, see
            :class:`~mmrl.models.tokens.TokensShape`. A :class:`PixelBody` is given bytes and the
            normaliser.
        image_size: height and width of the images that the body is given.
        pooled: one token, the mean of the maps, instead of a grid.
    """

    def __init__(
        self,
        normalizer: ImageNormalizer,
        body: nn.Module,
        image_size: tuple[int, int],
        *,
        pooled: bool = False,
    ) -> None:
        super().__init__()
        self.pooled = pooled
        self.normalizer = normalizer
        self.body = body
        self.image_size = image_size
        with torch.no_grad():
            was_training = body.training
            maps = body.eval()(torch.zeros(1, 3, *image_size))
            body.train(was_training)
        grid = None if pooled else (maps.shape[2], maps.shape[3])
        self.shape = TokensShape(maps.shape[1], grid, getattr(body, "aside", 0))

    def stages(self) -> list[nn.Module]:
        """The body's own, or its children that have parameters: a ResNet's stem, then its four
        stages.
        """
        own: Callable[[], list[nn.Module]] | None = getattr(self.body, "stages", None)
        return with_parameters(self.body) if own is None else own()

    def take_channels_first(self) -> None:
        """Take images [B, 3, H, W] from now on, see :attr:`Encoder.channels_first`."""
        self.channels_first = True

    def forward(self, images: Tensor) -> Tokens:
        """uint8 [B, H, W, 3] → Tokens [B, L, D] on the grid, or [B, 1, D] if pooled.

        Raises:
            ValueError: images of another type, order or size than the encoder was built for.
        """
        axis, order = (1, "3, H, W") if self.channels_first else (-1, "H, W, 3")
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[axis] != 3:
            raise ValueError(
                f"images must be uint8 [B, {order}], got {images.dtype} {list(images.shape)}"
            )
        size = tuple(self._pixels(images).shape[-2:])
        if self.normalizer.size is None and size != self.image_size:
            raise ValueError(
                f"images of {list(size)} pixels: "
                f"this encoder was built for {list(self.image_size)}; model.image_size resizes"
            )
        return self.apply_cached(images, self._encode, self.shape.grid)

    def cache_keys(self, rows: Tensor) -> list[bytes]:
        """As :meth:`Encoder.cache_keys`, of pixels in channels-last order, as in buffers."""
        return digests(rows.movedim(1, -1) if self.channels_first else rows)

    def _pixels(self, images: Tensor) -> Tensor:
        """A view [B, 3, H, W] of images in the order that the encoder takes."""
        return images if self.channels_first else channels_first(images)

    def _encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self._maps(self._pixels(images))
        values = maps.flatten(2).transpose(1, 2)
        if self.pooled:
            values = values.mean(1, keepdim=True)
        return values, torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)

    def _maps(self, pixels: Tensor) -> Tensor:
        maps: Tensor
        if isinstance(self.body, PixelBody):
            maps = self.body(pixels, self.normalizer)
        else:
            ordered = pixels.contiguous(memory_format=self.memory_format)
            maps = self.body(self.normalizer(ordered))
        return maps


class FramesEncoder(Encoder):
    """An encoder of F frames → Tokens on one grid of F · rows by columns, the first frame on top.

    Args:
        encoder: of each image, to a grid.
        frames: F.

    Raises:
        ValueError: the encoder pools.
    """

    def __init__(self, encoder: ImageEncoder, frames: int) -> None:
        super().__init__()
        if encoder.shape.grid is None:
            raise ValueError("the images' tokens must lie on a grid, not be pooled")
        rows, columns = encoder.shape.grid
        self.encoder, self.frames = encoder, frames
        self.shape = encoder.shape._replace(grid=(frames * rows, columns))
        self.channels_first = encoder.channels_first

    def stages(self) -> list[nn.Module]:
        """Those of the image encoder."""
        return self.encoder.stages()

    def freeze(self, trained: int) -> None:
        """As :meth:`Encoder.freeze`, of the image encoder."""
        self.encoder.freeze(trained)

    def enable_cache(self, capacity: int) -> None:
        """As :meth:`Encoder.enable_cache`, of the image encoder: each image is encoded once,
        however many stacks it is in.
        """
        self.encoder.enable_cache(capacity)

    def forward(self, images: Tensor) -> Tokens:
        """uint8 [B, F, H, W, 3] → Tokens [B, F · L, D].

        Raises:
            ValueError: another number of images, or as :class:`ImageEncoder`.
        """
        if images.ndim != 5 or images.shape[1] != self.frames:
            raise ValueError(f"{self.frames} frames are needed, got {list(images.shape)}")
        tokens: Tokens = self.encoder(images.flatten(0, 1))
        values = tokens.values.unflatten(0, (-1, self.frames)).flatten(1, 2)
        mask = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
        return Tokens(values, mask, self.shape.grid)
