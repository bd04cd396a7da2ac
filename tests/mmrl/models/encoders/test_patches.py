"""Patches of bytes are one matrix product."""

import pytest
import torch

from mmrl.models.encoders.layers import PatchEmbedding, check_patch
from mmrl.preprocessing.image import IMAGENET_MEAN, IMAGENET_STD, ImageNormalizer


@pytest.mark.parametrize("size", [(16, 16), (19, 26)])
@pytest.mark.parametrize(
    "normalizer", [ImageNormalizer(), ImageNormalizer(IMAGENET_MEAN, IMAGENET_STD)]
)
def test_patches_of_bytes_are_what_the_convolution_gives(size, normalizer):
    """Values and gradients, in either order of the axes in memory."""
    layer = PatchEmbedding(5, 4)
    images = torch.randint(0, 256, (3, 3, *size), dtype=torch.uint8)
    expected = layer(normalizer(images))
    right = torch.autograd.grad(expected.square().sum(), list(layer.parameters()))
    for given in (images, images.contiguous(memory_format=torch.channels_last)):
        maps = layer(given, normalizer)
        torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-4)
        got = torch.autograd.grad(maps.square().sum(), list(layer.parameters()))
        for one, other in zip(got, right, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-2)


def test_a_patch_fits_into_the_image():
    check_patch(7, (7, 9))
    with pytest.raises(ValueError, match=r"patch=8 is larger than images of \[7, 9\]"):
        check_patch(8, (7, 9))
