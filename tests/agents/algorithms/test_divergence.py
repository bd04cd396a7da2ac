"""Losses, gradients and weights that are not finite stop a training, and are reported."""

import json
from dataclasses import asdict

import pytest
import torch

from mmrl.errors import UserError
from mmrl.registry import find_agent
from mmrl_agents.algorithms import ppo

GRID = "mmrl/GoToObjS4-v0"
HYPER = {
    "a2c": {"num_envs": 4, "n_steps": 8},
    "dqn": {"num_envs": 4, "buffer_size": 400, "learning_starts": 16, "batch_size": 16},
}


def train(make_run, folder, name, **changes):
    """Train with weights that are not finite from the first update on."""
    agent = find_agent(name)
    hyper = agent.Config(**{**HYPER.get(name, {}), **changes})
    config, run = make_run(folder, agent=name, steps=256)
    run.config.pop("ppo")
    run.resume({**run.config, name: asdict(hyper)})
    with pytest.raises(UserError, match=r"Try a lower learning_rate.*diverged\.json") as caught:
        agent.train(config, hyper, run)
    return str(caught.value), json.loads((run.path / "diverged.json").read_text())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "loss"), [("a2c", "value_loss"), ("dqn", "loss")]
)  # fmt: skip
def test_a_loss_that_is_not_finite(make_run, tmp_path, name, loss, monkeypatch):
    function = "mse_loss" if name == "a2c" else "smooth_l1_loss"
    monkeypatch.setattr(
        torch.nn.functional, function, lambda one, other: (one - other).mean() * float("nan")
    )
    message, report = train(make_run, tmp_path / "run", name)
    assert f"the {loss} is nan in the update after " in message
    assert (report["what"], report["value"]) == (loss, "nan")
    assert report["steps"] >= 16
    assert f"train/{loss}" in report["losses"]
    assert "learning_rate" in report


@pytest.mark.filterwarnings("ignore")
def test_a_gradient_that_is_not_finite(make_run, tmp_path, monkeypatch):
    clip = torch.nn.utils.clip_grad_norm_

    def spoilt(parameters, norm):
        weights = list(parameters)
        weights[0].grad[:] = float("inf")
        return clip(weights, norm)

    monkeypatch.setattr(ppo, "clip_grad_norm_", spoilt)
    changes = {"num_envs": 4, "n_steps": 8, "batch_size": 32}
    message, report = train(make_run, tmp_path / "run", "ppo", **changes)
    assert "the gradient's norm is inf in minibatch 1 of the update after 32 steps" in message
    assert (report["what"], report["value"]) == ("gradient's norm", "inf")
    assert report["losses"][0]["loss"] not in ("nan", "inf")


@pytest.mark.filterwarnings("ignore")
def test_weights_that_are_not_finite(make_run, tmp_path, monkeypatch):
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

    record = OnPolicyAlgorithm._update_learning_rate

    def spoil(self, optimizer):
        record(self, optimizer)
        with torch.no_grad():
            optimizer.param_groups[0]["lr"] = float("inf")

    monkeypatch.setattr(OnPolicyAlgorithm, "_update_learning_rate", spoil)
    message, report = train(make_run, tmp_path / "run", "a2c")
    assert "the gradient was not finite: a weight of" in message
    assert report["value"] in ("nan", "inf", "-inf")
