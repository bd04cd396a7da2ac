"""Reads datasets: those of ``mmrl collect``, and any Minari dataset with an image and a string.

rollouts = open_dataset("gotolocal/expert-v0")
rollouts[3].instruction, rollouts[3].images  # one episode
rollouts.columns().images  # all of them end to end
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final, cast, overload

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.contract import IMAGE, INSTRUCTION
from mmrl.data.collection import OURS
from mmrl.data.episode import Columns, Demonstration, Episode, RecordedEpisode, Trajectory
from mmrl.data.hdf5 import DAMAGE, Members, member, open_hdf5
from mmrl.data.location import Place, find_place
from mmrl.data.members import (
    LastInfo,
    labels_or_actions,
    read_achieved,
    read_nested,
    read_texts,
)
from mmrl.data.metadata import json_object, read_metadata, recorded_environment
from mmrl.data.recorder import ACTED_BY, EXPERT_ACTION, PERSON
from mmrl.data.spaces import Spaces, read_spaces
from mmrl.errors import UserError
from mmrl.images import decoded
from mmrl.language import NEUTRAL, InstructionLanguage, find_language
from mmrl.registry import find_spec
from mmrl.schema import FileError
from mmrl.trust import is_trusted
from mmrl.wrappers.adapt.success import EpisodeEnd, SuccessSource, find_success
from mmrl.wrappers.making import usual_success

_ARRAYS: Final = ("actions", "rewards", "terminations", "truncations")


class EpisodeDataset(Sequence[Episode]):
    """The episodes of a dataset, read on demand; see :func:`open_dataset`.

    Attributes:
        place: where it is.
        metadata: of Minari's file.
        spaces: of observations, under our names, and of actions.
        env_id: of the environment; "" where it is not recorded.
        env_args: its arguments.
        by: name of the source of actions; "" where it is not recorded.
    """

    def __init__(
        self,
        place: Place,
        metadata: dict[str, Any],
        its_spaces: Spaces,
        keys: dict[str, str],
        success: Any = None,
    ) -> None:
        self.place, self.metadata, self.spaces = place, metadata, its_spaces
        self._keys, self._rule = keys, success
        self._source = _source_of(success, metadata)
        self._count = int(metadata["total_episodes"])
        self.env_id, self.env_args = recorded_environment(metadata)
        self.by = str(metadata.get("algorithm_name", ""))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Episode: ...
    @overload
    def __getitem__(self, index: slice) -> list[Episode]: ...
    def __getitem__(self, index: int | slice) -> Episode | list[Episode]:
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

    def __iter__(self) -> Iterator[Episode]:
        return (self._read(k) for k in range(len(self)))

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("_file", "_source")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._source = _source_of(self._rule, self.metadata)

    def columns(self, *, images: bool = True) -> Columns:
        """The whole dataset in memory.

        Args:
            images: whether to read them; without, it takes a fraction of the time and memory.

        Raises:
            UserError: it has no images.
        """
        if images:
            _ = self.image_space
        read = [self._read(k, images=images) for k in range(len(self))]
        self._check_alike(read)
        lengths = [len(one) for one in read]
        return Columns(
            starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            images=np.concatenate([one.images for one in read]) if images else None,
            instructions=tuple(one.instruction for one in read),
            actions=np.concatenate([one.actions for one in read]),
            rewards=np.concatenate([one.rewards for one in read]),
            success=np.array([bool(one.success) for one in read]),
            known=np.array([one.success is not None for one in read]),
            seeds=np.array([one.seed for one in read], np.int64),
            achieved=tuple(step for one in read for step in one.achieved),
            descriptions=tuple(text for one in read for text in one.descriptions),
        )

    def demonstration(self, index: int, keys: Iterable[str]) -> Demonstration:
        """An episode as imitation learning reads it: all observations, and the expert's labels
        instead of the actions where it has some.

        Args:
            index: of the episode.
            keys: of the images and vectors, under the contract's names.

        Raises:
            UserError: it lacks something, or cannot be read.
        """
        with self._episode(index, keys) as read:
            return self._demonstration(read, keys)

    def trajectory(self, index: int, keys: Iterable[str]) -> Trajectory:
        """An episode as offline reinforcement learning reads it: the actions that were taken, their
        rewards, and all observations with the one after the last step.

        Args:
            index: of the episode.
            keys: of the images and vectors, under the contract's names.

        Raises:
            UserError: it lacks something, or cannot be read.
        """
        with self._episode(index, keys) as read:
            return self._trajectory(read, keys)

    @property
    def is_ours(self) -> bool:
        """Whether mmrl has collected it: observations and actions are as agents take them."""
        return isinstance(self.metadata.get(OURS), dict)

    def recorded(self, index: int, *, labels: bool = True) -> RecordedEpisode:
        """An episode as it was recorded, whoever did it.

        Args:
            index: of the episode.
            labels: whether its actions are an expert's labels, where it has some.

        Raises:
            UserError: it lacks something, or cannot be read.
        """
        with self._episode(index) as read:
            actions = (labels_or_actions(read) if labels else read("actions"))[()]
            return RecordedEpisode(
                read_nested(read, "observations", self.spaces.recorded, len(actions) + 1),
                actions,
                read("rewards")[()].astype(np.float64),
                bool(len(actions) and read("terminations")[-1]),
                self._success(read, read("rewards")[()].astype(np.float64)),
            )

    def _check_alike(self, episodes: Sequence[Episode]) -> None:
        """Make sure that episodes can be put end to end.

        Raises:
            FileError: one has images or actions of another size than the first.
        """
        for number, one in enumerate(episodes):
            for name in ("images", "actions"):
                here, first = (getattr(each, name).shape[1:] for each in (one, episodes[0]))
                if here != first:
                    raise FileError(
                        f"{self.place.main}: the {name} of episode {number} are {list(here)}, and "
                        f"must be {list(first)}, as those of episode 0"
                    )

    def check(self) -> None:
        """Look whether all episodes are there, and what the first one holds.

        Raises:
            UserError: what is missing.
        """
        missing = next((k for k in range(len(self)) if f"episode_{k}" not in self._file), None)
        if missing is not None:
            raise UserError(f"{self.place.main} lacks episode_{missing} of {len(self)}")
        if not len(self):
            raise UserError(f"dataset {self.place.name!r} has no episodes")
        self._members(0)

    @cached_property
    def language(self) -> InstructionLanguage:
        """That of the environment; the neutral one where the dataset does not name it, or where it
        is not installed or its code not trusted.

        Raises:
            UserError: the environment names a language that cannot be imported.
        """
        if not is_trusted({"env": self.env_id}, self.place.metadata):
            warnings.warn(
                f"dataset {self.place.name!r} is of {self.env_id}, whose code is not trusted: its "
                "sentences are used without the environment's language. --trust-code trusts it",
                stacklevel=2,
            )
            return NEUTRAL
        try:
            find_spec(self.env_id)
        except UserError:  # not installed here
            return NEUTRAL
        return find_language(self.env_id)

    @property
    def image_space(self) -> spaces.Box:
        """Of one image, uint8 [H, W, 3].

        Raises:
            UserError: it has no images.
        """
        if IMAGE not in self.spaces.observation.spaces:
            raise UserError(f"dataset {self.place.name!r} has no images, which are needed here")
        return cast("spaces.Box", self.spaces.observation[IMAGE])

    @cached_property
    def _file(self) -> Any:
        return open_hdf5(self.place.main)

    @contextmanager
    def _episode(self, index: int, keys: Iterable[str] = ()) -> Iterator[Members]:
        """The members of an episode, whose arrays are of one number of steps.

        Args:
            index: of the episode.
            keys: of observations that are read beside image and instruction.

        Raises:
            UserError: it lacks something, or is damaged, which may be found while it is read.
        """
        try:
            read = self._members(index)
            self._check_shapes(read, index, keys)
            yield read
        except DAMAGE as error:
            raise UserError(f"{self.place.main}, episode {index} is damaged: {error}") from error

    def _members(self, index: int) -> Members:
        """What an episode holds, which is all that is needed.

        Raises:
            UserError: what it lacks, or what lies in other files.
        """
        read = Members(member(self._file, f"episode_{index}"))
        needed = [f"observations/{theirs}" for theirs in self._keys.values()]
        missing = [name for name in (*needed, *_ARRAYS) if read(name) is None]
        if missing:
            raise UserError(
                f"dataset {self.place.name!r}, episode {index} lacks {', '.join(missing)}"
            )
        return read

    def _read(self, index: int, *, images: bool = True) -> Episode:
        with self._episode(index) as read:
            return self._decode(read, images)

    def _check_shapes(self, read: Members, index: int, keys: Iterable[str]) -> None:
        """Make sure that an episode's arrays are of one number of steps.

        Raises:
            FileError: one is not.
        """
        steps = (read("rewards").shape or (-1,))[0]
        observed = {*self._keys.values(), *(self._keys.get(key, key) for key in keys)}
        for name in (*_ARRAYS, f"infos/{EXPERT_ACTION}", *(f"observations/{o}" for o in observed)):
            values = read(name)
            if values is None:
                continue  # labels there may be, and what else is missing is named where it is read
            shape = getattr(values, "shape", None)
            length = steps + name.startswith("observations/")
            if not shape or shape[0] != length or (name == "rewards" and len(shape) != 1):
                raise FileError(
                    f"{self.place.main}, episode {index}: {name} is {list(shape or ())}, and must "
                    f"be [{max(length, 0)}{'' if name == 'rewards' else ', …'}] of {max(steps, 0)} "
                    "steps"
                )

    def _decode(self, read: Members, images: bool) -> Episode:
        actions = read("actions")[()]
        rewards = read("rewards")[()].astype(np.float64)
        count = len(rewards) + 1
        descriptions = read("infos/description")
        image, text = self._keys.get(IMAGE), self._keys.get(INSTRUCTION)
        return Episode(
            images=self._images(read(f"observations/{image}") if images and image else None),
            instruction=read(f"observations/{text}")[0].decode() if text else "",
            actions=actions.astype(np.int64) if actions.dtype.kind in "iu" else actions,
            rewards=rewards,
            success=self._success(read, rewards),
            seed=int(read.group.attrs.get("seed", -1)),
            achieved=read_achieved(read, len(rewards)),
            descriptions=("",) * count if descriptions is None else read_texts(descriptions),
            env_id=self.env_id,
            terminated=bool(len(rewards) and read("terminations")[-1]),
        )

    def _demonstration(self, read: Members, keys: Iterable[str]) -> Demonstration:
        actions = labels_or_actions(read)[()]
        steps = len(actions)
        return Demonstration(
            {key: self._observations(read, key)[:steps] for key in keys},
            self._instructions(read, steps),
            actions,
            self._success(read, read("rewards")[()].astype(np.float64)),
            self._by_person(read, steps),
        )

    def _by_person(self, read: Members, steps: int) -> NDArray[np.bool_] | None:
        """Which steps a person took, bool [T]; None where it is not recorded.

        Raises:
            FileError: it is recorded of another number of steps.
        """
        acted_by = read(f"infos/{ACTED_BY}")
        if acted_by is None:
            return None
        by_person = np.array([one == PERSON for one in read_texts(acted_by)], np.bool_)
        if by_person.shape != (steps,):
            raise FileError(
                f"{self.place.main}: infos/{ACTED_BY} has {len(by_person)} entries for {steps} "
                "steps"
            )
        return by_person

    def _trajectory(self, read: Members, keys: Iterable[str]) -> Trajectory:
        rewards = read("rewards")[()].astype(np.float64)
        return Trajectory(
            {key: self._observations(read, key) for key in keys},
            self._instructions(read, len(rewards) + 1),
            read("actions")[()],
            rewards,
            bool(len(rewards) and read("terminations")[-1]),
            self._success(read, rewards),
            read_achieved(read, len(rewards)),
        )

    def _instructions(self, read: Members, count: int) -> tuple[str, ...]:
        """The first instructions of an episode; "" where it has none."""
        text = self._keys.get(INSTRUCTION)
        return ("",) * count if text is None else read_texts(read(f"observations/{text}"))[:count]

    def _observations(self, read: Members, key: str) -> NDArray[Any]:
        """All T + 1 images or vectors of an episode under one of the contract's names."""
        values = read(f"observations/{self._keys.get(key, key)}")
        if values is None:
            has = ", ".join(read.group["observations"])
            raise UserError(
                f"dataset {self.place.name!r} lacks {key!r}, which the environment has: it has "
                f"{has}"
            )
        return self._images(values) if key == IMAGE else values[()]

    def _success(self, read: Members, rewards: NDArray[np.float64]) -> bool | None:
        """As recorded, unless a rule is given; else by the adapters' rule."""
        if self._rule is None and "success" in read.group.attrs:
            return bool(read.group.attrs["success"])
        if not len(rewards):
            return None
        is_over = bool(read("terminations")[-1])
        end = EpisodeEnd(LastInfo(read), is_over, rewards[-1], float(rewards.sum()))
        try:
            return self._source.read(end)
        except ValueError as error:
            raise UserError(f"dataset {self.place.name!r}: {error}") from error

    def _images(self, dataset: Any) -> NDArray[np.uint8]:
        if dataset is None:
            return np.zeros((0, 0, 0, 3), np.uint8)
        if dataset.shape[1:] == self.image_space.shape:
            return dataset[()]
        return np.stack([decoded(io.BytesIO(packed.tobytes())) for packed in dataset[()]])


def open_dataset(name: str, success: Any = None) -> EpisodeDataset:
    """The dataset of that name: a Minari id, or a path.

    Args:
        name: of the dataset.
        success: what the success of an episode is, as ``env_adapter.success`` has it: an entry of
            the last info, "terminated_with_reward", {return_above: x} or "none". None takes what is
            recorded: by mmrl, or under one of the usual names in the last info; it is unknown
            without. Some packages have a rule of their own, as with their environments.

    Raises:
        UserError: there is none; it is not complete; or it is not what can be learned from, with
            the fields that are missing.
    """
    place = find_place(name)
    metadata = read_metadata(place)
    try:
        with open_hdf5(place.main) as file:
            its_spaces, keys = read_spaces(place, metadata, file)
        rollouts = EpisodeDataset(place, metadata, its_spaces, keys, success)
        rollouts.check()
    except DAMAGE as error:
        raise UserError(f"{place.main} is damaged: {error}") from error
    return rollouts


def _source_of(given: Any, metadata: Mapping[str, Any]) -> SuccessSource:
    """The adapters' rule for what an episode's success is."""
    if given is None:
        given = usual_success(json_object(metadata.get("env_spec")).get("entry_point"))
    return find_success(given, "success")
