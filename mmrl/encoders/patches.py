"""The first layer of an image encoder: a picture is cut into patches, each becomes a token."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.preprocessing.image import ImageNormalizer


class PatchEmbedding(nn.Conv2d):
    """A convolution whose kernels stand side by side, as at the beginning of ViT (Dosovitskiy et
    al., 2021).

    Of bytes it is one matrix product, for which pictures are cut into patches while they are still
    bytes, and whose weights take over the normalisation: W (s x + t) + b = (s W) x + (W t + b).

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
        return values.unflatten(0, (len(pixels), rows, columns)).permute(0, 3, 1, 2)


def check_patch(patch: int, image_size: tuple[int, int]) -> None:
    """Refuse a patch that is larger than the pictures.

    Raises:
        ValueError: it is.
    """
    if patch > min(image_size):
        raise ValueError(
            f"patch={patch} is larger than pictures of {list(image_size)} pixels; "
            "give a smaller one, such as 1 for symbols"
        )
