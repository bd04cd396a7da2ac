"""The luma–chroma body: separate channels for shape (brightness) and colour.

Shapes: B batch, H and W pixels, h and w patches, P the side of a patch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.compat import import_torchvision
from mmrl.models.encoders.layers import PixelBody, group_norm
from mmrl.preprocessing.image import ImageNormalizer

_FAINT = 0.01  # mean chroma below which a patch counts as grey
_FLAT = 0.02  # deviation of the brightness below which it counts as uniform


class LumaChroma(PixelBody):
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

    def forward(self, images: Tensor, normalizer: ImageNormalizer | None = None) -> Tensor:
        """Maps float [B, width + hues, H // patch, W // patch].

        Args:
            images: float [B, 3, H, W], 0 to 1; or uint8, with the normaliser that resizes them.
            normalizer: for bytes.
        """
        planes = cut(images if normalizer is None else normalizer.sized(images), self.patch)
        bright = planes.amax(0)
        embed, *others = self.shapes
        assert isinstance(embed, nn.Conv2d)
        patches = contrast_normalized(as_unit(bright))
        shapes = functional.linear(patches, embed.weight.flatten(1), embed.bias).movedim(3, 1)
        for layer in others:
            shapes = layer(shapes)
        color = torch.cat([hue(planes), as_unit(bright.amax(3, keepdim=True))], 3)
        colors = self.norm(self.colors(color)).movedim(3, 1)
        return torch.cat([shapes, colors.to(shapes.dtype)], dim=1)


def cut(images: Tensor, patch: int) -> Tensor:
    """The patches of each colour channel: [B, 3, H, W] → [3, B, h, w, P²]; pixels beyond the last
    whole patch are cut off.
    """
    rows, columns = images.shape[2] // patch, images.shape[3] // patch
    whole = images.contiguous()[:, :, : rows * patch, : columns * patch]
    cells = whole.unflatten(3, (columns, patch)).unflatten(2, (rows, patch))
    return cells.permute(1, 0, 2, 4, 3, 5).flatten(4)


def as_unit(pixels: Tensor) -> Tensor:
    """Bytes as floats from 0 to 1; floats as they are."""
    return pixels.float().mul_(1 / 255) if pixels.dtype == torch.uint8 else pixels


def contrast_normalized(bright: Tensor) -> Tensor:
    """Local contrast normalisation: brightness with mean 0 and variance 1 in each patch, 0 in
    uniform patches.

    Args:
        bright: of patches, float [..., P²], 0 to 1.
    """
    centred = bright - bright.mean(-1, keepdim=True)
    deviation = centred.square().mean(-1, keepdim=True).sqrt()
    return centred / deviation.clamp_min(_FLAT)


def hue(planes: Tensor) -> Tensor:
    """The hue of each patch, without brightness: the mean of each channel above the least one,
    divided by the largest of the three; 0 for grey.

    Args:
        planes: the patches of each channel, [3, B, h, w, P²], floats from 0 to 1 or bytes.

    Returns:
        Float [B, h, w, 3], 0 to 1.
    """
    least = as_unit(planes.amin(0)).mean(-1)
    chroma = torch.stack([as_unit(plane).mean(-1) - least for plane in planes], -1).relu()
    return chroma / chroma.amax(-1, keepdim=True).clamp_min(_FAINT)
