"""The spaces of a dataset: as its metadata has them, or else inferred from its arrays.

The environment that a dataset names is never made: a dataset is data.
"""

from __future__ import annotations

import io
from typing import Any, Final, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.contract import IMAGE, INSTRUCTION, is_image
from mmrl.data.hdf5 import member
from mmrl.data.location import Place, minari_module
from mmrl.errors import UserError
from mmrl.images import open_image

OBSERVATION_SPACE: Final = "observation_space"
ACTION_SPACE: Final = "action_space"
_MOST: Final = 2**28  # numbers in one observation


class Spaces(NamedTuple):
    """What observations and actions are.

    Attributes:
        observation: image and instruction, as far as they are there.
        action: as it was recorded.
        recorded: the observations as they were recorded.
    """

    observation: spaces.Dict
    action: gym.Space[Any]
    recorded: gym.Space[Any]


def read_spaces(place: Place, metadata: dict[str, Any], file: Any) -> tuple[Spaces, dict[str, str]]:
    """The spaces of a dataset, and where in its observations the image and the string are, if they
    are there.

    Args:
        place: of the dataset.
        metadata: of it.
        file: with its episodes, open.

    Raises:
        UserError: they can be neither read nor inferred, or have several images or strings.
    """
    count = int(metadata["total_episodes"])
    space = _serialized(place, metadata, OBSERVATION_SPACE)
    if space is None:
        space = _inferred_observation(place, file)
    action = _serialized(place, metadata, ACTION_SPACE)
    if action is None:
        action = _inferred_action(place, file, count)
    if not isinstance(space, spaces.Dict):
        return Spaces(spaces.Dict({}), action, space), {}
    keys = _keys(place, space)
    ours = spaces.Dict({name: space[key] for name, key in keys.items()})
    return Spaces(ours, action, space), keys


def _keys(place: Place, space: spaces.Dict) -> dict[str, str]:
    images = [key for key, one in space.items() if is_image(one)]
    texts = [key for key, one in space.items() if isinstance(one, spaces.Text)]
    keys = {}
    for what, key, found in (("images", IMAGE, images), ("strings", INSTRUCTION, texts)):
        if key in found:
            found[:] = [key]
        if len(found) > 1:
            raise UserError(
                f"dataset {place.name!r}: its observations have several {what}, and none is "
                f"{key!r}: they have "
                f"{', '.join(f'{name} ({type(one).__name__})' for name, one in space.items())}"
            )
        if found:
            keys[key] = found[0]
    return keys


def _serialized(place: Place, metadata: dict[str, Any], key: str) -> gym.Space[Any] | None:
    """A space as Minari has written it; None where the metadata lacks it.

    Raises:
        UserError: it is no space.
    """
    if key not in metadata:
        return None
    deserialize = minari_module("minari.serialization").deserialize_space
    try:
        space: gym.Space[Any] = deserialize(metadata[key])
    except Exception as error:  # of any kind, by what stands in the JSON
        raise UserError(
            f"dataset {place.name!r}: the {key} in {place.metadata} cannot be read: {error!r}"
        ) from error
    return space


def _inferred_observation(place: Place, file: Any) -> gym.Space[Any]:
    """The space of the first episode's observations.

    Raises:
        UserError: there are none.
    """
    import h5py

    observations = member(file, "episode_0/observations")
    if isinstance(observations, h5py.Dataset):
        return _space(observations) or _unknown(place, OBSERVATION_SPACE)
    if not isinstance(observations, h5py.Group):
        return _unknown(place, OBSERVATION_SPACE)
    found = {key: member(observations, key) for key in observations}
    known = {key: _space(one) for key, one in found.items() if isinstance(one, h5py.Dataset)}
    return spaces.Dict({key: space for key, space in known.items() if space is not None})


def _space(dataset: Any) -> gym.Space[Any] | None:
    """The space that a dataset of T + 1 observations is of; None for what is not known."""
    import h5py

    if not dataset.shape or np.prod(dataset.shape[1:], dtype=object) > _MOST:
        return None
    if h5py.check_string_dtype(dataset.dtype) is not None:
        texts = [text.decode(errors="replace") for text in dataset[()].ravel()]
        return spaces.Text(max(1, *map(len, texts)), charset="".join(sorted(set().union(*texts))))
    if h5py.check_vlen_dtype(dataset.dtype) == np.uint8:
        return _packed(dataset)
    if dataset.dtype.kind == "u" and dataset.dtype.itemsize == 1:
        return spaces.Box(0, 255, dataset.shape[1:], np.uint8)
    if dataset.dtype.kind in "iuf":
        return _box(dataset)
    return None


def _packed(dataset: Any) -> gym.Space[Any] | None:
    """The space of images that are kept as JPEG."""
    try:
        with open_image(io.BytesIO(dataset[0].tobytes())) as image:
            return spaces.Box(0, 255, (image.height, image.width, 3), np.uint8)
    except (OSError, ValueError, IndexError):
        return None


def _box(dataset: Any) -> spaces.Box:
    """All values of the type of a dataset's."""
    kind: Any = dataset.dtype.type
    info = np.finfo(kind) if dataset.dtype.kind == "f" else np.iinfo(kind)
    low, high = (-np.inf, np.inf) if dataset.dtype.kind == "f" else (info.min, info.max)
    return spaces.Box(low, high, dataset.shape[1:], kind)


def _inferred_action(place: Place, file: Any, episodes: int) -> gym.Space[Any]:
    """The space of the actions of all episodes: integers from 0 to the largest, or floats.

    Raises:
        UserError: they are something else.
    """
    import h5py

    first = member(file, "episode_0/actions")
    if not isinstance(first, h5py.Dataset) or not first.shape:
        return _unknown(place, ACTION_SPACE)
    if first.dtype.kind == "f":
        return _box(first)
    if first.dtype.kind not in "iu" or len(first.shape) > 2:
        return _unknown(place, ACTION_SPACE)
    lowest, highest = _extremes(place, file, episodes)
    if lowest.min() < 0:
        return _unknown(place, ACTION_SPACE)
    if not highest.shape:
        return spaces.Discrete(int(highest) + 1)
    return spaces.MultiDiscrete(highest + 1)


def _extremes(place: Place, file: Any, episodes: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The smallest and the largest integer of each part of the actions, int64 [] or [A]."""
    import h5py

    found = [member(file, f"episode_{k}/actions") for k in range(episodes)]
    try:
        read = [one[()].astype(np.int64) for one in found if isinstance(one, h5py.Dataset)]
        read = [one for one in read if len(one)]
        lowest = np.min([one.min(0) for one in read], 0)
        return np.asarray(lowest), np.max([one.max(0) for one in read], 0)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"dataset {place.name!r}: its actions cannot be read: {error}") from error


def _unknown(place: Place, key: str) -> Any:
    raise UserError(
        f"{place.metadata} lacks {key}, and it cannot be inferred from the episodes; the dataset's "
        "environment is not made to learn it. Write it into the metadata, as Minari serializes it"
    )
