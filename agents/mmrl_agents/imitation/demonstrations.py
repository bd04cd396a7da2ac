"""Reads demonstrations into memory, of datasets or of an environment's expert."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.agent import Actor
from mmrl.contract import EVAL_SEED_START, sensors
from mmrl.data import (
    Demonstration,
    EpisodeDataset,
    ExpertLabelledSource,
    Request,
    Source,
    collect,
    find_place,
    open_dataset,
)
from mmrl.data.replayed_env import AdaptedEpisodes
from mmrl.env_sets import assign, file_name, members_of, names_several, short_name
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import EnvInfo
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.wrappers.adapt.config import ADAPTER, AdapterConfig
from mmrl.wrappers.nested_spaces import describe
from mmrl_agents.configs import BCConfig
from mmrl_agents.imitation.buffer import DemonstrationBuffer


class Split(NamedTuple):
    """Numbers of episodes, int64 each: those that are learned from, and those to validate with."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


class Demonstrations:
    """The demonstrations of a training, split into those to learn from and those to validate with.

    Args:
        config, hyper: the configuration.
        info: of the environment.
        preprocessing: of the instructions.

    Attributes:
        buffer: their steps.
        failed: episodes that were left out, as they are known to have failed.
    """

    def __init__(
        self, config: TrainConfig, hyper: BCConfig, info: EnvInfo, preprocessing: Preprocessing
    ) -> None:
        self._config, self._hyper, self._info = config, hyper, info
        self._sensors = sensors(info.observation_space)
        self.buffer = DemonstrationBuffer(self._sensors, preprocessing)
        self.failed = 0
        self._validation: list[NDArray[np.bool_]] = []

    @property
    def split(self) -> Split:
        """Which episodes are learned from, and which are held out."""
        held_out = np.concatenate(self._validation)
        return Split(np.flatnonzero(~held_out), np.flatnonzero(held_out))

    def add(
        self, dataset: EpisodeDataset, most: int, *, successful_only: bool, corrected: bool = False
    ) -> int:
        """Read the episodes of a dataset. Of those in which a person corrected an agent, the
        person's steps are learned from, and an episode without one is left out.

        Args:
            dataset: it.
            most: how many at most; 0 for all.
            successful_only: leave out those that are known to have failed.
            corrected: refuse what is not of a person who corrected an agent.

        Returns:
            How many steps are learned from.

        Raises:
            UserError: it is of another environment, or cannot be read.
        """
        episodes: EpisodeDataset | AdaptedEpisodes = dataset
        if not dataset.is_ours:
            episodes = AdaptedEpisodes(dataset, self._adapter)
            self._check_actions(dataset, episodes.action_space)
        else:
            self._check_actions(dataset, dataset.spaces.action)
        before, steps = self.buffer.episodes, int(self.buffer.learned.sum())
        for number in range(min(most or len(dataset), len(dataset))):
            demonstration = episodes.demonstration(number, self._sensors)
            self._check_observations(dataset, demonstration)
            by_person = demonstration.by_person
            if corrected and by_person is None:
                raise UserError(
                    f"dataset {dataset.place.name!r} lacks infos/acted_by, who took each step: "
                    "record it with 'mmrl watch RUN --takeover NAME'"
                )
            if successful_only and demonstration.success is False:
                self.failed += 1
            elif len(demonstration) and (by_person is None or by_person.any()):
                self.buffer.add(demonstration)
        self._hold_out(self.buffer.episodes - before)
        return int(self.buffer.learned.sum()) - steps

    def play_expert(
        self, folder: Path, episodes: int, seed: int, actor: Actor | None = None, beta: float = 0.0
    ) -> list[EpisodeDataset]:
        """Play episodes in which the expert acts, or labels what an agent does; or read them, where
        they were played. Of several environments, each has its share by weight.

        Args:
            folder: where they are kept, a Minari dataset, or one for each environment.
            episodes: how many.
            seed: of the first one, in each environment.
            actor: the agent; None for the expert.
            beta: probability that a step is the expert's.

        Raises:
            UserError: an environment has no expert, or fails; or there are more environments than
                episodes.
        """
        env = self._config.env
        counts = assign(env, episodes, "demonstrations played at once")
        return [
            self._play(
                Request(
                    one.env,
                    count,
                    "expert" if actor is None else f"agent labelled by expert, beta {beta:g}",
                    seed=seed % (EVAL_SEED_START - episodes),
                    env_args=one.args(self._config.env_args),
                    num_envs=min(self._hyper.num_envs, count),
                ),
                folder / file_name(one.env) if names_several(env) else folder,
                ExpertLabelledSource(actor, beta),
            )
            for one, count in zip(members_of(env), counts, strict=True)
        ]

    def _play(self, request: Request, folder: Path, source: Source) -> EpisodeDataset:
        """Collect a dataset, or read it where it is there."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = find_place(str(folder))
        collect(
            request,
            lambda: source,
            place,
            env_workers=self._config.env_workers,
        )
        return open_dataset(str(folder))

    def report_failed(self) -> None:
        """Print how many episodes were left out, if any."""
        if self.failed:
            print(f"{self.failed:,} episodes that failed are left out", file=sys.stderr)

    def check(self) -> None:
        """Refuse to learn from nothing.

        Raises:
            UserError: no episode is left.
        """
        if not len(self.split.train):
            raise UserError(
                f"there is no demonstration to learn from: {self.failed:,} episodes failed and are "
                f"left out, {len(self.split.validation):,} are held out to validate with"
            )

    def _hold_out(self, count: int) -> None:
        """Choose which of so many new episodes are held out."""
        rng = np.random.default_rng([self._config.seed, len(self._validation)])
        held_out = np.zeros(count, np.bool_)
        held_out[: round(self._hyper.validation * count)] = True
        self._validation.append(rng.permutation(held_out))

    @property
    def _adapter(self) -> AdapterConfig | None:
        """The configuration of the environment's adapter; None where there is none."""
        given = self._config.env_args.get(ADAPTER)
        return None if given is None else AdapterConfig.read(given)

    def _check_actions(self, dataset: EpisodeDataset, its: gym.Space[Any]) -> None:
        ours = self._info.action_space
        same = type(its) is type(ours) and its.shape == ours.shape
        if isinstance(its, spaces.Discrete) and isinstance(ours, spaces.Discrete):
            same = its.n <= ours.n
        if not same:
            raise UserError(
                f"dataset {dataset.place.name!r} has the actions {describe(its)}, and "
                f"{short_name(self._config.env)} has {describe(ours)}"
            )

    def _check_observations(self, dataset: EpisodeDataset, demonstration: Demonstration) -> None:
        for key, space in self._sensors.items():
            shape = demonstration.observations[key].shape[1:]
            if shape != space.shape:
                raise UserError(
                    f"dataset {dataset.place.name!r} has {key!r} of shape {list(shape)}, and "
                    f"{short_name(self._config.env)} of {list(space.shape)}"
                )


def open_datasets(names: Sequence[str]) -> list[EpisodeDataset]:
    """Datasets by their names.

    Raises:
        UserError: there is none of a name.
    """
    return [open_dataset(name) for name in names]
