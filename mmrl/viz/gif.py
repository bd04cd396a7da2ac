"""Animated GIFs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FRAME_MS: Final = 250
"""How long a frame is shown."""
PAUSE_MS: Final = 1500
"""How long the last frame of an episode is shown."""

_PALETTE: Final = 255  # colours of a frame: the 256th is what stays as it was
_DRAWN: Final = 4096  # colours at most of what was drawn, rather than photographed


def encode_gif(frames: Sequence[Image.Image], durations: Sequence[int]) -> bytes:
    """An animated GIF that plays for ever.

    Args:
        frames: at least one.
        durations: of each, in milliseconds.
    """
    first, *rest = map(with_palette, frames)
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=list(durations), loop=0)
    return buffer.getvalue()


def with_palette(frame: Image.Image) -> Image.Image:
    """A frame in 255 colours, each pixel an index of a palette.

    The palette of a drawing is its most frequent colours, of which the nearest stands in for any
    other: exact where there are no others, and four times as fast as the median cut that a
    photograph gets.
    """
    colors = frame.getcolors(_DRAWN) if frame.mode == "RGB" else None
    if colors is None:
        return frame if frame.mode == "P" else frame.convert("RGB").quantize(_PALETTE)
    by_count = np.array([color for _, color in sorted(colors, reverse=True)], np.uint8)
    palette, others = by_count[:_PALETTE], by_count[_PALETTE:]
    table = np.zeros(1 << 24, np.uint8)  # of all colours; few of its pages are touched
    codes = _codes(Image.fromarray(by_count[None]))[0]
    table[codes[:_PALETTE]] = np.arange(len(palette))
    table[codes[_PALETTE:]] = _nearest(others, palette)
    indexed = Image.fromarray(table[_codes(frame)])
    indexed.putpalette(palette.tobytes())
    return indexed


def _codes(image: Image.Image) -> NDArray[np.uint32]:
    """Each pixel's colour as one number below 2²⁴: uint32 [H, W]."""
    packed: NDArray[np.uint32] = np.asarray(image.convert("RGBX")).view("<u4")[..., 0]
    return packed & np.uint32(0xFFFFFF)


def _nearest(colors: NDArray[np.uint8], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The index of the nearest colour of a palette, uint8 [N]."""
    off = colors[:, None].astype(np.int32) - palette
    return np.square(off).sum(-1).argmin(1).astype(np.uint8)
