"""Two encoders of your own, a text encoder and an image encoder, named by their dotted paths.

    cd examples
    mmrl train --env mmrl/OpenDoorColorStrict-v0 --steps 100000 --out runs/own \
        --model.text own_encoder.PositionalWords --model.image own_encoder.coord_conv

An encoder turns one modality into tokens [B, K, D]: any class or function that is called as those
of mmrl are (mmrl/models/encoders/others.py). Its further arguments are options:
--model.text-args "{width: 64}". Freezing, caching, saving and loading come with the base classes.
Shapes: U distinct sentences, L words, D width, H and W pixels, h and w cells.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmrl.models.encoders.base import TextEncoder, Vocabulary, size_of
from mmrl.models.encoders.image_base import ImageEncoder
from mmrl.preprocessing.image import ImageNormalizer


class PositionalWords(TextEncoder):
    """A token for each word: its embedding, scaled by one of its place in the sentence.

    Args:
        vocabulary: the words by their ids, or how many there are.
        length: the longest sentence, in words.
        width: D of the tokens.
    """

    def __init__(self, vocabulary: Vocabulary, *, length: int, width: int = 32) -> None:
        super().__init__(width, size_of(vocabulary))
        self.words = nn.Embedding(self.vocabulary, width)
        self.places = nn.Embedding(length, width)
        nn.init.normal_(self.places.weight, mean=1.0, std=0.2)

    def encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """int64 [U, L] and bool [U, L] → values float [U, L, D] and their mask."""
        return self.words(ids) * self.places.weight[: ids.shape[1]], mask


class CoordConv(nn.Module):
    """A convolution that also sees where it is, by two more channels (Liu et al., 2018)."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels + 2, width, kernel, stride)

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        height, width = maps_BCHW.shape[2:]
        rows = torch.linspace(-1, 1, height, device=maps_BCHW.device)[:, None].expand(-1, width)
        columns = torch.linspace(-1, 1, width, device=maps_BCHW.device).expand(height, -1)
        place = torch.stack([rows, columns]).expand(len(maps_BCHW), -1, -1, -1)
        return self.convolution(torch.cat([maps_BCHW, place.to(maps_BCHW.dtype)], dim=1))


def coord_conv(
    image_size: tuple[int, int], *, resize: bool = False, width: int = 32, patch: int = 8
) -> ImageEncoder:
    """One token for each patch, from coordinate convolutions.

    Args:
        image_size: H and W of the images.
        resize: whether images of any size are resized to it, as model.image_size asks.
        width: D of the tokens.
        patch: side of a patch, in pixels.
    """
    body = nn.Sequential(
        CoordConv(3, width, patch, patch),
        nn.ReLU(),
        CoordConv(width, width, 1, 1),
        nn.ReLU(),
    )
    return ImageEncoder(ImageNormalizer(size=image_size if resize else None), body, image_size)
