"""One frame of a clip: images side by side, and the words underneath."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mmrl.images import FAINT, GREEN, INK, PAPER, RED, fitted

_SIDE: Final = 256  # pixels of each image
_GAP: Final = 12


def outcome(success: bool | None) -> str:
    """The end of an episode in a word or two, "the end" where its success is not known."""
    if success is None:
        return "the end"
    return "success" if success else "failure"


def most_lines(instructions: Iterable[str], images: int) -> int:
    """The lines of the longest of a clip's instructions, under so many images."""
    return max((len(_wrapped(one, images)) for one in instructions), default=1)


def draw_frame(
    images: Sequence[tuple[str, NDArray[np.uint8]]],
    instruction: str,
    note: str,
    success: bool | None = None,
    lines: int = 1,
) -> NDArray[np.uint8]:
    """One frame of a clip, uint8 [H, W, 3]: images side by side, and the words underneath.

    Args:
        images: captions and uint8 [H, W, 3].
        instruction: of the episode.
        note: what happens.
        success: of the episode, at its end.
        lines: of the instruction, at least: frames of one clip have one height, see
            :func:`most_lines`.
    """
    large, small = ImageFont.load_default(18), ImageFont.load_default(13)
    width = _width(len(images))
    wrapped = _wrapped(instruction, len(images))
    lines = max(lines, len(wrapped))
    top = _GAP + 18
    height = top + _SIDE + _GAP + 24 * lines + 30
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for k, (caption, image) in enumerate(images):
        left = _GAP + k * (_SIDE + _GAP)
        draw.text((left, _GAP - 4), caption, FAINT, small)
        sheet.paste(fitted(image, _SIDE), (left, top))
    y = top + _SIDE + _GAP - 2
    for k, line in enumerate(wrapped):
        draw.text((_GAP, y + 24 * k), line, INK, large)
    y += 24 * lines
    draw.text((_GAP, y), textwrap.shorten(note, width // 12, placeholder=" …"), FAINT, large)
    if success is not None:
        color = GREEN if success else RED
        draw.text((width - _GAP, y + 2), outcome(success), color, large, anchor="ra")
    return np.asarray(sheet)


def _wrapped(instruction: str, images: int) -> list[str]:
    return textwrap.wrap(instruction, max(16, _width(images) // 10)) or [""]


def _width(images: int) -> int:
    return _GAP + images * (_SIDE + _GAP)
