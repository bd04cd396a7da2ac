"""The time of a training, by parts."""

import json
import time

import pytest

from mmrl.errors import UserError
from mmrl_agents.algorithms.ppo import PPOAgent
from mmrl_agents.loop.profiler import PARTS, ProfileCallback, Stopwatches


def test_a_part_within_another_is_taken_out_of_it():
    watches = Stopwatches()
    began = time.perf_counter()
    with watches.running("policy"):
        time.sleep(0.02)
        with watches.running("environment"):
            time.sleep(0.05)
        time.sleep(0.02)
    whole = time.perf_counter() - began
    assert watches.seconds["environment"] >= 0.05
    assert 0.04 <= watches.seconds["policy"] <= whole - 0.05
    assert sum(watches.seconds.values()) <= whole


def test_a_profiled_training(make_run, hyper, tmp_path, monkeypatch, capsys):
    reports, report = [], ProfileCallback.report
    monkeypatch.setattr(ProfileCallback, "report", lambda self: reports.append(report(self)))
    config, run = make_run(tmp_path / "run", steps=640, profile=True)
    PPOAgent.train(config, hyper, run)
    (shares,) = reports
    assert set(shares) == {*PARTS, "other"}
    assert sum(shares.values()) == pytest.approx(1, abs=0.01)
    assert shares["learning"] > shares["environment"] > 0
    said = capsys.readouterr().out
    assert "where the time went" in said
    (trace,) = (run.path / "profile").glob("*.pt.trace.json")
    names = {event.get("name") for event in json.loads(trace.read_text())["traceEvents"]}
    assert {"environment", "policy", "learning", "logging", "aten::linear"} <= names


def test_other_algorithms_are_profiled_alike(make_run, tmp_path, capsys):
    from mmrl_agents.algorithms.dqn import DQNAgent, DQNConfig

    hyper = DQNConfig(num_envs=8, buffer_size=400, learning_starts=64, batch_size=16)
    config, run = make_run(tmp_path / "run", steps=320, profile=True, agent="dqn")
    DQNAgent.train(config, hyper, run)
    assert "where the time went" in capsys.readouterr().out
    assert list((run.path / "profile").glob("*.json"))


def test_a_training_that_fails_is_not_reported(make_run, hyper, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise UserError("no more")

    monkeypatch.setattr("mmrl_agents.algorithms.ppo.PPO.collect_rollouts", fail)
    config, run = make_run(tmp_path / "run", profile=True)
    with pytest.raises(UserError, match="no more"):
        PPOAgent.train(config, hyper, run)
    assert "where the time went" not in capsys.readouterr().out
