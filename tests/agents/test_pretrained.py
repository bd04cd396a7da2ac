"""Trainings with pretrained encoders: resumed exactly, and loaded without the models' folders."""

import shutil
from dataclasses import replace

import pytest
import torch

from mmrl.experiment.checkpoint import read_checkpoint
from mmrl.experiment.run import Run
from mmrl_agents.algorithms.ppo import PPO, PPOAgent
from mmrl_agents.networks.policy import MultimodalPolicy
from tests import tiny_hub


def test_resumed_and_loaded_without_the_models(make_run, hyper, tiny, tmp_path, stop):
    """A trained RoBERTa beside a frozen ViT."""
    for name in ("roberta", "vit"):
        tiny_hub.save(name, tmp_path / "hub" / name)
    model = replace(
        tiny, text=str(tmp_path / "hub" / "roberta"), text_args={},
        image=str(tmp_path / "hub" / "vit"), image_args={"pooled": True},
        image_trained=0, fusion="concat", instruction_length=tiny_hub.LENGTH,
    )  # fmt: skip
    hyper = replace(hyper, n_steps=4, batch_size=16, n_epochs=1)
    settings = {"model": model, "steps": 96, "checkpoint_every": 32}
    config, whole = make_run(tmp_path / "whole", **settings)
    torch.manual_seed(0)
    PPOAgent.train(config, hyper, whole)

    _, run = make_run(tmp_path / "stopped", **settings)
    stop(9, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        PPOAgent.train(replace(config, out=str(run.path)), hyper, run)
    shutil.rmtree(tmp_path / "hub")
    run = Run.open(run.path)
    actor = PPOAgent.train(replace(config, out=str(run.path)), hyper, run, resume=True)
    one, other = (read_checkpoint(r.newest_checkpoint()).weights for r in (whole, run))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)

    policy = PPOAgent.load(run).policy
    own = actor.policy.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in policy.state_dict().items())
    policy.save(tmp_path / "policy")
    again = MultimodalPolicy.load(tmp_path / "policy", "cpu")
    assert all(torch.equal(value, own[key]) for key, value in again.state_dict().items())
    shutil.rmtree(run.path)
    assert MultimodalPolicy.load(tmp_path / "policy", "cpu") is not None


def test_an_algorithm_is_saved_with_its_encoders(make_batch, tiny, tmp_path):
    path = tiny_hub.save("vit", tmp_path / "vit")
    model = replace(tiny, image=path, image_args={"pooled": True}, fusion="concat")
    ppo = PPO(
        MultimodalPolicy, make_batch(), n_steps=4, batch_size=16, seed=0, device="cpu",
        policy_kwargs={"model": model},
    )  # fmt: skip
    ppo.save(tmp_path / "saved")
    shutil.rmtree(path)
    own = ppo.policy.state_dict()
    again = PPO.load(tmp_path / "saved", device="cpu").policy.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in again.items())
