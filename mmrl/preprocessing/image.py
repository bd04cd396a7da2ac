"""Image preprocessing: uint8 images → resized, normalised floats, on the device of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor, nn

from mmrl.compat import import_torchvision

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ImageNormalizer(nn.Module):
    """Resizes images, if there is a size, and normalises them: (pixel / 255 - mean) / std.

    Args:
        mean, std: by channel, of the images an encoder was trained on, from 0 to 1.
        size: height and width that images are resized to (bilinear, antialiased); None leaves
            them as they are.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        mean_, std_ = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
        self.register_buffer("scale", 1 / (255 * std_), persistent=False)
        self.register_buffer("shift", -mean_ / std_, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """uint8 [B, 3, H, W] → float [B, 3, H, W], or [B, 3, *size].

        Raises:
            ValueError: another type or number of channels.
        """
        return self.sized(images).to(self.scale.dtype).mul_(self.scale).add_(self.shift)

    def sized(self, images: Tensor) -> Tensor:
        """uint8 [B, 3, H, W] → resized uint8 [B, 3, H', W'].

        Raises:
            ValueError: another type or number of channels.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(
                f"images must be uint8 [B, 3, H, W], got {images.dtype} {list(images.shape)}"
            )
        if self.size is not None and tuple(images.shape[-2:]) != tuple(self.size):
            images = _resize()(images, list(self.size), antialias=True)
        return images

    def inverse(self, images: Tensor) -> Tensor:
        """Normalised float [B, 3, H, W] → images uint8 [B, 3, H, W], of the size they have."""
        pixels = (images - self.shift) / self.scale
        return pixels.round().clamp(0, 255).to(torch.uint8)


@cache
def _resize() -> Callable[..., Tensor]:
    import_torchvision()
    from torchvision.transforms import v2

    return v2.functional.resize
