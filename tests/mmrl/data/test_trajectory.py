"""What offline reinforcement learning reads: actions that were taken, all observations, the end."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mmrl.data import (
    EpisodeDataset,
    ExpertLabelledSource,
    Request,
    collect,
    find_place,
    open_dataset,
)
from mmrl.data.hdf5 import Members
from mmrl.data.members import read_nested
from mmrl.data.replayed_env import AdaptedEpisodes
from mmrl.errors import UserError

importlib.import_module("worlds.levers")
KEYS = ("image",)


class First:
    """Always takes the first action."""

    def act(self, observation: Any, *, deterministic: bool) -> Any:
        return np.zeros(len(observation["image"]), np.int64)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> EpisodeDataset:
    """Episodes of an agent, whose steps an expert has labelled."""
    path = str(tmp_path_factory.mktemp("data") / "first-v0")
    request = Request("levers/Lever-v0", 12, "first", num_envs=12)
    collect(request, lambda: ExpertLabelledSource(First()), find_place(path))
    return open_dataset(path)


@pytest.mark.parametrize("is_adapted", [False, True])
def test_actions_are_those_that_were_taken(dataset: EpisodeDataset, is_adapted: bool) -> None:
    episodes = AdaptedEpisodes(dataset, None) if is_adapted else dataset
    labels, successes = [], 0
    for number in range(len(dataset)):
        one, labelled = episodes.trajectory(number, KEYS), episodes.demonstration(number, KEYS)
        assert len(one) == len(labelled)
        assert not one.actions.any()
        labels += labelled.actions.tolist()
        assert one.observations["image"].shape == (len(one) + 1, 16, 16, 3)
        assert np.array_equal(one.observations["image"][:-1], labelled.observations["image"])
        assert one.instructions[:-1] == labelled.instructions
        assert len(one.instructions) == len(one) + 1 == len(one.achieved) + 1
        assert one.terminated
        assert one.success == (one.rewards[-1] > 0)
        successes += bool(one.success)
    assert set(labels) == {0, 1}
    assert 0 < successes < len(dataset)


def test_what_is_missing_is_named(dataset: EpisodeDataset) -> None:
    with pytest.raises(UserError, match="lacks 'depth', which the environment has"):
        dataset.trajectory(0, ("depth",))
    with pytest.raises(UserError, match="lacks 'depth', which the environment has"):
        AdaptedEpisodes(dataset, None).trajectory(0, ("depth",))


@pytest.mark.parametrize(
    "name", ["actions", "rewards", "terminations", "observations/image", "infos/expert_action"]
)
@pytest.mark.parametrize("read", ["demonstration", "trajectory", "recorded"])
def test_arrays_of_other_lengths_are_named(
    dataset: EpisodeDataset, tmp_path: Path, name: str, read: str
) -> None:
    folder = tmp_path / "first-v0"
    shutil.copytree(dataset.place.path, folder)
    with h5py.File(find_place(str(folder)).main, "r+") as file:
        episode = file["episode_1"]
        values = episode[name][:-1]
        del episode[name]
        episode[name] = values
    damaged = open_dataset(str(folder))
    arguments = () if read == "recorded" else (KEYS,)
    getattr(damaged, read)(0, *arguments)
    with pytest.raises(UserError, match=r"episode 1: .* is \[.*\], and must be \["):
        getattr(damaged, read)(1, *arguments)


def test_nested_observations_of_another_length_are_named(dataset: EpisodeDataset) -> None:
    with (
        h5py.File(dataset.place.main) as file,
        pytest.raises(
            UserError,
            match=r"episode_0: observations/image is \[\d+, 16, 16, 3\], and must be \[99, …\]",
        ),
    ):
        read_nested(Members(file["episode_0"]), "observations", dataset.spaces.recorded, 99)
