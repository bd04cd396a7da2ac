"""A dream as a picture: what came above, what was dreamt below."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mmrl.drawing import FAINT, PAPER, fitted

_SIDE: Final = 96  # pixels of a picture
_GAP: Final = 8
_LINE: Final = 18


def sheet(true: NDArray[np.uint8], dreamt: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures uint8 [T, H, W, 3] of what came, and of what was dreamt instead, a column a step:
    uint8 [H, W, 3].
    """
    width = _GAP + len(true) * (_SIDE + _GAP)
    image = Image.new("RGB", (width, 2 * (_SIDE + _LINE + _GAP)), PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    for row, (name, pictures) in enumerate((("real", true), ("dreamt", dreamt))):
        y = row * (_SIDE + _LINE + _GAP) + _LINE
        for k, picture in enumerate(pictures):
            x = _GAP + k * (_SIDE + _GAP)
            image.paste(fitted(picture, _SIDE), (x, y))
            pen.text((x, y - 15), f"{name}, step {k + 1}", FAINT, font)
    return np.asarray(image)
