"""Image sources for search, a folder or a dataset, and the indexing of their images.

:func:`open_images` opens a source, :func:`index_images` embeds its images in batches, resized to
the model's size.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmrl.contract import IMAGE
from mmrl.data import EpisodeDataset, find_place, open_dataset
from mmrl.errors import UserError
from mmrl.files import exists, is_file, is_folder
from mmrl.images import decoded, resized
from mmrl.retrieval.embedding import SharedEmbedding
from mmrl.retrieval.index import Entry, ImageIndex, caption
from mmrl.text_output import printable

SMALLEST: Final = 8
"""Pixels of a side; smaller images are skipped."""


class Images(Protocol):
    """A source of images.

    Attributes:
        name: of the folder or dataset, by which :func:`open_images` opens it again.
        skipped: images that were skipped in the iteration so far.
        why: the reason.
    """

    name: str
    skipped: int
    why: str

    def __len__(self) -> int:
        """How many there are, skipped ones included."""
        ...

    def __iter__(self) -> Iterator[tuple[Entry, NDArray[np.uint8]] | None]:
        """Entries and images, uint8 [H, W, 3]; None for one that is skipped."""
        ...

    def image(self, entry: Entry) -> NDArray[np.uint8] | None:
        """The image of an entry, uint8 [H, W, 3]; None where it no longer exists."""
        ...


def open_images(name: str) -> Images:
    """The images in a folder, or those of a dataset of ``mmrl collect``.

    Raises:
        UserError: it is neither.
    """
    path = Path(name).expanduser()
    is_dataset = any(is_file(path / sub / "metadata.json") for sub in (".", "data"))
    if is_folder(path) and not is_dataset:
        return ImageFolder(path)
    try:
        return RolloutImages(open_dataset(name))
    except UserError as error:
        if exists(find_place(name).path):
            raise
        raise UserError(f"{name!r} is no folder of images, and no dataset: {error}") from error


class ImageFolder:
    """The images of a folder and of the folders in it, by name; see :class:`Images`.

    Args:
        path: the folder.
    """

    why = f"no images, of fewer than {SMALLEST} pixels a side, or links out of the folder"

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.name = str(self.path)
        self.skipped = 0
        found = sorted(file.relative_to(path) for file in path.rglob("*") if file.is_file())
        self._files = [
            file for file in found if not any(part.startswith(".") for part in file.parts)
        ]

    def __len__(self) -> int:
        """How many files there are, images or not."""
        return len(self._files)

    def __iter__(self) -> Iterator[tuple[Entry, NDArray[np.uint8]] | None]:
        """Entry and image of each file, uint8 [H, W, 3], the first frame of an animation; None for
        a file that is skipped.
        """
        self.skipped = 0
        for file in self._files:
            image = self._read(file)
            self.skipped += image is None
            yield None if image is None else ({"file": file.as_posix()}, image)

    def image(self, entry: Entry) -> NDArray[np.uint8] | None:
        """The image of an entry; None where it no longer exists, or is not in this folder."""
        return self._read(Path(entry["file"])) if "file" in entry else None

    def _read(self, file: Path) -> NDArray[np.uint8] | None:
        """The image in a file of the folder; links that lead out of it are not followed."""
        try:
            path = (self.path / file).resolve()
        except (OSError, RuntimeError):  # links in a circle
            return None
        return read_image(path) if path.is_relative_to(self.path) else None


class RolloutImages:
    """The images of a dataset without duplicates; see :class:`Images`.

    Args:
        rollouts: the dataset.
    """

    why = "duplicates"

    def __init__(self, rollouts: EpisodeDataset) -> None:
        self.rollouts = rollouts
        self.name = str(rollouts.place.path)
        self.skipped = 0

    def __len__(self) -> int:
        """How many images there are, duplicates included."""
        return int(self.rollouts.metadata["total_steps"]) + len(self.rollouts)

    def __iter__(self) -> Iterator[tuple[Entry, NDArray[np.uint8]] | None]:
        """Entries and images, uint8 [H, W, 3]; None for a duplicate."""
        self.skipped = 0
        seen = set()
        for episode, rollout in enumerate(self.rollouts):
            for step, image in enumerate(rollout.images):
                mark = sha256(image.tobytes()).digest()
                if mark in seen:
                    self.skipped += 1
                    yield None
                    continue
                seen.add(mark)
                description = rollout.descriptions[step]
                yield {"episode": episode, "step": step, "description": description}, image

    def image(self, entry: Entry) -> NDArray[np.uint8] | None:
        """The image of an entry; None where it no longer exists."""
        episode, step = entry.get("episode", -1), entry.get("step", -1)
        if min(episode, step) < 0:
            return None
        if episode >= len(self.rollouts):
            return None
        images = self.rollouts[episode].images
        return images[step] if step < len(images) else None


def read_image(file: Path) -> NDArray[np.uint8] | None:
    """The image of a file, uint8 [H, W, 3]; None where it is no image, or has a side of fewer than
    8 pixels.
    """
    try:
        image = decoded(file)
    except (OSError, ValueError):
        return None
    return image if min(image.shape[:2]) >= SMALLEST else None


class Resizer:
    """Resizes images to one size, with one warning for all.

    Args:
        size: height and width.

    Attributes:
        resized: how many were resized.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.resized = 0

    def __call__(self, image: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
        """uint8 [H, W, 3] → uint8 of the size; ``name`` is for the warning."""
        height, width = self.size
        if image.shape[:2] == (height, width):
            return image
        if not self.resized:
            warnings.warn(
                f"{printable(name)} has {image.shape[0]} × {image.shape[1]} pixels, the model "
                f"expects {height} × {width}: it is resized, and so are all others of "
                "another size",
                stacklevel=2,
            )
        self.resized += 1
        return np.asarray(resized(Image.fromarray(image), (width, height)))


_AT_ONCE: Final = 256


def index_images(
    module: SharedEmbedding,
    images: Images,
    about: Mapping[str, Any],
    on_image: Callable[[], None] = lambda: None,
) -> ImageIndex:
    """Embed and index images; those of another size than the model's are resized with a warning.

    Args:
        module: for the embedding.
        images: the source.
        about: provenance; the source and the numbers of resized and skipped images are added.
        on_image: called after each.

    Raises:
        UserError: there is no image.
    """
    encoder: Any = module.model.encoders[IMAGE]
    resize = Resizer(encoder.image_size)
    entries: list[Entry] = []
    waiting: list[NDArray[np.uint8]] = []
    embedded: list[NDArray[np.float32]] = []
    for one in images:
        if one is not None:
            entry, image = one
            entries.append(entry)
            waiting.append(resize(image, caption(entry)))
        if len(waiting) == _AT_ONCE:
            embedded.append(module.of_images(np.stack(waiting)))
            waiting = []
        on_image()
    if waiting:
        embedded.append(module.of_images(np.stack(waiting)))
    if not entries:
        what = f"{images.skipped} files are {images.why}" if images.skipped else "it is empty"
        raise UserError(f"there are no images in {images.name}: {what}")
    about = {
        **about, "source": images.name, "skipped": images.skipped, "resized": resize.resized
    }  # fmt: skip
    return ImageIndex(np.concatenate(embedded), entries, about)
