"""Codes of shapes and colours: unseen pairs are encoded and decoded, colours are exchanged."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmrl.errors import UserError
from mmrl.generative.image.color import ColorTokenizer, build_image_tokenizer, find_factors
from mmrl.generative.image.tokenizer import ImageTokenizer

COLORS = torch.tensor([[250, 10, 10], [20, 240, 20], [10, 20, 230], [200, 220, 30]])


def things() -> torch.Tensor:
    """Two shapes in four colours, uint8 [2, 4, 4, 4, 3]."""
    patches = torch.full((2, 4, 4, 4, 3), 60, dtype=torch.uint8)
    patches[0, :, 1:3, 1:3] = COLORS[:, None, None].byte()
    patches[1, :, :2] = COLORS[:, None, None].byte()
    return patches


def floor() -> torch.Tensor:
    return torch.full((1, 4, 4, 3), 60, dtype=torch.uint8)


@pytest.fixture
def tokenizer() -> ColorTokenizer:
    """It never saw the first shape in the last colour."""
    patches = torch.cat([floor(), things()[0, :3], things()[1]])
    factors = find_factors(patches.numpy())
    return ColorTokenizer.from_factors((8, 12), 4, factors)


def test_pairs_that_were_never_seen_come_back(tokenizer: ColorTokenizer) -> None:
    assert (tokenizer.colored, tokenizer.plain, tokenizer.colors, tokenizer.codes) == (2, 1, 4, 9)
    patches = torch.cat([things().flatten(0, 1), floor()])
    ids = tokenizer.encode_patches(patches)
    assert sorted(ids.tolist()) == list(range(9))
    assert (tokenizer.decode_patches(ids).int() - patches.int()).abs().max() <= 1
    colors, shapes = ids[:8].view(2, 4) % 4, ids[:8].view(2, 4) // 4
    assert torch.equal(colors[0], colors[1])
    assert (shapes == shapes[:, :1]).all()
    assert int(ids[8]) == 8
    images = torch.cat([*patches[3:6]], 1).repeat(2, 1, 1)[None]
    assert torch.equal(tokenizer.encode(images)[0], ids[3:6].repeat(2))


def test_things_get_other_colours(tokenizer: ColorTokenizer) -> None:
    patches = torch.cat([things()[0], things()[1], floor()])
    ids = tokenizer.encode_patches(patches)[None]
    turned = torch.roll(torch.arange(4), 1)
    new = tokenizer.recolored(ids, turned[None])
    assert new[0, 8] == 8
    assert torch.equal(new[0, :8] // 4, ids[0, :8] // 4)
    assert torch.equal(new[0, :8] % 4, turned[ids[0, :8] % 4])
    assert torch.equal(tokenizer.recolored(new, turned.argsort()[None]), ids)
    assert tokenizer.in_every_color(ids[0, :1]).tolist() == sorted(ids[0, :4].tolist())
    shows = tokenizer.shows(ids[:, [0, 8]])
    assert shows.nonzero().tolist() == [[0, int(ids[0, 0]) % 4]]
    assert not tokenizer.shows(ids[:, [8]]).any()


def test_training_restores_spoilt_patches(tokenizer: ColorTokenizer) -> None:
    images = torch.cat([things().flatten(0, 1), floor()])
    with torch.no_grad():
        for weight in tokenizer.parameters():
            weight += 0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(tokenizer.parameters(), lr=2e-3)

    def off() -> float:
        return float((tokenizer.decode_patches(ids).float() - images.float()).abs().max())

    ids = tokenizer.encode_patches(images)
    spoilt = off()
    for _ in range(60):
        optimizer.zero_grad()
        tokenizer.loss(images)["loss"].backward()
        optimizer.step()
    assert spoilt > 8
    assert torch.equal(tokenizer.encode_patches(images), ids)
    assert off() <= 4


def test_a_recipe_makes_its_kind(tokenizer: ColorTokenizer) -> None:
    again = build_image_tokenizer(tokenizer.recipe)
    again.load_state_dict(tokenizer.state_dict())
    ids = torch.arange(tokenizer.codes)
    assert torch.equal(again.decode_patches(ids), tokenizer.decode_patches(ids))
    other = ImageTokenizer((8, 12), patch=4, levels=[3, 3], hidden=8)
    assert isinstance(build_image_tokenizer(other.recipe), ImageTokenizer)


def test_images_without_colours_have_shapes_alone() -> None:
    patches = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    tokenizer = ColorTokenizer.from_factors((4, 4), 4, find_factors(patches))
    images = torch.from_numpy(patches)
    assert torch.equal(tokenizer.decode(tokenizer.encode(images)), images)
    assert not tokenizer.shows(tokenizer.encode(images)).any()


def test_what_cannot_be() -> None:
    with pytest.raises(UserError, match="patch=5"):
        ColorTokenizer((8, 12), patch=5, colored=1, plain=1, colors=2)
    with pytest.raises(UserError, match="colors=0"):
        ColorTokenizer((8, 12), patch=4, colored=1, plain=1, colors=0)
