"""The image tokenizer: a code for each patch, wherever it stands, and images back."""

from __future__ import annotations

import pytest
import torch

from mmrl.errors import UserError
from mmrl.generative.image.tokenizer import ImageTokenizer


@pytest.fixture
def tokenizer() -> ImageTokenizer:
    torch.manual_seed(0)
    return ImageTokenizer((8, 12), patch=4, levels=[4, 4, 4], hidden=32)


def random_images(count: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 8, 12, 3), dtype=torch.uint8, generator=generator)


def test_shapes_and_types(tokenizer: ImageTokenizer) -> None:
    ids = tokenizer.encode(random_images())
    assert (tokenizer.codes, tokenizer.grid, tokenizer.image_size) == (64, (2, 3), (8, 12))
    assert (ids.shape, ids.dtype) == ((5, 6), torch.int64)
    assert 0 <= int(ids.min()) <= int(ids.max()) < 64
    made = tokenizer.decode(ids)
    assert (made.shape, made.dtype) == ((5, 8, 12, 3), torch.uint8)


def test_a_patch_has_its_code_and_a_code_its_patch_whatever_is_around(
    tokenizer: ImageTokenizer,
) -> None:
    images = random_images(1)
    ids, made = tokenizer.encode(images)[0], tokenizer.decode(tokenizer.encode(images))[0]
    for place in range(6):
        row, column = divmod(place, 3)
        inside = (slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4))
        alone = tokenizer.encode_patches(images[0][inside][None])
        assert alone[0] == ids[place]
        assert torch.equal(tokenizer.decode_patches(alone)[0], made[inside])


def test_it_learns_patches_by_heart(tokenizer: ImageTokenizer) -> None:
    images = random_images(3)
    optimizer = torch.optim.AdamW(tokenizer.parameters(), lr=5e-3, fused=True)
    for _ in range(150):
        optimizer.zero_grad()
        tokenizer.loss(images)["loss"].backward()
        optimizer.step()
    ids = tokenizer.encode(images)
    assert len(ids.unique()) == 18
    off = (tokenizer.decode(ids).float() - images.float()).abs().mean()
    assert off < 16  # 64, where every pixel is the mean


def test_patches_that_are_not_alike_are_pushed_apart(tokenizer: ImageTokenizer) -> None:
    same = random_images(1)[:, :4, :4].expand(4, -1, -1, -1)
    assert tokenizer.loss(same)["together"] == 0
    before = float(tokenizer.loss(random_images(1))["together"].detach())
    optimizer = torch.optim.AdamW(tokenizer.parameters(), lr=5e-3, fused=True)
    for _ in range(40):
        optimizer.zero_grad()
        tokenizer.loss(random_images(1))["together"].backward()
        optimizer.step()
    assert float(tokenizer.loss(random_images(1))["together"].detach()) < before / 2


def test_sizes_that_do_not_fit_are_named(tokenizer: ImageTokenizer) -> None:
    with pytest.raises(UserError, match="8 × 8 pixels: this tokenizer was fitted for 8 × 12"):
        tokenizer.encode(torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
    with pytest.raises(UserError, match="patch=5"):
        ImageTokenizer((8, 12), patch=5)
    with pytest.raises(UserError, match=r"levels=\[1\]"):
        ImageTokenizer((8, 12), patch=4, levels=[1])
