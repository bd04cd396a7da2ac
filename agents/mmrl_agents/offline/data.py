"""Reads datasets into memory as transitions, split and relabelled."""

from __future__ import annotations

import numpy as np

from mmrl.data import EpisodeDataset, Trajectory
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import EnvInfo
from mmrl.language import find_language
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl_agents.configs import OfflineConfig
from mmrl_agents.datasets.holding_out import HoldOut, Split
from mmrl_agents.datasets.reading import DatasetReader, open_datasets
from mmrl_agents.offline.buffer import TransitionBuffer
from mmrl_agents.offline.relabelling import Ending, relabel_failures


class OfflineData:
    """The transitions of a training, split into those to learn from and those to validate with.

    Args:
        config, hyper: the configuration.
        info: of the environment.
        preprocessing: of the instructions.

    Attributes:
        buffer: their steps.
    """

    def __init__(
        self, config: TrainConfig, hyper: OfflineConfig, info: EnvInfo, preprocessing: Preprocessing
    ) -> None:
        self._config, self._hyper = config, hyper
        self._reader = DatasetReader(config, info)
        self.buffer = TransitionBuffer(self._reader.sensors, preprocessing)
        self._held_out = HoldOut(hyper.validation, config.seed)
        self._endings: list[Ending] = []

    @property
    def split(self) -> Split:
        """Which episodes are learned from, and which are held out."""
        return self._held_out.split

    def read(self) -> None:
        """Read the datasets of the configuration.

        Raises:
            UserError: one does not exist, cannot be read or is of another environment; or there is
                nothing to learn from.
        """
        left = self._hyper.episodes
        for dataset in open_datasets(self._hyper.data):
            self._add(dataset, min(left or len(dataset), len(dataset)))
            left = max(left - len(dataset), 0)
            if self._hyper.episodes and not left:
                break
        if not self.buffer.episodes or not len(self.split.train):
            raise UserError(
                f"{self._config.agent}.data: there is no episode to learn from: "
                f"{self.buffer.episodes:,} have steps, and validation={self._hyper.validation:g} "
                "of them are held out"
            )

    def relabel(self, key: str) -> None:
        """Add failed episodes once more, with an instruction that they did achieve.

        Args:
            key: of the hyperparameter that wants it, for errors.

        Raises:
            UserError: the datasets have no record of what was achieved.
        """
        if not any(any(one.achieved) for one in self._endings):
            raise UserError(
                f"{key}: {', '.join(self._hyper.data)} lack infos/achieved, what each step "
                "achieved: 'mmrl collect' records it in environments that report it"
            )
        language = find_language(self._config.env)
        relabelled = relabel_failures(self._endings, language, self._config.seed)
        for one in relabelled:
            self.buffer.add_relabelled(*one)
        self._held_out.add_copies(np.array([one.episode for one in relabelled], np.int64))
        failed = sum(one.success is False for one in self._endings)
        print(f"hindsight: {len(relabelled):,} of {failed:,} failed episodes are relabelled")

    def check_rewards(self) -> None:
        """Refuse rewards that nothing can be learned from.

        Raises:
            UserError: all are 0.
        """
        if not self.buffer.rewards.any():
            raise UserError(
                f"{self._config.agent}.data: all rewards of {', '.join(self._hyper.data)} are 0, "
                "so no action is better than another; --agent bc learns from actions alone"
            )

    def _add(self, dataset: EpisodeDataset, count: int) -> None:
        """Read the first episodes of a dataset."""
        episodes, before = self._reader.open(dataset), self.buffer.episodes
        for number in range(count):
            trajectory = episodes.trajectory(number, self._reader.sensors)
            self._reader.check_episode(dataset, number, trajectory.observations, trajectory.actions)
            _check_finite(dataset, number, trajectory)
            if len(trajectory):
                self.buffer.add(trajectory)
                self._endings.append(Ending.of(trajectory))
        self._held_out.add(self.buffer.episodes - before)


def _check_finite(dataset: EpisodeDataset, number: int, trajectory: Trajectory) -> None:
    """Refuse rewards that are no numbers.

    Raises:
        UserError: one is not finite.
    """
    wrong = np.flatnonzero(~np.isfinite(trajectory.rewards))
    if len(wrong):
        raise UserError(
            f"dataset {dataset.place.name!r}, episode {number}: the reward of step {wrong[0]} is "
            f"{trajectory.rewards[wrong[0]]}, and must be a number"
        )
