"""Animated GIFs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

from PIL import Image

FRAME_MS: Final = 250
"""How long a frame is shown."""
PAUSE_MS: Final = 1500
"""How long the last frame of an episode is shown."""


def encode_gif(frames: Sequence[Image.Image], durations: Sequence[int]) -> bytes:
    """An animated GIF that plays for ever.

    Args:
        frames: at least one.
        durations: of each, in milliseconds.
    """
    first, *rest = frames
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=list(durations), loop=0)
    return buffer.getvalue()
