"""HG-DAgger: a person's steps are learned from, and the agent's own are not."""

import importlib
from dataclasses import asdict, replace

import numpy as np
import pytest

from mmrl.agent import begin_episodes
from mmrl.data import ExpertSource, Request, collect, find_place
from mmrl.data.episode_writer import EpisodeWriter
from mmrl.errors import UserError
from mmrl.evaluation.episodes import play_episodes
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run
from mmrl.viz.window.session import Session
from mmrl.viz.window.takeover import CORRECTED, Takeover
from mmrl_agents.configs import BCConfig, DAggerConfig
from mmrl_agents.imitation.bc import BCAgent
from mmrl_agents.imitation.dagger import DAggerAgent

importlib.import_module("worlds.levers")
LEVER = "levers/Lever-v0"
HYPER = DAggerConfig(
    demonstrations=0, batch_size=64, sequence_length=4, learning_rate=0.01, evaluate_every=60,
)  # fmt: skip


class Left:
    """Always pulls the left lever: wrong in half of the steps."""

    def act(self, observation, *, deterministic):
        return np.zeros(len(observation["image"]), np.int64)


@pytest.fixture(scope="module")
def corrected(tmp_path_factory):
    """Episodes of an agent that pulls left; a person pulls right, where that is right."""
    path = tmp_path_factory.mktemp("corrected") / "data"
    session, agent = Session(LEVER, {"length": 3}, 0), Left()
    writer = EpisodeWriter(
        find_place(str(path)), LEVER, {"length": 3}, session.spaces, CORRECTED
    )  # fmt: skip
    watcher = Takeover(session, agent, writer, episodes=40)
    begin_episodes(agent, 1)
    while writer.episodes < 40:
        side = session._env.unwrapped.side
        if session.is_over:
            watcher.press("n")
        elif side or session.steps == 1:  # the second step is always the person's
            watcher.press("12"[side])
        else:
            watcher.is_person = False
            watcher.advance()
    watcher.finish()
    session.close()
    return str(path)


def train(agent, hyper, path, tiny, **changes):
    config = TrainConfig(
        **{"env": LEVER, "agent": agent.name, "device": "cpu", "steps": 160, "seed": 3, **changes},
        out=str(path), model=replace(tiny, fusion="film", image_args={"width": 8}),
    )  # fmt: skip
    run = Run.create(path, {**asdict(config), agent.name: asdict(hyper)})
    return agent.train(config, hyper, run)


@pytest.mark.parametrize("memory", [None, "gru"])
def test_a_persons_steps_are_learned_from(corrected, tmp_path, tiny, memory, capsys):
    hyper = replace(HYPER, by=[corrected], memory=memory)
    actor = train(DAggerAgent, hyper, tmp_path / "run", tiny)
    assert " steps of a person" in capsys.readouterr().out
    assert not (tmp_path / "run" / "rounds").exists()
    assert play_episodes(actor, LEVER, 60, deterministic=True).success.mean() > 0.9


def test_an_agents_own_steps_are_not(corrected, tmp_path, tiny, monkeypatch):
    """The labels of the agent's steps are made wrong: nothing changes."""
    from mmrl.data.dataset import EpisodeDataset

    read = EpisodeDataset.demonstration

    def spoilt(self, index, keys):
        one = read(self, index, keys)
        actions = np.where(one.by_person, one.actions, 1 - one.actions)
        return replace(one, actions=actions)

    monkeypatch.setattr(EpisodeDataset, "demonstration", spoilt)
    actor = train(DAggerAgent, replace(HYPER, by=[corrected]), tmp_path / "run", tiny)
    assert play_episodes(actor, LEVER, 60, deterministic=True).success.mean() > 0.9


def test_beside_the_experts_episodes(corrected, tmp_path, tiny):
    hyper = replace(HYPER, by=[corrected], demonstrations=10, num_envs=10)
    train(DAggerAgent, hyper, tmp_path / "run", tiny, steps=10)
    assert (tmp_path / "run" / "demonstrations").is_dir()
    bc = BCConfig(data=[corrected], demonstrations=0, batch_size=64)
    train(BCAgent, bc, tmp_path / "bc", tiny, steps=10)


def test_what_cannot_be(corrected, tmp_path, tiny):
    request = Request(LEVER, 4, "test", num_envs=4)
    collect(request, ExpertSource, find_place(str(tmp_path / "expert")))
    hyper = replace(HYPER, by=[str(tmp_path / "expert")])
    with pytest.raises(UserError, match="lacks infos/acted_by, who took each step"):
        train(DAggerAgent, hyper, tmp_path / "run", tiny)
    DAggerAgent.check(replace(HYPER, by=[corrected], data=["some/data-v0"]))
    with pytest.raises(UserError, match="dagger.demonstrations=0"):
        DAggerAgent.check(HYPER)
