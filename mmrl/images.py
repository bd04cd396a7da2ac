"""What clips, contact sheets and windows share: colours, images fitted into squares, files."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

PAPER: Final = (250, 250, 247)
INK: Final = (30, 30, 34)
FAINT: Final = (128, 128, 132)
GREEN: Final = (22, 128, 60)
RED: Final = (190, 40, 40)
FORMATS: Final = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
"""The image files that are read, as Pillow calls them."""
MOST_PIXELS: Final = 2**26
"""Larger images are refused by their header."""


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """An image in another size, width and height; enlarged ones keep their sharp pixels."""
    grows = size[0] >= image.width and size[1] >= image.height
    return image.resize(size, Image.Resampling.NEAREST if grows else Image.Resampling.BOX)


def fitted(
    image: NDArray[np.uint8], side: int, ground: tuple[int, int, int] = PAPER
) -> Image.Image:
    """An image, uint8 [H, W, 3], as large as it can be in the middle of a square."""
    scaled = Image.fromarray(image)
    scale = side / max(scaled.size)
    inner = resized(
        scaled, (max(round(scaled.width * scale), 1), max(round(scaled.height * scale), 1))
    )
    square = Image.new("RGB", (side, side), ground)
    square.paste(inner, ((side - inner.width) // 2, (side - inner.height) // 2))
    return square


def png(image: NDArray[np.uint8]) -> bytes:
    """An image, uint8 [H, W, 3], or 4 with opacity, as the content of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def open_image(source: Path | IO[bytes]) -> Image.Image:
    """An image file, opened but not decoded, by Pillow's own decoders of common formats: others may
    start programs, such as Ghostscript for EPS.

    Raises:
        OSError: it cannot be read, or is no image of :data:`FORMATS`.
        ValueError: it has more pixels than :data:`MOST_PIXELS`, or a damaged header.
    """
    if isinstance(source, Path) and source.exists() and not source.is_file():
        raise ValueError(f"{source} is no regular file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow thinks of strange files
            image = Image.open(source, formats=FORMATS)
    except (SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from error
    if image.width * image.height > MOST_PIXELS:
        image.close()
        name = source.name if isinstance(source, Path) else "an image"
        size = f"{image.width} × {image.height} pixels"
        raise ValueError(f"{name} has {size}, and at most {MOST_PIXELS:,} are read")
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    """An image of numbers that are no bytes as grey levels: floats up to 1 and integers of up to 16
    or 32 bits are scaled, what is up to 255 stays.
    """
    if image.mode != "F" and not image.mode.startswith("I"):
        return image
    values = np.nan_to_num(np.asarray(image, np.float64))
    largest = float(values.max(initial=0.0))
    if image.mode == "F" and largest <= 1:
        values = values * 255
    elif largest > 255 or image.mode.startswith("I;16"):
        values = values * (255 / (largest if largest > 65535 else 65535))
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def decoded(source: Path | IO[bytes], mode: str = "RGB") -> NDArray[np.uint8]:
    """An image file, uint8 [H, W, 3], or [H, W, 4] in the mode RGBA; turned as a camera notes.

    Raises:
        OSError, ValueError: as :func:`open_image`; or what is in it is damaged.
    """
    with warnings.catch_warnings(), open_image(source) as image:
        warnings.simplefilter("ignore")
        try:
            upright = ImageOps.exif_transpose(image)
            return np.asarray(_eight_bits(upright).convert(mode), np.uint8)
        except (OSError, ValueError):
            raise
        except Exception as error:  # Pillow's decoders raise errors of many kinds
            raise ValueError(f"damaged: {error!r}") from error
