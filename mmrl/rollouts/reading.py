"""Reads rollouts: datasets that ``mmrl collect`` made, and strangers' with an image and a string.

rollouts = open_rollouts("gotolocal/expert-v0")
rollouts[3].instruction, rollouts[3].images  # one episode
rollouts.columns().images  # all of them end to end
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple, overload

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from PIL import Image

from mmrl.errors import UserError
from mmrl.observation import IMAGE, INSTRUCTION, is_picture
from mmrl.rollouts.collecting import OURS
from mmrl.rollouts.places import Place, find_place, minari_module
from mmrl.rollouts.rollout import Rollout

_NEEDED: Final = ("total_episodes", "total_steps", "data_format")
_ARRAYS: Final = ("actions", "rewards", "terminations", "truncations")


class Spaces(NamedTuple):
    """What observations and actions are."""

    observation: spaces.Dict  # image and instruction
    action: gym.Space[Any]


@dataclass(frozen=True)
class Columns:
    """E episodes of S steps in all, end to end; episode k has the steps ``starts[k]`` to
    ``starts[k + 1] - 1``, and the images and descriptions from ``starts[k] + k`` on, one more.

    Attributes:
        starts: int64 [E + 1].
        images: uint8 [S + E, H, W, 3]; None where they were not asked for.
        instructions: E.
        actions: int64 [S], or float [S, A].
        rewards: float64 [S].
        success: bool [E].
        seeds: int64 [E]; -1 where the dataset does not say.
        achieved: S tuples of sentences.
        descriptions: S + E sentences.
    """

    starts: NDArray[np.int64]
    images: NDArray[np.uint8] | None
    instructions: tuple[str, ...]
    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    success: NDArray[np.bool_]
    seeds: NDArray[np.int64]
    achieved: tuple[tuple[str, ...], ...]
    descriptions: tuple[str, ...]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps of each episode, int64 [E]."""
        return np.diff(self.starts)


class Rollouts(Sequence[Rollout]):
    """The episodes of a dataset, read when they are asked for; see :func:`open_rollouts`.

    Attributes:
        place: where it is.
        metadata: what Minari's file says of it.
        spaces: of observations, under our names, and of actions.
        env_id: of the environment; "" where the dataset does not say.
        env_args: its arguments.
        by: who acted, in words; "" where the dataset does not say.
    """

    def __init__(
        self, place: Place, metadata: dict[str, Any], its_spaces: Spaces, keys: dict[str, str]
    ) -> None:
        self.place, self.metadata, self.spaces = place, metadata, its_spaces
        self._keys = keys
        self._count = int(metadata["total_episodes"])
        spec = json.loads(metadata.get("env_spec") or "{}")
        told = metadata.get(OURS, {"env": spec.get("id", ""), "env_args": spec.get("kwargs", {})})
        self.env_id: str = told["env"]
        self.env_args: dict[str, Any] = told["env_args"]
        self.by: str = metadata.get("algorithm_name", "")

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Rollout: ...
    @overload
    def __getitem__(self, index: slice) -> list[Rollout]: ...
    def __getitem__(self, index: int | slice) -> Rollout | list[Rollout]:
        """One episode, or several.

        Raises:
            IndexError: there is no such episode.
            UserError: it lacks something, or cannot be read.
        """
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"episode {index}: there are {len(self)}")
        return self._read(index % len(self))

    def __iter__(self) -> Iterator[Rollout]:
        return (self._read(k) for k in range(len(self)))

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_file"}

    def columns(self, *, images: bool = True) -> Columns:
        """The whole dataset in memory.

        Args:
            images: whether to read them; without, it takes a fraction of the time and memory.
        """
        read = [self._read(k, images=images) for k in range(len(self))]
        lengths = [len(one) for one in read]
        return Columns(
            starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            images=np.concatenate([one.images for one in read]) if images else None,
            instructions=tuple(one.instruction for one in read),
            actions=np.concatenate([one.actions for one in read]),
            rewards=np.concatenate([one.rewards for one in read]),
            success=np.array([one.success for one in read]),
            seeds=np.array([one.seed for one in read], np.int64),
            achieved=tuple(step for one in read for step in one.achieved),
            descriptions=tuple(text for one in read for text in one.descriptions),
        )

    def check(self) -> None:
        """Look whether all episodes are there, and what the first one holds.

        Raises:
            UserError: what is missing.
        """
        missing = [k for k in range(len(self)) if f"episode_{k}" not in self._file]
        if missing:
            raise UserError(f"{self.place.main} lacks episode_{missing[0]} of {len(self)}")
        if not len(self):
            raise UserError(f"dataset {self.place.name!r} has no episodes")
        self._group(0)

    @cached_property
    def _file(self) -> Any:
        import h5py

        try:
            return h5py.File(self.place.main, "r")
        except OSError as error:
            raise UserError(f"{self.place.main} is no HDF5 file, or damaged: {error}") from error

    def _group(self, index: int) -> Any:
        group = self._file[f"episode_{index}"]
        needed = [f"observations/{theirs}" for theirs in self._keys.values()]
        missing = [name for name in (*needed, *_ARRAYS) if name not in group]
        if missing:
            raise UserError(
                f"dataset {self.place.name!r}, episode {index} lacks {', '.join(missing)}"
            )
        return group

    def _read(self, index: int, *, images: bool = True) -> Rollout:
        try:
            return self._decode(self._group(index), images)
        except (OSError, RuntimeError, KeyError) as error:
            raise UserError(f"{self.place.main}, episode {index} is damaged: {error}") from error

    def _decode(self, group: Any, images: bool) -> Rollout:
        observations = group["observations"]
        actions = group["actions"][()]
        rewards = group["rewards"][()].astype(np.float64)
        infos = group.get("infos", {})
        count = len(rewards) + 1
        return Rollout(
            images=self._images(observations[self._keys[IMAGE]] if images else None),
            instruction=observations[self._keys[INSTRUCTION]][0].decode(),
            actions=actions.astype(np.int64) if actions.dtype.kind in "iu" else actions,
            rewards=rewards,
            success=_success(group, rewards),
            seed=int(group.attrs.get("seed", -1)),
            achieved=_achieved(infos, len(rewards)),
            descriptions=_texts(infos["description"]) if "description" in infos else ("",) * count,
            env_id=self.env_id,
            terminated=bool(len(rewards) and group["terminations"][-1]),
        )

    def _images(self, dataset: Any) -> NDArray[np.uint8]:
        space = self.spaces.observation[IMAGE]
        if dataset is None:
            return np.zeros((0, *(space.shape or ())), np.uint8)
        if dataset.shape[1:] == space.shape:
            return dataset[()]
        pictures = [Image.open(io.BytesIO(packed.tobytes())) for packed in dataset[()]]
        return np.stack([np.asarray(picture, np.uint8) for picture in pictures])


def open_rollouts(name: str) -> Rollouts:
    """The dataset of that name: a Minari id, or a path.

    Raises:
        UserError: there is none; it is not complete; or it is not what can be learned from, with
            the fields that are missing.
    """
    place = find_place(name)
    metadata = _metadata(place)
    its_spaces, keys = _spaces(place)
    rollouts = Rollouts(place, metadata, its_spaces, keys)
    rollouts.check()
    return rollouts


def _metadata(place: Place) -> dict[str, Any]:
    if not place.metadata.is_file():
        raise UserError(_why_not(place))
    try:
        metadata = json.loads(place.metadata.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{place.metadata} cannot be read: {error}") from error
    if not isinstance(metadata, dict):
        raise UserError(f"{place.metadata} is no metadata of a Minari dataset: {metadata!r}")
    missing = [key for key in _NEEDED if key not in metadata]
    if "env_spec" not in metadata:
        missing += [key for key in ("observation_space", "action_space") if key not in metadata]
    if missing:
        raise UserError(f"{place.metadata} lacks {', '.join(missing)}")
    if metadata["data_format"] != "hdf5":
        raise UserError(
            f"dataset {place.name!r} is kept as {metadata['data_format']!r}: only hdf5 is read"
        )
    if not place.main.is_file():
        raise UserError(f"dataset {place.name!r} lacks {place.main}")
    return metadata


def _why_not(place: Place) -> str:
    if place.collecting.is_dir():
        return (
            f"dataset {place.name!r} is not complete: call 'mmrl collect' with the arguments that "
            "it was begun with, and it goes on"
        )
    if place.path.is_dir():
        return (
            f"{place.path} is no Minari dataset: it lacks {place.metadata.relative_to(place.path)}"
        )
    return f"there is no dataset {place.name!r}: {place.path} does not exist"


def _spaces(place: Place) -> tuple[Spaces, dict[str, str]]:
    """The spaces of a dataset, and where in its observations the image and the string are."""
    storage = minari_module("minari.dataset.minari_storage").MinariStorage
    try:
        read = storage.read(place.data)
    except Exception as error:  # whatever a stranger's environment raises, too
        raise UserError(f"dataset {place.name!r}: its spaces cannot be read: {error}") from error
    space = read.observation_space
    if not isinstance(space, spaces.Dict):
        raise UserError(f"dataset {place.name!r} has no image and no string in its {space}")
    images = [key for key, one in space.items() if is_picture(one)]
    texts = [key for key, one in space.items() if isinstance(one, spaces.Text)]
    for what, key, found in (("image", IMAGE, images), ("string", INSTRUCTION, texts)):
        if key in found:
            found[:] = [key]
        if len(found) != 1:
            raise UserError(
                f"dataset {place.name!r}: its observations lack "
                f"{f'one {what}' if not found else f'{key!r}, and have several'}: they have "
                f"{', '.join(f'{name} ({type(one).__name__})' for name, one in space.items())}"
            )
    ours = spaces.Dict({IMAGE: space[images[0]], INSTRUCTION: space[texts[0]]})
    return Spaces(ours, read.action_space), {IMAGE: images[0], INSTRUCTION: texts[0]}


def _success(group: Any, rewards: NDArray[np.float64]) -> bool:
    """As the dataset says, or else as the contract has it."""
    if "success" in group.attrs:
        return bool(group.attrs["success"])
    infos = group.get("infos", {})
    if "is_success" in infos:
        return bool(infos["is_success"][-1])
    return bool(len(rewards) and group["terminations"][-1] and rewards[-1] > 0)


def _texts(dataset: Any) -> tuple[str, ...]:
    return tuple(text.decode() for text in dataset[()])


def _achieved(infos: Any, steps: int) -> tuple[tuple[str, ...], ...]:
    if "achieved" not in infos or "achieved_count" not in infos:
        return ((),) * steps
    said, ends = _texts(infos["achieved"]), np.cumsum(infos["achieved_count"][()]).tolist()
    return tuple(said[start:end] for start, end in zip([0, *ends], ends, strict=False))
