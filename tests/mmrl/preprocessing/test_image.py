"""Images are normalised channel by channel, and nothing else is taken for an image."""

import pytest
import torch
from torch.testing import assert_close

from mmrl.preprocessing.image import IMAGENET_MEAN, IMAGENET_STD, ImageNormalizer


def test_default_range():
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 2, 2)
    floats = ImageNormalizer()(images)
    assert floats.dtype == torch.float32
    assert_close(floats[0], torch.full((3, 2, 2), -1.0))
    assert_close(floats[1], torch.full((3, 2, 2), 1.0))


def test_formula_and_input_untouched():
    images = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    before = images.clone()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    floats = ImageNormalizer(IMAGENET_MEAN, IMAGENET_STD)(images)
    assert_close(floats, (images / 255 - mean) / std)
    assert torch.equal(images, before)


def test_nothing_to_learn_or_to_save():
    normalizer = ImageNormalizer()
    assert not list(normalizer.parameters())
    assert not normalizer.state_dict()


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(1, 3, 4, 4),
        torch.zeros(1, 4, 4, 3, dtype=torch.uint8),
        torch.zeros(3, 4, 4, dtype=torch.uint8),
    ],
)
def test_other_types_and_shapes_are_refused(images):
    with pytest.raises(ValueError, match=r"must be uint8 \[B, 3, H, W\]"):
        ImageNormalizer()(images)
