"""The agent that learns in imagination: rounds, what they leave, and exact resume."""

from __future__ import annotations

import importlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mmrl.data import RandomSource, Request, collect, find_place, open_dataset
from mmrl.errors import UserError
from mmrl.evaluation.episodes import play_episodes
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run
from mmrl_agents.imagination.agent import ImaginationAgent, ImaginationConfig

importlib.import_module("worlds.levers")
GRID = "mmrl/GoToObjS4-v0"
WORLD = {
    "steps": 3, "width": 16, "heads": 2, "layers": 1, "outcome_layers": 1, "frames": 2,
    "margin": 2, "batch_size": 4, "window": 3, "text_args": {"width": 8}, "test_share": 0.2,
}  # fmt: skip
HYPER = ImaginationConfig(
    num_envs=4, n_steps=8, batch_size=16, n_epochs=1, episodes=6, imagined_steps=96, starts=8,
    horizon=5, world=WORLD,
    tokenizer={"steps": 5, "hidden": 16, "layers": 1, "batch_size": 8, "test_share": 0.2},
)  # fmt: skip


def make(path: Path, tiny: Any, **changes: Any) -> tuple[TrainConfig, Run]:
    config = TrainConfig(
        out=str(path), agent="imagination", device="cpu", model=tiny, seed=3,
        **{"env": GRID, "env_args": {"max_steps": 10}, "steps": 100, **changes},
    )  # fmt: skip
    return config, Run.create(path, {**asdict(config), "imagination": asdict(HYPER)})


def weights(actor: Any) -> torch.Tensor:
    return torch.cat([one.detach().flatten() for one in actor.policy.parameters()])


def test_rounds_and_resume(tmp_path: Path, tiny: Any, observations: Any, curves: Any, capsys: Any):
    config, run = make(tmp_path / "whole", tiny)
    whole = ImaginationAgent.train(config, HYPER, run)
    checkpoint = run.read_checkpoint()
    assert checkpoint.steps >= 100
    assert checkpoint.state["rounds"] >= 2
    imagined = checkpoint.state["imagined_steps"]
    assert imagined == 96 * checkpoint.state["rounds"] > checkpoint.steps
    told = capsys.readouterr().err.splitlines()
    ends = [line for line in told if line.startswith("        96 imagined steps  success")]
    assert len(ends) == checkpoint.state["rounds"]
    shown = curves(run)
    steps = {step for points in shown.values() for step, _ in points}
    assert sorted(steps) == list(range(32, imagined + 1, 32))
    loaded = ImaginationAgent.load(run, "cpu")
    assert torch.equal(weights(loaded), weights(whole))
    actions = loaded.act(observations(GRID, 5), deterministic=True)
    assert actions.shape == (5,)
    # stopped after the first round, and resumed
    short, parts = make(tmp_path / "parts", tiny, steps=1)
    ImaginationAgent.train(short, HYPER, parts)
    assert parts.read_checkpoint().state["rounds"] == 1
    (parts.path / "rounds" / "1" / "real").mkdir(parents=True)  # of a process that was killed
    resumed = ImaginationAgent.train(replace(short, steps=100), HYPER, parts, resume=True)
    assert torch.equal(weights(resumed), weights(whole))
    assert curves(parts) == shown


def test_given_datasets_are_learned_from_without_real_episodes(
    tmp_path: Path, tiny: Any, curves: Any, monkeypatch: pytest.MonkeyPatch
):
    name = recorded(tmp_path / "data-v0", GRID, env_args={"max_steps": 10})
    hyper = replace(HYPER, data=[name])
    monkeypatch.setattr("mmrl_agents.imagination.rounds.collect", None)  # nobody plays
    config, run = make(tmp_path / "whole", tiny, steps=150)
    whole = ImaginationAgent.train(config, hyper, run)
    checkpoint = run.read_checkpoint()
    assert checkpoint.state["rounds"] == 2  # of 96 imagined steps each
    assert checkpoint.steps == checkpoint.state["imagined_steps"] == 192
    assert [one.name for one in (run.path / "rounds").iterdir()] == ["0"]  # one world model
    steps = sum(map(len, open_dataset(name)))
    assert {value for _, value in curves(run)["real/steps"]} == {steps}
    short, parts = make(tmp_path / "parts", tiny, steps=1)
    ImaginationAgent.train(short, hyper, parts)
    resumed = ImaginationAgent.train(replace(short, steps=150), hyper, parts, resume=True)
    assert torch.equal(weights(resumed), weights(whole))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("levers/Slider-v0", r"has the actions Box.*, and levers/Lever-v0 has Discrete\(2\)"),
        (GRID, r"has the images Box\(56.*, and levers/Lever-v0 has Box\(16"),
    ],
)
def test_datasets_of_other_environments_are_refused(
    data: str, message: str, tmp_path: Path, tiny: Any
):
    config, run = make(tmp_path / "run", tiny, env="levers/Lever-v0", env_args={})
    hyper = replace(HYPER, data=[recorded(tmp_path / "data-v0", data)])
    with pytest.raises(UserError, match=message):
        ImaginationAgent.train(config, hyper, run)


def recorded(path: Path, env: str, env_args: dict[str, Any] | None = None) -> str:
    """A dataset of random episodes."""
    request = Request(env, 6, "random", env_args=env_args or {}, num_envs=6)
    collect(request, RandomSource, find_place(str(path)))
    return str(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"episodes": 0}, "imagination.episodes=0"),
        ({"temperature": -1.0}, "temperature=-1.0"),
        ({"world": {"wide": 3}}, "imagination.world.*'wide'"),
        ({"curriculum": "plr"}, "imagination.curriculum=plr: imagined episodes begin"),
        ({"batch_size": 20}, "batch_size=20 must divide"),
    ],
)
def test_what_cannot_be(changes: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        ImaginationAgent.check(replace(HYPER, **changes))


@pytest.mark.filterwarnings("ignore:.*did not end within")
def test_real_actions_are_valid_ones(tmp_path: Path, tiny: Any, capsys: Any):
    """In an environment that raises where an action is not, and does not say what success is."""
    importlib.import_module("worlds.masked")
    config = TrainConfig(
        "masked/Contract-v0", str(tmp_path / "run"), agent="imagination", device="cpu", model=tiny,
        steps=120, eval_episodes=0,
    )  # fmt: skip
    run = Run.create(tmp_path / "run", {**asdict(config), "imagination": asdict(HYPER)})
    actor = ImaginationAgent.train(config, HYPER, run)
    said = capsys.readouterr()
    assert "action masks are used in real steps; imagined steps have none" in said.err
    assert "real steps, return " in said.out
    rounds = run.read_checkpoint().state["rounds"]
    assert rounds >= 2  # the second one was played by the agent
    for one in (actor, ImaginationAgent.load(Run.open(run.path), "cpu")):
        assert "action_mask" in one.policy.observation_space.spaces
        assert len(play_episodes(one, config.env, 8).returns) == 8
        play_episodes(one, config.env, 8, deterministic=True)
