"""Images in squares, and as files."""

import io

import numpy as np
from PIL import Image

from mmrl.images import PAPER, fitted, png


def test_a_small_image_keeps_its_sharp_pixels_in_the_middle():
    image = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    square = np.asarray(fitted(image, 8))
    assert square.shape == (8, 8, 3)
    assert (square[:2] == PAPER).all()
    assert (square[6:] == PAPER).all()
    assert np.array_equal(square[2:6:2, ::2], image)
    assert np.array_equal(square[3:6:2, 1::2], image)


def test_a_large_one_is_averaged_on_any_ground():
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, ::2] = 200
    square = np.asarray(fitted(image, 4, (1, 2, 3)))
    assert (square[1:3] == 100).all()
    assert (square[[0, 3]] == (1, 2, 3)).all()


def test_a_png_is_the_image():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(image)))), image)
