"""Sheets of images: search results with ranks and scores, and real frames above imagined ones."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mmrl.images import FAINT, INK, PAPER, fitted

_SIDE: Final = 168  # pixels of an image
_GAP: Final = 12
_COLUMNS: Final = 4
_LINE: Final = 16
_TITLE_LINE: Final = 24
_CAPTION_LINES: Final = 5


class SheetImage(NamedTuple):
    """An image on the sheet.

    Attributes:
        image: uint8 [H, W, 3]; None where it is gone.
        cosine: its similarity to the query; None where there is no query.
        caption: what it is.
    """

    image: NDArray[np.uint8] | None
    cosine: float | None
    caption: str


def contact_sheet(query: str, images: Sequence[SheetImage]) -> NDArray[np.uint8]:
    """The sheet, uint8 [H, W, 3]: the query above, then the images, the nearest first.

    Args:
        query: what was searched for.
        images: what was found.
    """
    large, small = ImageFont.load_default(18), ImageFont.load_default(12)
    columns = max(min(_COLUMNS, len(images)), 2)
    width = _GAP + columns * (_SIDE + _GAP)
    title = textwrap.wrap(query, width // 9) or [""]
    captions = [textwrap.wrap(one.caption, _SIDE // 6)[:_CAPTION_LINES] for one in images]
    cell = _SIDE + _LINE * (1 + max(map(len, captions), default=0)) + _GAP
    top = _GAP + _TITLE_LINE * len(title)
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (width, top + rows * cell + _GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for k, line in enumerate(title):
        draw.text((_GAP, _GAP - 4 + k * _TITLE_LINE), line, INK, large)
    for k, (one, lines) in enumerate(zip(images, captions, strict=True)):
        left, y = _GAP + k % columns * (_SIDE + _GAP), top + k // columns * cell
        if one.image is None:
            draw.rectangle((left, y, left + _SIDE - 1, y + _SIDE - 1), outline=FAINT)
            draw.text((left + _GAP, y + _GAP), "the image is gone", FAINT, small)
        else:
            sheet.paste(fitted(one.image, _SIDE), (left, y))
        y += _SIDE + 2
        draw.text((left, y), f"{k + 1}", INK, small)
        if one.cosine is not None:
            draw.text((left + _SIDE, y), f"{one.cosine:.3f}", INK, small, anchor="ra")
        for number, line in enumerate(lines, 1):
            draw.text((left, y + number * _LINE), line, FAINT, small)
    return np.asarray(sheet)


_STRIP_SIDE: Final = 96  # pixels of an image
_STRIP_GAP: Final = 8
_STRIP_LINE: Final = 18


def imagination_strip(real: NDArray[np.uint8], imagined: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Real frames uint8 [T, H, W, 3] above imagined ones, a column a step: uint8 [H, W, 3]."""
    width = _STRIP_GAP + len(real) * (_STRIP_SIDE + _STRIP_GAP)
    image = Image.new("RGB", (width, 2 * (_STRIP_SIDE + _STRIP_LINE + _STRIP_GAP)), PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    for row, (name, frames) in enumerate((("real", real), ("imagined", imagined))):
        y = row * (_STRIP_SIDE + _STRIP_LINE + _STRIP_GAP) + _STRIP_LINE
        for k, frame in enumerate(frames):
            x = _STRIP_GAP + k * (_STRIP_SIDE + _STRIP_GAP)
            image.paste(fitted(frame, _STRIP_SIDE), (x, y))
            pen.text((x, y - 15), f"{name}, step {k + 1}", FAINT, font)
    return np.asarray(image)
