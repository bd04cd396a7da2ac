"""The luma–chroma body: separate channels for shape (brightness) and colour."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.compat import import_torchvision
from mmrl.models.encoders.layers import group_norm

_FAINT = 0.01  # mean chroma below which a patch counts as grey
_FLAT = 0.02  # deviation of the brightness below which it counts as uniform


class LumaChroma(nn.Module):
    """Factored features of shape and colour.

    Brightness at full resolution, with local contrast normalisation (Jarrett et al., 2009), goes
    through a ResNet without colour; the colour of a patch is one hue and one brightness without
    shape, at a lower resolution, as in JPEG.

    The features of a shape do not depend on its colour, nor those of a colour on the shape, so that
    held-out pairs of the two consist of features from training. A decoder has to use them
    separately, too: see :class:`mmrl.generative.text.pointer.PointerHead`.

    Args:
        width: channels for shapes.
        hues: channels for colours.
        blocks: how many residual blocks.
        patch: side of a patch, in pixels.

    Attributes:
        aside: how many channels are for colours; they come last.
    """

    def __init__(self, width: int, hues: int, blocks: int, patch: int) -> None:
        super().__init__()
        self.aside = hues
        resnet = import_torchvision().models.resnet
        self.patch = patch
        self.shapes = nn.Sequential(
            nn.Conv2d(1, width, patch, stride=patch),
            nn.ReLU(inplace=True),
            *(resnet.BasicBlock(width, width, norm_layer=group_norm) for _ in range(blocks)),
        )
        self.colors = nn.Sequential(nn.Linear(4, hues), nn.ReLU(), nn.Linear(hues, hues))
        self.norm = nn.LayerNorm(hues)  # as large as shapes are

    def forward(self, pixels: Tensor) -> Tensor:
        """Float [B, 3, H, W], 0 to 1 → maps float [B, width + hues, H // patch, W // patch]."""
        bright = pixels.amax(1, keepdim=True)
        shapes = self.shapes(contrast_normalized(bright, self.patch))
        color = torch.cat([hue(pixels, self.patch), functional.max_pool2d(bright, self.patch)], 1)
        colors = self.norm(self.colors(color.movedim(1, 3))).movedim(3, 1)
        return torch.cat([shapes, colors.to(shapes.dtype)], dim=1)


def contrast_normalized(bright: Tensor, patch: int) -> Tensor:
    """Local contrast normalisation: brightness with mean 0 and variance 1 in each patch, 0 in
    uniform patches.

    Args:
        bright: float [B, 1, H, W]; pixels beyond the last whole patch are cut off.
        patch: its side.

    Returns:
        Float [B, 1, h · patch, w · patch].
    """
    rows, columns = bright.shape[2] // patch, bright.shape[3] // patch
    cells = bright[:, :, : rows * patch, : columns * patch].unflatten(3, (columns, patch))
    cells = cells.unflatten(2, (rows, patch))
    centred = cells - cells.mean((3, 5), keepdim=True)
    deviation = centred.square().mean((3, 5), keepdim=True).sqrt()
    return (centred / deviation.clamp_min(_FLAT)).flatten(4, 5).flatten(2, 3)


def hue(pixels: Tensor, patch: int) -> Tensor:
    """The hue of each patch, without brightness: the mean of each channel above the least one,
    divided by the largest of the three; 0 for grey.

    Args:
        pixels: float [B, 3, H, W], 0 to 1.
        patch: its side.

    Returns:
        Float [B, 3, H // patch, W // patch], 0 to 1.
    """
    chroma = functional.avg_pool2d(pixels - pixels.amin(1, keepdim=True), patch)
    return chroma / chroma.amax(1, keepdim=True).clamp_min(_FAINT)
