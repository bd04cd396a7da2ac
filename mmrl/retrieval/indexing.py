"""Pictures → their index, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.errors import UserError
from mmrl.observation import IMAGE
from mmrl.retrieval.embedding import SharedEmbedding
from mmrl.retrieval.index import Entry, PictureIndex, caption
from mmrl.retrieval.pictures import Pictures, Resizer

_AT_ONCE: Final = 256


def index_pictures(
    module: SharedEmbedding,
    pictures: Pictures,
    about: Mapping[str, Any],
    on_picture: Callable[[], None] = lambda: None,
) -> PictureIndex:
    """The index of pictures, those of another size than the model's resized with a warning.

    Args:
        module: which embeds them.
        pictures: what to embed.
        about: what the index is made of; the source and the numbers of pictures that were resized
            and passed over are added.
        on_picture: called after each.

    Raises:
        UserError: there is no picture.
    """
    encoder: Any = module.model.encoders[IMAGE]
    resize = Resizer(encoder.image_size)
    entries: list[Entry] = []
    waiting: list[NDArray[np.uint8]] = []
    embedded: list[NDArray[np.float32]] = []
    for one in pictures:
        if one is not None:
            entry, picture = one
            entries.append(entry)
            waiting.append(resize(picture, caption(entry)))
        if len(waiting) == _AT_ONCE:
            embedded.append(module.of_pictures(np.stack(waiting)))
            waiting = []
        on_picture()
    if waiting:
        embedded.append(module.of_pictures(np.stack(waiting)))
    if not entries:
        what = f"{pictures.skipped} files are {pictures.why}" if pictures.skipped else "it is empty"
        raise UserError(f"there are no pictures in {pictures.name}: {what}")
    about = {
        **about, "source": pictures.name, "skipped": pictures.skipped, "resized": resize.resized
    }  # fmt: skip
    return PictureIndex(np.concatenate(embedded), entries, about)
