"""A training that begins with another agent's weights, and stays near to it."""

import importlib
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from mmrl.errors import UserError
from mmrl.experiment.checkpoint import weights_of
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run
from mmrl_agents.algorithms.ppo import PPOAgent, PPOConfig
from mmrl_agents.algorithms.reference import ReferencePolicy
from mmrl_agents.configs import BCConfig
from mmrl_agents.imitation.bc import BCAgent
from mmrl_agents.networks.policy import MultimodalPolicy

importlib.import_module("worlds.levers")
LEVER = "levers/Lever-v0"
HYPER = PPOConfig(num_envs=8, n_steps=8, batch_size=32, n_epochs=2, memory="gru")


def make(path, tiny, hyper=HYPER, name="ppo", **changes):
    config = TrainConfig(
        **{"env": LEVER, "agent": name, "device": "cpu", "steps": 128, "seed": 3, **changes},
        out=str(path), clip_every=0, model=replace(tiny, fusion="film", image_args={"width": 8}),
    )  # fmt: skip
    return config, hyper, Run.create(path, {**asdict(config), name: asdict(hyper)})


@pytest.fixture(scope="module")
def clone(tmp_path_factory, tiny):
    """The run folder of an agent that was cloned from the expert."""
    hyper = BCConfig(demonstrations=40, batch_size=64, sequence_length=4, memory="gru")
    path = tmp_path_factory.mktemp("clones") / "clone"
    BCAgent.train(*make(path, tiny, hyper, "bc", steps=30))
    return str(path)


def weights(policy):
    return {name: one.detach().clone() for name, one in weights_of(policy).items()}


@pytest.fixture
def first_weights(monkeypatch):
    """The weights of a policy when it first learns."""
    seen = []
    train = PPOAgent.Algorithm.train

    def training(self):
        if not seen:
            seen.append(weights(self.policy))
        train(self)

    monkeypatch.setattr(PPOAgent.Algorithm, "train", training)
    return seen


@pytest.mark.parametrize("auxiliary", [None, "reward_prediction"])
def test_it_begins_with_the_weights(clone, tiny, tmp_path, first_weights, auxiliary):
    hyper = replace(HYPER, auxiliary=auxiliary)
    actor = PPOAgent.train(*make(tmp_path / "run", tiny, hyper, init=clone))
    begun = Run.open(clone).read_checkpoint().weights
    assert all(torch.equal(first_weights[0][name], one) for name, one in begun.items())
    assert not torch.equal(actor.policy.action_net.weight, begun["action_net.weight"])
    assert (tmp_path / "run" / "tokenizer.json").read_text() == (
        Run.open(clone).path / "tokenizer.json"
    ).read_text()


def test_the_critic_warms_up_alone(clone, tiny, tmp_path):
    hyper = replace(HYPER, critic_warmup=128)
    actor = PPOAgent.train(*make(tmp_path / "run", tiny, hyper, init=clone))
    begun, now = Run.open(clone).read_checkpoint().weights, weights(actor.policy)
    moved = {name for name, one in now.items() if not torch.equal(one, begun[name])}
    assert moved
    assert all("value_net" in name for name in moved)


def test_it_is_kept_near_and_resumes_exactly(tiny, tmp_path, curves, stop):
    grid = {"env": "mmrl/GoToObjS4-v0", "steps": 256}
    cloning = BCConfig(demonstrations=20, batch_size=32, sequence_length=4, memory="gru")
    BCAgent.train(*make(tmp_path / "clone", tiny, cloning, "bc", **{**grid, "steps": 5}))
    hyper = replace(HYPER, kl_coef=0.5)
    begin = {**grid, "init": str(tmp_path / "clone")}
    whole = PPOAgent.train(*make(tmp_path / "whole", tiny, hyper, **begin))
    shown = [value for _, value in curves(Run.open(tmp_path / "whole"))["train/reference_kl"]]
    assert shown[0] == pytest.approx(0, abs=1e-5)
    assert all(value != 0 for value in shown[1:])
    plain = PPOAgent.train(*make(tmp_path / "plain", tiny, **begin))
    config, _, run = make(tmp_path / "parts", tiny, hyper, **begin)
    stop(20, RuntimeError("killed"))
    with pytest.raises(RuntimeError, match="killed"):
        PPOAgent.train(config, hyper, run)
    assert run.read_checkpoint().steps == 128
    resumed = PPOAgent.train(config, hyper, run, resume=True)
    ours, other, free = (weights(one.policy) for one in (whole, resumed, plain))
    assert all(torch.equal(ours[name], one) for name, one in other.items())
    assert not all(torch.equal(ours[name], one) for name, one in free.items())


def test_the_reference_evaluates_actions_as_it_would_act(clone, tiny, tmp_path, monkeypatch):
    """Log-probabilities over several rollouts are those of acting step by step."""
    found = []
    penalize = PPOAgent.Algorithm._penalize

    def checking(self, rollout):
        if self.reference is not None and not self._n_updates:
            before = self.reference.state.clone()
            again = ReferencePolicy(self.reference._policy, self.n_envs)
            again.state = before
            found.append(np.abs(again.log_probs(rollout) - rollout.log_probs).max())
        penalize(self, rollout)

    monkeypatch.setattr(PPOAgent.Algorithm, "_penalize", checking)
    hyper = replace(HYPER, kl_coef=0.1)
    PPOAgent.train(*make(tmp_path / "run", tiny, hyper, init=clone, steps=64))
    assert len(found) == 1
    assert found[0] < 1e-4


def test_what_cannot_be(clone, tiny, tmp_path):
    with pytest.raises(UserError, match=r"init=.*weights are of another model.*memory that it was"):
        PPOAgent.train(*make(tmp_path / "a", tiny, replace(HYPER, memory=None), init=clone))
    with pytest.raises(UserError, match="no/run"):
        PPOAgent.train(*make(tmp_path / "b", tiny, init="no/run"))
    with pytest.raises(UserError, match="kl_coef=0.1: from which policy"):
        PPOAgent.train(*make(tmp_path / "c", tiny, replace(HYPER, kl_coef=0.1)))
    with pytest.raises(UserError, match="critic_warmup=-1"):
        PPOAgent.check(replace(HYPER, critic_warmup=-1))
    assert issubclass(PPOAgent.Policy, MultimodalPolicy)
