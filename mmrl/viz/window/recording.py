"""What was shown, written as an animated GIF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmrl.errors import UserError
from mmrl.files import write_bytes
from mmrl.viz.gif import FRAME_MS, PAUSE_MS, encode_gif, with_palette


class Recording:
    """Collects images; used in a ``with`` statement, it writes them at its end and prints where.

    Args:
        path: the GIF to write; None records nothing.

    Raises:
        UserError: its folder does not exist, or it is a folder.
    """

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path else None
        if self._path and not self._path.resolve().parent.is_dir():
            raise UserError(f"--record {path}: its folder does not exist")
        if self._path and self._path.is_dir():
            raise UserError(f"--record {path}: is a folder; name a file such as play.gif")
        self._frames: list[Image.Image] = []
        self._durations: list[int] = []

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        written = self.save()
        if written:
            print(f"written to {written}")

    def add(self, image: NDArray[np.uint8], *, pause: bool = False) -> None:
        """Add an image, uint8 [H, W, 3]; ``pause`` keeps it for longer."""
        if self._path:
            self._frames.append(with_palette(Image.fromarray(image)))
            self._durations.append(PAUSE_MS if pause else FRAME_MS)

    def save(self) -> Path | None:
        """Write what there is, whole or not at all; the path, or None if there is nothing."""
        if not self._path or not self._frames:
            return None
        write_bytes(self._path, encode_gif(self._frames, self._durations))
        return self._path
