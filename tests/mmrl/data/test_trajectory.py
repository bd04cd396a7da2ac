"""What offline reinforcement learning reads: actions that were taken, all observations, the end."""

from __future__ import annotations

import importlib
from typing import Any

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
