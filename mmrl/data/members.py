"""Decodes the members of an episode's HDF5 group."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from mmrl.data.hdf5 import Members
from mmrl.data.recorder import EXPERT_ACTION
from mmrl.errors import UserError
from mmrl.images import decoded


class LastInfo(Mapping[str, Any]):
    """The info of an episode's last step, read on demand."""

    def __init__(self, read: Members) -> None:
        self._read = read

    def __getitem__(self, key: str) -> Any:
        values = self._read(f"infos/{key}")
        if values is None or not getattr(values, "shape", ()) or not len(values):
            raise KeyError(key)
        return values[-1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read.group.get("infos", {}))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def read_nested(read: Members, path: str, space: gym.Space[Any], count: int) -> Any:
    """The observations of a space, nested as it is.

    Args:
        read: the members of an episode.
        path: of the observations.
        space: theirs.
        count: how many there have to be.

    Raises:
        UserError: a part of them is not there, or has another number of them.
    """
    if isinstance(space, spaces.Dict):
        return {key: read_nested(read, f"{path}/{key}", one, count) for key, one in space.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(
            read_nested(read, f"{path}/_index_{k}", one, count)
            for k, one in enumerate(space.spaces)
        )
    dataset = read(path)
    if dataset is None:
        raise UserError(f"{read.group.name} lacks {path}")
    if not dataset.shape or len(dataset) != count:
        raise UserError(
            f"{read.group.name}: {path} is {list(dataset.shape)}, and must be [{count}, …]"
        )
    values = dataset[()]
    if isinstance(space, spaces.Text):
        return np.array([text.decode() for text in values], object)
    if values.dtype == object:  # images that are kept as JPEG
        return np.stack([decoded(io.BytesIO(packed.tobytes())) for packed in values])
    return values


def read_texts(dataset: Any) -> tuple[str, ...]:
    """The strings of an HDF5 dataset."""
    return tuple(text.decode() for text in dataset[()])


def labels_or_actions(read: Members) -> Any:
    """An expert's labels, where there are some, or else the actions that were taken."""
    labels = read(f"infos/{EXPERT_ACTION}")
    return read("actions") if labels is None else labels


def read_achieved(read: Members, steps: int) -> tuple[tuple[str, ...], ...]:
    """What each step achieved, sentences; nothing where it is not recorded."""
    sentences, counts = read("infos/achieved"), read("infos/achieved_count")
    if sentences is None or counts is None:
        return ((),) * steps
    texts, ends = read_texts(sentences), np.cumsum(counts[()]).tolist()
    return tuple(texts[start:end] for start, end in zip([0, *ends], ends, strict=False))
