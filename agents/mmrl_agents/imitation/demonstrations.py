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
    collect,
    find_place,
    open_dataset,
)
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

    def add(self, dataset: EpisodeDataset, most: int, *, successful_only: bool) -> None:
        """Read the episodes of a dataset.

        Args:
            dataset: it.
            most: how many at most; 0 for all.
            successful_only: leave out those that are known to have failed.

        Raises:
            UserError: it is of another environment, or cannot be read.
        """
        episodes, before = self._reader.open(dataset), self.buffer.episodes
        for number in range(min(most or len(dataset), len(dataset))):
            demonstration = episodes.demonstration(number, self._reader.sensors)
            self._reader.check_episode(
                dataset, number, demonstration.observations, demonstration.actions
            )
            if successful_only and demonstration.success is False:
                self.failed += 1
            elif len(demonstration):
                self.buffer.add(demonstration)
        self._held_out.add(self.buffer.episodes - before)

    def play_expert(
        self, folder: Path, episodes: int, seed: int, actor: Actor | None = None, beta: float = 0.0
    ) -> EpisodeDataset:
        """Play episodes in which the expert acts, or labels what an agent does; or read them, where
        they were played.

        Args:
            folder: where they are kept, a Minari dataset.
            episodes: how many.
            seed: of the first one.
            actor: the agent; None for the expert.
            beta: probability that a step is the expert's.

        Raises:
            UserError: the environment has no expert, or fails.
        """
        request = Request(
            self._config.env,
            episodes,
            "expert" if actor is None else f"agent labelled by expert, beta {beta:g}",
            seed=seed % (EVAL_SEED_START - episodes),
            env_args=self._config.env_args,
            num_envs=min(self._hyper.num_envs, episodes),
        )
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = find_place(str(folder))
        collect(
            request,
            lambda: ExpertLabelledSource(actor, beta),
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
