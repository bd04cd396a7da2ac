"""A confusion matrix as an image, for TensorBoard."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_CELL: Final = 36  # pixels
_DARK: Final = (31, 78, 121)


def confusion_image(
    labels: NDArray[np.integer], predictions: NDArray[np.integer], classes: int
) -> NDArray[np.uint8]:
    """A confusion matrix: a row for each label, of which each column shows the percentage that was
    predicted as its class.

    Args:
        labels, predictions: class numbers, int [N] each.
        classes: how many there are.

    Returns:
        uint8 [H, W, 3]; the left column and the top row number the classes.
    """
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels, predictions), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = Image.new("RGB", ((classes + 1) * _CELL,) * 2, "white")
    draw = ImageDraw.Draw(image)
    for k in range(classes):
        _write(draw, 0, k + 1, str(k), "black")
        _write(draw, k + 1, 0, str(k), "black")
    for (row, column), share in np.ndenumerate(shares):
        x, y = (column + 1) * _CELL, (row + 1) * _CELL
        color = tuple(round(255 - (255 - dark) * share) for dark in _DARK)
        draw.rectangle((x, y, x + _CELL - 2, y + _CELL - 2), fill=color)
        if counts[row, column]:
            _write(draw, column + 1, row + 1, f"{share:.0%}", "white" if share > 0.5 else "black")
    return np.asarray(image)


def _write(draw: ImageDraw.ImageDraw, column: int, row: int, text: str, color: str) -> None:
    """A text in the middle of a cell."""
    middle = ((column + 0.5) * _CELL, (row + 0.5) * _CELL)
    draw.text(middle, text, fill=color, anchor="mm")
