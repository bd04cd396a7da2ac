"""DAgger: rounds, labels, beta, exact resume, refusals."""

import importlib
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from mmrl.data import ExpertLabelledSource, Request, collect, find_place, open_dataset
from mmrl.errors import UserError
from mmrl.evaluation.episodes import play_episodes
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run
from mmrl_agents.configs import DAggerConfig
from mmrl_agents.imitation.cloning import CloningTask
from mmrl_agents.imitation.dagger import DAggerAgent

importlib.import_module("worlds.levers")
LEVER = "levers/Lever-v0"
HYPER = DAggerConfig(
    demonstrations=62, rounds=4, batch_size=64, learning_rate=0.01, evaluate_every=40, num_envs=20,
)  # fmt: skip


class Left:
    """Always pulls the left lever."""

    def act(self, observation, *, deterministic):
        return np.zeros(len(observation["image"]), np.int64)


def make(path, tiny, **changes):
    config = TrainConfig(
        **{"env": LEVER, "agent": "dagger", "device": "cpu", "steps": 120, "seed": 3, **changes},
        out=str(path), model=replace(tiny, fusion="film", image_args={"width": 8}),
    )  # fmt: skip
    return config, Run.create(path, {**asdict(config), "dagger": asdict(HYPER)})


def test_rounds_and_resume(tmp_path, tiny, capsys):
    config, run = make(tmp_path / "whole", tiny)
    whole = DAggerAgent.train(config, HYPER, run)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("round")]
    assert lines[0] == "round 1: 16 episodes of the expert, success 100.0%"
    assert lines[1].startswith("round 2: 16 episodes of the agent, success ")
    assert [len(open_dataset(str(run.path / "rounds" / str(k)))) for k in range(4)] == [
        16, 16, 15, 15,
    ]  # fmt: skip
    assert play_episodes(whole, LEVER, 60).success.mean() > 0.9
    short, parts = make(tmp_path / "parts", tiny)
    advance, count = CloningTask.batch, []

    def interrupted(self, generator):
        count.append(1)
        if len(count) == 70:  # within the third round
            raise RuntimeError("killed")
        return advance(self, generator)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CloningTask, "batch", interrupted)
        with pytest.raises(RuntimeError, match="killed"):
            DAggerAgent.train(replace(short, checkpoint_every=50), HYPER, parts)
    resumed = DAggerAgent.train(short, HYPER, parts, resume=True)
    pairs = zip(whole.policy.parameters(), resumed.policy.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_the_expert_labels_what_the_agent_does(tmp_path, beta):
    request = Request(LEVER, 60, "test", env_args={"length": 1}, num_envs=60)
    place = find_place(str(tmp_path / "data"))
    collect(request, lambda: ExpertLabelledSource(Left(), beta), place)
    dataset = open_dataset(str(tmp_path / "data"))
    taken = np.array([dataset[k].actions[0] for k in range(60)])
    labels = np.array([dataset.demonstration(k, []).actions[0] for k in range(60)])
    sides = np.array([dataset.demonstration(k, ["image"]).observations["image"] for k in range(60)])
    red = np.array([dataset[k].instruction == "red" for k in range(60)])
    right = np.where(red, sides[:, 0, 0, 0, 0] == 0, sides[:, 0, 0, 0, 2] == 0)
    assert np.array_equal(labels, right)  # the colour that is asked for is not on the left
    assert (taken[labels == 0] == 0).all()
    followed = taken[labels == 1].mean()
    assert followed == beta if beta in (0, 1) else 0.2 < followed < 0.8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": ["some/data-v0"]}, "dagger.data: an expert has to label"),
        ({"demonstrations": 3}, "must be at least rounds=4"),
        ({"rounds": 0}, "dagger.rounds=0"),
        ({"beta": 1.5}, "dagger.beta=1.5"),
        ({"beta_decay": -0.1}, "dagger.beta_decay=-0.1"),
    ],
)
def test_what_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        DAggerAgent.check(replace(HYPER, **changes))
