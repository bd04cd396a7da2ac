"""Reads demonstrations into memory, of datasets or of an environment's expert."""

from __future__ import annotations

import sys
from pathlib import Path

from mmrl.agent import Actor
from mmrl.contract import EVAL_SEED_START
from mmrl.data import (
    EpisodeDataset,
    ExpertLabelledSource,
    Request,
    Source,
    collect,
    find_place,
    open_dataset,
)
from mmrl.env_sets import assign, file_name, members_of, names_several
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import EnvInfo
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl_agents.configs import BCConfig
from mmrl_agents.datasets.holding_out import HoldOut, Split
from mmrl_agents.datasets.reading import DatasetReader
from mmrl_agents.imitation.buffer import DemonstrationBuffer


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
        self._config, self._hyper = config, hyper
        self._reader = DatasetReader(config, info)
        self.buffer = DemonstrationBuffer(self._reader.sensors, preprocessing)
        self.failed = 0
        self._held_out = HoldOut(hyper.validation, config.seed)

    @property
    def split(self) -> Split:
        """Which episodes are learned from, and which are held out."""
        return self._held_out.split

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
        episodes = self._reader.open(dataset)
        before, steps = self.buffer.episodes, int(self.buffer.learned.sum())
        for number in range(min(most or len(dataset), len(dataset))):
            demonstration = episodes.demonstration(number, self._reader.sensors)
            self._reader.check_episode(
                dataset, number, demonstration.observations, demonstration.actions
            )
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
        self._held_out.add(self.buffer.episodes - before)
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
