"""Opens datasets in the form of a training's environment, and refuses those that do not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.contract import sensors
from mmrl.data import EpisodeDataset, open_dataset
from mmrl.data.replayed_env import AdaptedEpisodes
from mmrl.env_sets import short_name
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import EnvInfo
from mmrl.wrappers.adapt.config import ADAPTER, AdapterConfig
from mmrl.wrappers.nested_spaces import describe


class DatasetReader:
    """Opens the episodes of datasets as agents observe and act in an environment.

    Args:
        config: of the training.
        info: of its environment.

    Attributes:
        sensors: the spaces of images and vectors, by their keys.
    """

    def __init__(self, config: TrainConfig, info: EnvInfo) -> None:
        self._config, self._info = config, info
        self.sensors = sensors(info.observation_space)

    def open(self, dataset: EpisodeDataset) -> EpisodeDataset | AdaptedEpisodes:
        """The episodes of a dataset: as they are, where mmrl has recorded them, else adapted.

        Raises:
            UserError: its actions are not those of the environment, or nothing of its observations
                can be used.
        """
        if dataset.is_ours:
            self._check_actions(dataset, dataset.spaces.action)
            return dataset
        episodes = AdaptedEpisodes(dataset, self._adapter)
        self._check_actions(dataset, episodes.action_space)
        return episodes

    def check_episode(
        self,
        dataset: EpisodeDataset,
        number: int,
        observations: Mapping[str, NDArray[Any]],
        actions: NDArray[Any],
    ) -> None:
        """Refuse observations of other shapes than the environment's, and choices that it has not.

        Args:
            dataset: that they are of.
            number: of the episode.
            observations: [T, …], by their keys.
            actions: [T], or [T, A].

        Raises:
            UserError: they have another shape, or are out of range.
        """
        space = self._info.action_space
        if isinstance(space, spaces.Discrete):
            wrong = actions[(actions < 0) | (actions >= space.n)]
            if len(wrong):
                raise UserError(
                    f"dataset {dataset.place.name!r}, episode {number} has the action {wrong[0]}, "
                    f"and {short_name(self._config.env)} has {describe(space)}"
                )
        for key, sensor in self.sensors.items():
            shape = observations[key].shape[1:]
            if shape != sensor.shape:
                raise UserError(
                    f"dataset {dataset.place.name!r} has {key!r} of shape {list(shape)}, and "
                    f"{short_name(self._config.env)} of {list(sensor.shape)}"
                )

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


def open_datasets(names: Sequence[str]) -> list[EpisodeDataset]:
    """Datasets by their names.

    Raises:
        UserError: there is none of a name.
    """
    return [open_dataset(name) for name in names]
