"""A contact sheet shows every image, sharp, with its rank."""

import io

import numpy as np
import pytest
from PIL import Image

from mmrl.images import png
from mmrl.viz.contact_sheet import SheetImage, contact_sheet

COLOURS = [(200, 30, 40), (30, 160, 60), (40, 70, 220), (210, 180, 20), (150, 40, 190)]


def shown(count, size=(56, 56), caption="a ball"):
    return [
        SheetImage(np.full((*size, 3), COLOURS[k % 5], np.uint8), 0.9 - k / 100, caption)
        for k in range(count)
    ]


def pixels(sheet, colour):
    return int((sheet == np.array(colour)).all(2).sum())


@pytest.mark.parametrize("count", [1, 3, 4, 5])
def test_every_image_as_large_as_the_others(count):
    sheet = contact_sheet("the agent faces a red ball", shown(count))
    areas = [pixels(sheet, colour) for colour in COLOURS[:count]]
    assert areas == [168 * 168] * count
    assert [pixels(sheet, colour) for colour in COLOURS[count:]] == [0] * (5 - count)


def test_images_keep_their_shape():
    tall, large = shown(2, (56, 28)), shown(2, (500, 500))
    assert pixels(contact_sheet("a", tall), COLOURS[0]) == 168 * 84
    assert pixels(contact_sheet("a", large), COLOURS[0]) == 168 * 168


def test_what_is_written_can_be_seen():
    few = contact_sheet("a ball", shown(1))
    for other in (
        contact_sheet("a box", shown(1)),
        contact_sheet("a ball", shown(1, caption="a box")),
        contact_sheet("a ball", [SheetImage(shown(1)[0].image, 0.5, "a ball")]),
    ):
        assert few.shape == other.shape
        assert not np.array_equal(few, other)
    assert contact_sheet("word " * 80, shown(1)).shape[0] > few.shape[0]


def test_a_image_that_is_gone():
    sheet = contact_sheet("a ball", [SheetImage(None, 0.5, "a.png")])
    assert (
        sheet.shape
        == contact_sheet("a ball", [SheetImage(np.zeros((8, 8, 3), np.uint8), 0.5, "a.png")]).shape
    )


def test_nothing_found():
    assert contact_sheet("a ball", []).ndim == 3


def test_png_gives_it_back():
    sheet = contact_sheet("a ball", shown(2))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(sheet)))), sheet)
