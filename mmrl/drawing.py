"""What clips, contact sheets and windows share: colours, and pictures fitted into squares."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PAPER: Final = (250, 250, 247)
INK: Final = (30, 30, 34)
FAINT: Final = (128, 128, 132)
GREEN: Final = (22, 128, 60)
RED: Final = (190, 40, 40)


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A picture in another size, width and height; enlarged ones keep their sharp pixels."""
    grows = size[0] >= image.width and size[1] >= image.height
    return image.resize(size, Image.Resampling.NEAREST if grows else Image.Resampling.BOX)


def fitted(
    picture: NDArray[np.uint8], side: int, ground: tuple[int, int, int] = PAPER
) -> Image.Image:
    """A picture, uint8 [H, W, 3], as large as it can be in the middle of a square."""
    image = Image.fromarray(picture)
    scale = side / max(image.size)
    inner = resized(
        image, (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    )
    square = Image.new("RGB", (side, side), ground)
    square.paste(inner, ((side - inner.width) // 2, (side - inner.height) // 2))
    return square


def png(picture: NDArray[np.uint8]) -> bytes:
    """A picture, uint8 [H, W, 3], or 4 with opacity, as the content of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
