"""Image preprocessing: uint8 images → resized, normalised floats, on the device of the model.

Images are [H, W, 3] everywhere, as environments make them; :func:`channels_first` turns them where
a model takes its pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmrl.compat import import_torchvision

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def channels_first(images: Tensor) -> Tensor:
    """Images [..., H, W, C] → [..., C, H, W], as torch's layers take them; a view."""
    return images.movedim(-1, -3)


def is_channels_first(shape: Sequence[int]) -> bool:
    """Whether images of a shape are [..., 3, H, W], as stable-baselines3's ``VecTransposeImage``
    makes them of [..., H, W, 3].
    """
    return shape[-1] != 3 and shape[-3] == 3


def is_image(shape: Sequence[int]) -> bool:
    """Whether a shape is that of an image, [H, W, 3] or [3, H, W]."""
    return len(shape) == 3 and 3 in (shape[0], shape[2])


def size_of(shape: Sequence[int]) -> tuple[int, int]:
    """Height and width of images of a shape, in either order."""
    rows = -2 if is_channels_first(shape) else -3
    return int(shape[rows]), int(shape[rows + 1])


def in_order_of(shape: Sequence[int], images: NDArray[Any]) -> NDArray[Any]:
    """Images in the order of the axes of a shape, [H, W, 3] or [3, H, W]: turned, as a view, where
    they have the other one, such as in files of earlier versions.
    """
    if not is_channels_first(shape):
        return channels_last(images)
    return images if is_channels_first(images.shape) else np.moveaxis(images, -1, -3)


def channels_last(images: NDArray[Any]) -> NDArray[Any]:
    """Images [..., H, W, 3] as they are, and [..., 3, H, W] turned, as a view."""
    return np.moveaxis(images, -3, -1) if is_channels_first(images.shape) else images


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
        self.check(images)
        if self.size is not None and tuple(images.shape[-2:]) != tuple(self.size):
            images = _resize()(images, list(self.size), antialias=True)
        return images

    def check(self, images: Tensor) -> None:
        """Check that images are uint8 [B, 3, H, W].

        Raises:
            ValueError: another type or number of channels.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(
                f"images must be uint8 [B, 3, H, W], got {images.dtype} {list(images.shape)}"
            )

    @property
    def settings(self) -> dict[str, Any]:
        """What determines its output besides size, mean and standard deviation, for fingerprints:
        nothing.
        """
        return {}

    def inverse(self, images: Tensor) -> Tensor:
        """Normalised float [B, 3, H, W] → images uint8 [B, 3, H, W], of the size they have."""
        pixels = (images - self.shift) / self.scale
        return pixels.round().clamp(0, 255).to(torch.uint8)


@cache
def _resize() -> Callable[..., Tensor]:
    import_torchvision()
    from torchvision.transforms import v2

    return v2.functional.resize
