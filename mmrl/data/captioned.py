"""Images that have been described, read from datasets, to be learnt from and tested with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmrl.data import open_dataset
from mmrl.errors import UserError
from mmrl.language import NEUTRAL, InstructionLanguage, shared_language


@dataclass(frozen=True)
class Scenes:
    """Images that have been described.

    Attributes:
        images: uint8 [N, H, W, 3].
        sentences: N descriptions.
        episodes: which episode each is of, int64 [N].
        language: of the descriptions.
    """

    images: NDArray[np.uint8]
    sentences: Sequence[str]
    episodes: NDArray[np.int64]
    language: InstructionLanguage = NEUTRAL

    def __len__(self) -> int:
        return len(self.sentences)

    def where(self, keep: NDArray[np.bool_]) -> Scenes:
        """Those of a mask, bool [N]."""
        rows = np.flatnonzero(keep)
        return Scenes(
            self.images[rows],
            [self.sentences[row] for row in rows.tolist()],
            self.episodes[rows],
            self.language,
        )

    def unique(self, count: int, generator: np.random.Generator) -> Scenes:
        """Up to ``count`` that are drawn, no two with the same description."""
        first = {self.sentences[row]: row for row in generator.permutation(len(self)).tolist()}
        keep = np.zeros(len(self), np.bool_)
        keep[list(first.values())[:count]] = True
        return self.where(keep)


def read_scenes(names: str | Sequence[str]) -> Scenes:
    """All images of some datasets, with their descriptions.

    Raises:
        UserError: no dataset, one without descriptions, or images of several sizes.
    """
    names = [names] if isinstance(names, str) else names
    if not any(names):
        raise UserError("data is empty: name a dataset that 'mmrl collect' made")
    opened = [open_dataset(name) for name in names]
    read = [rollouts.columns() for rollouts in opened]
    for name, columns in zip(names, read, strict=True):
        if not all(columns.descriptions):
            raise UserError(
                f"dataset {name!r} lacks infos/description: collect it in an environment that "
                "describes what is seen (info['description'])"
            )
    images = [columns.images for columns in read if columns.images is not None]
    sizes = {one.shape[1:] for one in images}
    if len(sizes) > 1:
        raise UserError(f"data has images of several sizes: {sorted(sizes)}")
    lengths = np.concatenate([columns.lengths for columns in read])
    return Scenes(
        np.concatenate(images),
        [sentence for columns in read for sentence in columns.descriptions],
        np.repeat(np.arange(len(lengths)), lengths + 1),
        shared_language(rollouts.language for rollouts in opened),
    )
