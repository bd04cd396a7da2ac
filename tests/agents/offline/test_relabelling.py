"""Hindsight relabelling of datasets: what becomes of failed episodes, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces

from mmrl.data import RandomSource, Request, Trajectory, collect, find_place
from mmrl.errors import UserError
from mmrl.models.build import build_tokenizer
from mmrl.models.config import ModelConfig
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl_agents.configs import IQLConfig
from mmrl_agents.offline.buffer import TransitionBuffer, Transitions
from mmrl_agents.offline.iql import IQLAgent
from mmrl_agents.offline.relabelling import Ending, RelabelledEpisode, relabel_failures

HYPER = IQLConfig(batch_size=16, hindsight="oracle")


def trajectory(first, steps, *, terminated, instruction="left"):
    """Steps whose observations are numbered from ``first`` on, and whose actions are theirs."""
    numbers = np.arange(first, first + steps + 1, dtype=np.float32)
    return Trajectory(
        {"state": numbers[:, None]}, (instruction,) * (steps + 1), numbers[:-1].astype(np.int64),
        np.full(steps, 0.5), terminated, None, ((),) * steps,
    )  # fmt: skip


@pytest.fixture
def buffer():
    """Steps 0 to 2 of an episode that is terminated, and 3 and 4 of one that is truncated."""
    tokenizer = build_tokenizer(
        ModelConfig(text="bag_of_words", instruction_length=3), ["left", "right"]
    )
    made = TransitionBuffer({"state": spaces.Box(-1, 99, (1,))}, Preprocessing(tokenizer))
    made.add(trajectory(0, 3, terminated=True))
    made.add(trajectory(10, 2, terminated=False))
    return made


def test_next_observations_and_ends(buffer):
    batch = buffer.transitions(np.arange(5))
    assert batch.observations["state"].flatten().tolist() == [0, 1, 2, 10, 11]
    assert batch.next_observations["state"].flatten().tolist() == [1, 2, 3, 11, 12]
    assert batch.actions.tolist() == [0, 1, 2, 10, 11]
    assert batch.continues.tolist() == [1, 1, 0, 1, 1]  # truncation is not termination
    again = Transitions.unpack(batch.pack())
    assert again.observations.keys() == batch.next_observations.keys() == {"state", "instruction"}


def test_relabelled_copies_share_their_images(buffer):
    buffer.add_relabelled(1, 1, "right", 0.9)
    assert buffer.episodes == 3
    one, copy = buffer.transitions(np.array([3])), buffer.transitions(np.array([5]))
    assert copy.rewards.tolist() == pytest.approx([0.9])
    assert copy.continues.tolist() == [0]
    for before, after in ((one.observations, copy.observations),
                          (one.next_observations, copy.next_observations)):  # fmt: skip
        assert before["state"].equal(after["state"])
        assert not before["instruction"].equal(after["instruction"])


def test_failed_episodes_get_what_they_achieved():
    endings = [
        Ending("go left", True, 0.8, ((), ("go left",))),
        Ending("go right", True, 0.6, ((), ("go right",))),
        Ending("go left", False, 0.0, ((), ("fly", "go right"), ("jump",))),
        Ending("go left", False, 0.0, (("fly",),)),  # nobody was asked to
        Ending("go left", None, 0.0, (("go right",),)),  # may have succeeded
    ]
    relabelled = relabel_failures(endings)
    assert relabelled == [RelabelledEpisode(2, 2, "go right", pytest.approx(0.7))]
    assert relabel_failures(endings, seed=5) == relabelled


def test_datasets_of_the_grid_are_relabelled(make, tmp_path, capsys):
    env = "mmrl/GoToLocalS5N2-v0"
    request = Request(env, 30, "random", num_envs=30)
    collect(request, RandomSource, find_place(str(tmp_path / "data-v0")))
    hyper = replace(HYPER, data=[str(tmp_path / "data-v0")])
    IQLAgent.train(*make("iql", env, hyper, steps=2))
    words = capsys.readouterr().out.split("hindsight: ")[1].split()
    relabelled, failed = int(words[0]), int(words[2])
    assert 0 < relabelled <= failed < 30


def test_datasets_that_lack_achievements_are_refused(make, recorded):
    hyper = replace(HYPER, data=[recorded("walks/Walk-v0")])
    with pytest.raises(UserError, match=r"iql\.hindsight: .* lack infos/achieved"):
        IQLAgent.train(*make("iql", "walks/Walk-v0", hyper))


def test_agents_that_hear_are_refused(make, recorded):
    hyper = replace(HYPER, data=[recorded("walks/Walk-v0")])
    config, _, run = make("iql", "walks/Walk-v0", hyper)
    part = IQLAgent.make_parts(hyper)[0]
    with pytest.raises(UserError, match="needs instruction: text, not speech"):
        part.check_reads(replace(config, instruction="speech"))
    part.check_reads(config)
    assert run.path.exists()
