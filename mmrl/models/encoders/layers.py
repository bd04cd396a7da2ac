"""Layers that encoders are made of: norms, positions, patches, convolutions of small maps.

Shapes: B batch, C and D channels, H and W pixels or places, h and w patches.
"""

from __future__ import annotations

from typing import Final, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.preprocessing.image import ImageNormalizer

_FEW: Final = 9


def group_norm(width: int) -> nn.Module:
    """Group normalisation with one group: without running statistics, the policy that collects data
    is the one that is updated.
    """
    return nn.GroupNorm(1, width)


def sines(length: int, width: int) -> Tensor:
    """Sinusoidal position embeddings, float32 [length, width], of wavelengths from 2π to 20,000π
    (Vaswani et al., 2017).
    """
    place = torch.arange(length).unsqueeze(1)
    rate = torch.exp(torch.arange(0, width, 2) * (-torch.log(torch.tensor(10_000.0)) / width))
    both = torch.stack([torch.sin(place * rate), torch.cos(place * rate)], dim=2)
    return both.flatten(1)[:, :width]


class PatchEmbedding(nn.Conv2d):
    """A patch embedding: a convolution with stride = kernel size (ViT, Dosovitskiy et al., 2021).

    Bytes are cut into patches before they are normalised, and the normalisation is fused into the
    weights of one matrix product: W (s x + t) + b = (s W) x + (W t + b).

    Args:
        width: channels of the maps.
        patch: side of a patch, in pixels.
    """

    def __init__(self, width: int, patch: int) -> None:
        super().__init__(3, width, patch, stride=patch)

    def forward(self, images: Tensor, normalizer: ImageNormalizer | None = None) -> Tensor:
        """Maps float [B, width, H // patch, W // patch].

        Args:
            images: normalised float [B, 3, H, W]; or uint8, with the normaliser.
            normalizer: for bytes.
        """
        if normalizer is None:
            return super().forward(images)
        pixels = normalizer.sized(images)
        (patch, _), (height, width) = self.kernel_size, pixels.shape[-2:]
        rows, columns = height // patch, width // patch
        cut = pixels[:, :, : rows * patch, : columns * patch].unflatten(3, (columns, patch))
        patches = cut.unflatten(2, (rows, patch)).permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(0, 2)
        weight = (self.weight * normalizer.scale).permute(0, 2, 3, 1).flatten(1)
        assert self.bias is not None
        bias = self.bias + (self.weight * normalizer.shift).sum((1, 2, 3))
        device, precision = pixels.device.type, bias.dtype
        if torch.is_autocast_enabled(device):
            precision = torch.get_autocast_dtype(device)
        values = functional.linear(patches.to(precision), weight, bias)
        return values.unflatten(0, (pixels.shape[0], rows, columns)).permute(0, 3, 1, 2)


class PixelBody(nn.Module):
    """The body of an image encoder that takes bytes and their normaliser: it cuts patches first,
    which are bytes still, and normalises them as it needs to.
    """


class PatchBody(PixelBody, nn.Sequential):
    """Layers after a :class:`PatchEmbedding`."""

    def forward(self, images: Tensor, normalizer: ImageNormalizer | None = None) -> Tensor:
        """As :meth:`PatchEmbedding.forward`, then the maps of the other layers."""
        embed, *others = self
        maps: Tensor = embed(images, normalizer)
        for layer in others:
            maps = layer(maps)
        return maps


def check_patch(patch: int, image_size: tuple[int, int]) -> None:
    """Check that a patch fits into the images.

    Raises:
        ValueError: it is larger.
    """
    if patch > min(image_size):
        raise ValueError(
            f"patch={patch} is larger than images of {list(image_size)} pixels; "
            "give a smaller one, such as 1 for symbols"
        )


class SmallMapConv2d(nn.Conv2d):
    """A convolution with torch's weights and names, computed as one matrix product where its output
    has at most nine places on a CPU.

    The last stage of ResNet-18 makes maps of 2 x 2 out of images of 56 pixels. Convolution
    libraries, made for large maps, take four times as long for them as the product, in bfloat16 and
    forward and backward together, although the product includes the zeros around the map.
    """

    @classmethod
    def of(cls, conv: nn.Conv2d) -> Self:
        """The same convolution, with the same parameters."""
        ours = cls.__new__(cls)
        nn.Module.__init__(ours)
        ours.__dict__.update(conv.__dict__)
        return ours

    def forward(self, maps: Tensor) -> Tensor:
        """Maps float [B, C, H, W] → float [B, D, rows, columns]."""
        rows, columns = (self._places(maps.shape[2 + axis], axis) for axis in (0, 1))
        if maps.device.type != "cpu" or not 1 <= rows * columns <= _FEW:
            return super().forward(maps)
        windows = self._windows(maps.permute(0, 2, 3, 1), rows, columns)
        kernels = self.weight.permute(0, 2, 3, 1).flatten(1)
        return functional.linear(windows, kernels, self.bias).permute(0, 3, 1, 2)

    def _places(self, side: int, axis: int) -> int:
        """Places of the output along an axis of the maps."""
        room = side + 2 * self._margins[axis] - self.kernel_size[axis]
        return room // self.stride[axis] + 1

    def _windows(self, maps: Tensor, rows: int, columns: int) -> Tensor:
        """The receptive field of each place of the output (im2col): float [B, H, W, C] →
        [B, rows, columns, M], M values in the order kernel row, kernel column, channel.
        """
        (top, left), (down, right) = self._margins, self.stride
        padded = functional.pad(maps, (0, 0, left, left, top, top))
        high, wide = down * (rows - 1) + 1, right * (columns - 1) + 1
        shifted = [
            padded[:, i : i + high : down, j : j + wide : right]
            for i in range(self.kernel_size[0])
            for j in range(self.kernel_size[1])
        ]
        return torch.cat(shifted, dim=3)

    @property
    def _margins(self) -> tuple[int, int]:
        assert not isinstance(self.padding, str)
        return self.padding[0], self.padding[1]


def with_small_maps(module: nn.Module) -> nn.Module:
    """The same module, its convolutions ready for small maps."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Conv2d and _is_plain(child):
                setattr(parent, name, SmallMapConv2d.of(child))
    return module


def _is_plain(conv: nn.Conv2d) -> bool:
    return (
        conv.groups == 1
        and conv.dilation == (1, 1)
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
    )
