"""Shape without colour, colour without shape."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl.errors import UserError
from mmrl.models.encoders.image import build_image_encoder
from mmrl.models.encoders.luma_chroma import LumaChroma, contrast_normalized, cut, hue
from mmrl.preprocessing.image import ImageNormalizer

SIZE = (16, 16)
PURE = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0)}


def body() -> LumaChroma:
    torch.manual_seed(0)
    return LumaChroma(width=8, hues=4, blocks=1, patch=8).eval()


def thing(mask: torch.Tensor, color: tuple[float, ...]) -> torch.Tensor:
    """Something of a shape bool [16, 16] and colour on black, float [1, 3, 16, 16]."""
    return (mask.float() * torch.tensor(color, dtype=torch.float)[:, None, None])[None]


SHAPES = st.lists(st.booleans(), min_size=256, max_size=256).map(
    lambda bits: torch.tensor(bits).view(16, 16)
)


@settings(max_examples=20, deadline=None)
@given(SHAPES)
def test_shapes_know_neither_colour_nor_brightness(mask: torch.Tensor):
    made = body()
    looks = [*PURE.values(), (0.5, 0.5, 0.5), (0.3, 0.0, 0.6)]
    with torch.no_grad():
        maps = [made(thing(mask, color))[:, :8] for color in looks]
    assert all(torch.allclose(maps[0], other, atol=1e-3) for other in maps[1:])


@settings(max_examples=20, deadline=None)
@given(SHAPES, SHAPES, st.sampled_from(sorted(PURE)))
def test_colours_know_no_shape(one: torch.Tensor, other: torch.Tensor, color: str):
    one[::8, ::8] = other[::8, ::8] = True  # something in every patch
    hues = [hue(cut(thing(mask, PURE[color]), 8)) for mask in (one, other)]
    assert torch.allclose(hues[0], hues[1], atol=1e-6)
    expected = torch.tensor(PURE[color], dtype=torch.float)
    assert torch.allclose(hues[0], expected.expand(1, 2, 2, 3), atol=1e-6)


def test_grey_has_no_hue_however_bright():
    for brightness in (0.0, 0.3, 1.0):
        assert not hue(cut(torch.full((1, 3, 16, 16), brightness), 8)).any()


def test_a_lighter_ground_does_not_change_the_hue():
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[3:6, 3:6] = mask[9:12, 2:7] = mask[1:5, 9:12] = mask[10:14, 10:14] = True
    dark = thing(mask, PURE["blue"])
    light = dark + 0.3 * (1 - dark)
    assert torch.allclose(hue(cut(dark, 8)), hue(cut(light, 8)), atol=1e-6)


def test_contrast_is_evened_out_in_each_patch_and_the_rest_is_cut_off():
    planes = cut(torch.rand(2, 3, 19, 17), 8)
    assert planes.shape == (3, 2, 2, 2, 64)
    cell = planes[0, 1, 1, 0]
    expected = (cell - cell.mean()) / cell.std(correction=0)
    assert torch.allclose(contrast_normalized(planes[0])[1, 1, 0], expected, atol=1e-5)
    assert contrast_normalized(torch.full((1, 1, 1, 64), 0.4)).abs().max() < 1e-4


def test_a_patch_is_cut_row_by_row():
    images = torch.randint(0, 256, (2, 3, 19, 17), dtype=torch.uint8)
    planes = cut(images, 8)
    assert torch.equal(planes[2, 1, 1, 0].view(8, 8), images[1, 2, 8:16, :8])


def test_bytes_and_floats_have_the_same_maps():
    made, images = body(), torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8)
    with torch.no_grad():
        of_bytes = made(images, ImageNormalizer((0.0,) * 3, (1.0,) * 3))
        assert torch.allclose(of_bytes, made(images / 255), atol=1e-5)


def test_it_is_an_image_encoder():
    encoder = build_image_encoder("luma_chroma", SIZE, width=8, hues=4)
    images = torch.randint(0, 256, (3, *SIZE, 3), dtype=torch.uint8)
    tokens = encoder(images)
    assert tokens.values.shape == (3, 4, 12)
    assert tokens.grid == (2, 2)
    assert encoder.shape.aside == 4
    tokens.values.sum().backward()
    assert all(weight.grad is not None for weight in encoder.parameters())
    with pytest.raises(UserError, match="patch=32 is larger"):
        build_image_encoder("luma_chroma", SIZE, patch=32)
