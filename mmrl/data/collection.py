"""Collects episodes into a Minari dataset: part by part, so that an interruption loses little.

Parts of as many episodes as are played at once are written to ``.collecting`` in the dataset's
folder, each whole or not at all. A call with the same request plays the parts that are missing;
when all are there, they are joined to one file, and the dataset is complete. A part depends on the
request alone, so that the dataset is the same, however often its making was interrupted.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
from gymnasium import spaces

from mmrl.contract import ACHIEVED, DESCRIPTION, INSTRUCTION, sensors
from mmrl.data.hdf5 import DAMAGE, check_members, hdf5_bytes, hdf5_writer, member, open_hdf5
from mmrl.data.location import Place, minari_module
from mmrl.data.play import Source, play
from mmrl.data.recorder import Recording
from mmrl.data.spaces import ACTION_SPACE, OBSERVATION_SPACE
from mmrl.env_apis.registration import env_id_of
from mmrl.env_sets import names_several, short_name
from mmrl.errors import UserError
from mmrl.files import (
    DRAFT,
    atomic_file,
    make_folder,
    remove_drafts,
    write_bytes,
    write_json,
)
from mmrl.registry import find_spec
from mmrl.schema import Count, FileError, OpenSchema, Size, convert, read_json
from mmrl.seeding import forked_rng
from mmrl.trust import sign
from mmrl.wrappers.adapters import make_vec_env, with_info
from mmrl.wrappers.episode_limit import EpisodeLimit

REQUEST: Final = "request.json"
OURS: Final = "mmrl"
"""The key in Minari's metadata under which the request is kept."""
_MARGIN: Final = 1 << 20  # bytes that the joined file may have beyond its parts
OnEpisodes = Callable[[int], None]


@dataclass(frozen=True)
class Request:
    """What to collect.

    Attributes:
        env: id of the environment, or a class, a factory, …, as of
            :func:`mmrl.wrappers.adapters.make_env`, which becomes an id.
        episodes: how many; episode k has seed ``seed + k``.
        by: name of the source of actions, such as "expert" or a run folder and its checkpoint.
        seed: of the first episode.
        env_args: arguments of the environment.
        num_envs: episodes that are played at once; what an agent samples depends on it.
        max_episode_steps: where longer episodes are cut, see
            :class:`~mmrl.wrappers.episode_limit.EpisodeLimit`.
    """

    env: str
    episodes: int
    by: str
    seed: int = 0
    env_args: dict[str, Any] = field(default_factory=dict)
    num_envs: int = 64
    max_episode_steps: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "env", env_id_of(self.env))
        if names_several(self.env):
            raise UserError(
                f"a dataset is of one environment, and {short_name(self.env)} are several"
            )


class SavedRequest(OpenSchema):
    """A :class:`Request` as files of this and earlier versions hold it."""

    env: str
    env_args: dict[str, Any] = {}
    episodes: Count | None = None
    by: str = ""
    seed: Count = 0
    num_envs: Size | None = None
    max_episode_steps: Count | None = None


@dataclass(frozen=True)
class Collection:
    """The result of a collection.

    Attributes:
        place: where the dataset is.
        played: episodes that this call has played.
        kept: episodes that were there before.
    """

    place: Place
    played: int
    kept: int


def collect(
    request: Request,
    make_source: Callable[[], Source],
    place: Place,
    on_kept: OnEpisodes | None = None,
    on_episodes: OnEpisodes | None = None,
    env_workers: int = 0,
) -> Collection:
    """Collect what is missing of a dataset.

    Args:
        request: what to collect.
        make_source: makes the source of actions; called if anything is left to play.
        place: where to keep it.
        on_kept: called with how many episodes are there already.
        on_episodes: called with how many more have been played.
        env_workers: processes that step single environments; 0 steps them in this one.

    Raises:
        UserError: what is there was collected by another request; it cannot be written; the
            environment is unknown, or the source cannot act in it.
    """
    minari_module("minari")
    if place.metadata.is_file():
        check_same(_complete_request(place), request, place)
        shutil.rmtree(place.collecting, ignore_errors=True)
        if on_kept is not None:
            on_kept(request.episodes)
        return Collection(place, 0, request.episodes)
    work = Workshop(place, request)
    kept = work.open()
    if on_kept is not None:
        on_kept(kept)
    missing = work.missing()
    if missing:
        _play_parts(work, missing, make_source(), on_episodes, env_workers)
    work.finish()
    return Collection(place, request.episodes - kept, kept)


def _play_parts(
    work: Workshop,
    missing: list[int],
    source: Source,
    on_episodes: OnEpisodes | None,
    env_workers: int,
) -> None:
    request = work.request
    size = min(request.num_envs, request.episodes)
    limit = EpisodeLimit(request.max_episode_steps)
    args = with_info_keys(request.env, request.env_args)
    env = make_vec_env(request.env, size, env_workers=env_workers, **args)
    its_spaces = (env.single_observation_space, env.single_action_space)
    try:
        with forked_rng():
            for number in missing:
                first = request.seed + number * size
                seeds = range(first, first + size)
                wanted = len(work.episodes(number))
                recordings = play(env, source, seeds, wanted, on_episodes, limit=limit)
                work.write(number, recordings, its_spaces)
    finally:
        env.close()


def with_info_keys(env_id: str, env_args: dict[str, Any]) -> dict[str, Any]:
    """The arguments, with those that turn on ``achieved`` and ``description`` in the infos, where
    the environment has them and they are not given.
    """
    args = dict(env_args)
    for key in (ACHIEVED, DESCRIPTION):
        args = with_info(env_id, args, key) or args
    return args


class Workshop:
    """The folder of a dataset that is being collected.

    Args:
        place: of the dataset.
        request: what is collected.
    """

    def __init__(self, place: Place, request: Request) -> None:
        self.place, self.request = place, request
        self.path = place.collecting
        self._size = min(request.num_envs, request.episodes)

    def open(self) -> int:
        """Begin or resume; how many episodes are there already.

        Raises:
            UserError: they were collected by another request, or something else is there.
        """
        saved = self.path / REQUEST
        if saved.is_file():
            before = read_request(saved)
            check_same(before, self.request, self.place)
        elif self.place.path.exists() and self._holds_something():
            raise UserError(
                f"{self.place.path} exists already and is no unfinished dataset of ours; "
                "nothing was overwritten. Give another --out, or remove it"
            )
        make_folder(self.path)
        write_json(saved, asdict(self.request))
        for folder in (self.path, self.place.data):
            remove_drafts(folder)
        return self.request.episodes - sum(len(self.episodes(k)) for k in self.missing())

    def _holds_something(self) -> bool:
        """Whether the dataset's folder has more than what a full disk has left of a beginning."""
        other = [one for one in self.place.path.iterdir() if one != self.path]
        begun = self.path.iterdir() if self.path.is_dir() else ()
        return bool(other) or any(not one.name.startswith(DRAFT) for one in begun)

    def episodes(self, number: int) -> range:
        """The episodes of a part."""
        first = number * self._size
        return range(first, min(first + self._size, self.request.episodes))

    def missing(self) -> list[int]:
        """The parts that are yet to be played."""
        return [k for k in self._numbers if not self.has_part(k)]

    def has_part(self, number: int) -> bool:
        """Whether a part is there."""
        return self._part(number).is_file()

    def write(
        self,
        number: int,
        recordings: list[Recording],
        its_spaces: tuple[gym.Space[Any], gym.Space[Any]],
    ) -> None:
        """Write a part, with the observation and action spaces of a single environment.

        Raises:
            WriteError: it cannot be written; the parts before it are kept.
        """

        def fill(file: Any) -> None:
            file.attrs["spaces"] = _serialized_spaces(*its_spaces)
            for episode, recording in zip(self.episodes(number), recordings, strict=True):
                recording.write(file, episode, self.request.env)

        write_bytes(self._part(number), hdf5_bytes(fill))

    def finish(self) -> None:
        """Join the parts, and write Minari's metadata.

        Raises:
            UserError: a part is damaged, or the disk is full; the parts are kept.
        """
        make_folder(self.place.data)
        self.place.main.unlink(missing_ok=True)  # of a call that ended before the metadata
        self._check_room()
        spaces_, steps = self._spaces(), 0
        with atomic_file(self.place.main) as draft, hdf5_writer(draft) as (file, check):
            for number in self._numbers:
                steps += self._join(number, file)
                check()
        totals = {"total_episodes": self.request.episodes, "total_steps": steps}
        sign({"env": self.request.env}, self.place.data)
        write_json(self.place.metadata, self._metadata() | totals | spaces_)
        shutil.rmtree(self.path)

    def _spaces(self) -> dict[str, str]:
        """The spaces as the first part has them, serialized."""
        path = self._part(0)
        with open_hdf5(path) as part:
            try:
                read = json.loads(part.attrs["spaces"])
                convert(read, dict[str, str], f"{path}, spaces")
                return {key: read[key] for key in (OBSERVATION_SPACE, ACTION_SPACE)}
            except (*DAMAGE, RecursionError, FileError) as error:
                raise _damaged(f"{path} is", error) from error

    def _check_room(self) -> None:
        needed = sum(self._part(k).stat().st_size for k in self._numbers)
        needed += _MARGIN + needed // 100
        free = shutil.disk_usage(self.place.data).free
        if free < needed:
            raise UserError(
                f"{self.place.main} needs {needed / 1e6:,.0f} MB of disk, and {free / 1e6:,.0f} MB "
                f"are free. All episodes are kept in {self.path}: make room, and the same command "
                "puts them together"
            )

    def _join(self, number: int, file: Any) -> int:
        """Copy the episodes of a part into a file; how many steps they have."""
        path, steps = self._part(number), 0
        with open_hdf5(path) as part:
            for episode in self.episodes(number):
                name = f"episode_{episode}"
                try:
                    group = member(part, name)
                    check_members(group)
                    part.copy(group, file, name)
                    steps += int(group.attrs["total_steps"])
                except DAMAGE as error:
                    raise _damaged(f"{path}, episode {episode} is", error) from error
        return steps

    @property
    def _numbers(self) -> range:
        return range(-(-self.request.episodes // self._size))

    def _part(self, number: int) -> Path:
        return self.path / f"part_{number:06d}.hdf5"

    def _metadata(self) -> dict[str, Any]:
        request = self.request
        spec = copy.deepcopy(find_spec(request.env))
        spec.kwargs |= {k: v for k, v in request.env_args.items() if k != "speech"}
        metadata = {
            "dataset_id": self.place.dataset_id,
            "minari_version": minari_module("minari").__version__,
            "data_format": "hdf5",
            "jpeg_encoding": False,
            "algorithm_name": request.by,
            "description": f"{request.episodes} episodes of {request.env} by {request.by}",
            "dataset_size": round(self.place.main.stat().st_size / 1e6, 1),
            OURS: asdict(request),
        }
        with suppress(TypeError, ValueError):  # an environment that is no JSON
            metadata["env_spec"] = spec.to_json()
        return metadata


def _serialized_spaces(observation: gym.Space[Any], action: gym.Space[Any]) -> str:
    """The spaces of an environment as Minari's metadata has them."""
    serialize = minari_module("minari.serialization").serialize_space
    assert isinstance(observation, spaces.Dict)
    text = {key: one for key, one in observation.spaces.items() if key == INSTRUCTION}
    kept = spaces.Dict({**sensors(observation), **text})
    return json.dumps({OBSERVATION_SPACE: serialize(kept), ACTION_SPACE: serialize(action)})


def _damaged(what: str, error: Exception) -> UserError:
    return UserError(
        f"{what} damaged: {error}. Remove the file, and the same command plays its episodes again"
    )


def read_request(path: Path) -> dict[str, Any]:
    """The request of an unfinished dataset.

    Raises:
        UserError: it cannot be read.
    """
    request = _read(path)
    convert(request, SavedRequest, str(path))
    return request


def _read(path: Path) -> dict[str, Any]:
    """An object in a JSON file of a dataset.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return read_json(path, dict[str, Any])
    except FileError as error:
        raise UserError(f"{error}; remove its folder to start over") from error


def _complete_request(place: Place) -> dict[str, Any]:
    """The request of a dataset that is complete."""
    ours = _read(place.metadata).get(OURS)
    if not isinstance(ours, dict):
        raise UserError(
            f"{place.path} is a dataset that mmrl has not collected; nothing was overwritten. "
            "Give another --out"
        )
    return ours


def check_same(before: dict[str, Any], request: Request, place: Place) -> None:
    """Refuse to add to what was collected by another request.

    Raises:
        UserError: it was, with what is different.
    """
    now = json.loads(json.dumps(asdict(request)))
    differences = [
        f"{key}: {before.get(key)} → {now.get(key)}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]
    if differences:
        raise UserError(
            f"{place.path} was collected with other arguments; nothing was changed:\n  "
            + "\n  ".join(differences)
            + "\nGive the same ones to resume, or another --out"
        )
