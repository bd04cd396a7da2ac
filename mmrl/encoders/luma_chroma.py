"""Shape from brightness, colour from patches: an image encoder that cannot mix the two up."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.torchvision_compat import import_torchvision

_FAINT = 0.01  # mean chroma below which a patch counts as grey


class LumaChroma(nn.Module):
    """Brightness at full resolution goes through a ResNet, which sees no colour; colour is one hue
    for each patch, which knows no shape: JPEG and the eye, too, keep it more coarsely.

    What is learnt of a shape in some colours holds in every other, and the other way round: pairs
    of the two that were never seen together are told like all others.

    Args:
        width: channels for shapes.
        hues: channels for colours.
        blocks: how many residual blocks.
        patch: side of a patch, in pixels.
    """

    def __init__(self, width: int, hues: int, blocks: int, patch: int) -> None:
        super().__init__()
        resnet = import_torchvision().models.resnet
        self.patch = patch
        self.shapes = nn.Sequential(
            nn.Conv2d(1, width, patch, stride=patch),
            nn.ReLU(inplace=True),
            *(resnet.BasicBlock(width, width, norm_layer=group_norm) for _ in range(blocks)),
        )
        self.colors = nn.Sequential(nn.Linear(3, hues), nn.ReLU(), nn.Linear(hues, hues))
        self.norm = nn.LayerNorm(hues)  # as large as shapes are

    def forward(self, pixels: Tensor) -> Tensor:
        """Float [B, 3, H, W], 0 to 1 → maps float [B, width + hues, H // patch, W // patch]."""
        shapes = self.shapes(pixels.amax(1, keepdim=True))
        colors = self.norm(self.colors(hue(pixels, self.patch).movedim(1, 3))).movedim(3, 1)
        return torch.cat([shapes, colors.to(shapes.dtype)], dim=1)


def hue(pixels: Tensor, patch: int) -> Tensor:
    """The colour of each patch without its brightness, float [B, 3, H // patch, W // patch], 0 to
    1: the mean of what each channel has above the least one, over the largest of the three; 0 where
    all is grey.
    """
    chroma = functional.avg_pool2d(pixels - pixels.amin(1, keepdim=True), patch)
    return chroma / chroma.amax(1, keepdim=True).clamp_min(_FAINT)


def group_norm(width: int) -> nn.Module:
    """A norm without running statistics: the policy that collects is the one that learns."""
    return nn.GroupNorm(1, width)
