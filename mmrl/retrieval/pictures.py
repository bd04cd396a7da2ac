"""Pictures in a folder: every file that is one, brought to the size that a model knows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmrl.errors import UserError
from mmrl.retrieval.index import Entry

SMALLEST: Final = 8
"""Pixels of a side; what is smaller shows nothing."""


class PictureFolder:
    """The pictures of a folder and of the folders in it, by name.

    Args:
        path: the folder.

    Attributes:
        skipped: files that turned out to be no pictures, or too small, as far as they were read.

    Raises:
        UserError: it is no folder.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise UserError(f"{path} is no folder of pictures, nor a dataset of 'mmrl collect'")
        self.path = path
        self.skipped = 0
        found = sorted(file.relative_to(path) for file in path.rglob("*") if file.is_file())
        self._files = [
            file for file in found if not any(part.startswith(".") for part in file.parts)
        ]

    def __len__(self) -> int:
        """How many files there are, pictures or not."""
        return len(self._files)

    def __iter__(self) -> Iterator[tuple[Entry, NDArray[np.uint8]] | None]:
        """Each file's picture, uint8 [H, W, 3], the first one of an animated file; None for a file
        that is passed over.
        """
        self.skipped = 0
        for file in self._files:
            picture = read_picture(self.path / file)
            self.skipped += picture is None
            yield None if picture is None else ({"file": file.as_posix()}, picture)

    def picture(self, entry: Entry) -> NDArray[np.uint8] | None:
        """The picture of an entry; None where it is gone."""
        return read_picture(self.path / entry["file"])


def read_picture(file: Path) -> NDArray[np.uint8] | None:
    """uint8 [H, W, 3]; None where a file is no picture, or one of fewer than 8 pixels a side."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow thinks of strange files
            with Image.open(file) as image:
                picture = np.asarray(image.convert("RGB"), np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return picture if min(picture.shape[:2]) >= SMALLEST else None


class Resizer:
    """Brings pictures to one size, and warns of the first one that had another.

    Args:
        size: height and width.

    Attributes:
        resized: how many had another size.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.resized = 0

    def __call__(self, picture: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
        """uint8 [H, W, 3] → uint8 of the size; ``name`` is for the warning."""
        height, width = self.size
        if picture.shape[:2] == (height, width):
            return picture
        if not self.resized:
            warnings.warn(
                f"{name} has {picture.shape[0]} × {picture.shape[1]} pixels, the model looks at "
                f"{height} × {width}: it is resized, and so are all others of another size",
                stacklevel=2,
            )
        self.resized += 1
        return np.asarray(resized(Image.fromarray(picture), (width, height)))


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A picture in another size, width and height; enlarged ones keep their sharp pixels."""
    grows = size[0] >= image.width and size[1] >= image.height
    return image.resize(size, Image.Resampling.NEAREST if grows else Image.Resampling.BOX)
