"""A tiny training writes all that a run should hold, and can be done again."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl.errors import UserError
from mmrl.experiment.run import Run
from mmrl_agents.algorithms.ppo import PPOAgent

GRID = "mmrl/GoToObjS4-v0"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, make_run, hyper):
    """A training of 512 steps, and who came out of it."""
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("runs") / "run"
    config, run = make_run(
        path, steps=512, clip_every=256, checkpoint_every=256, env_args={"max_steps": 12}
    )
    return PPOAgent.train(config, replace(hyper, n_steps=8), run), run


@pytest.fixture(scope="module")
def events(trained):
    accumulator = EventAccumulator(str(trained[1].events), {"images": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator


def weights(actor):
    return torch.cat([p.detach().flatten() for p in actor.policy.parameters()])


def test_curves(events):
    curves = set(events.Tags()["scalars"])
    assert {
        "rollout/success_rate",
        "rollout/ep_len_mean",
        "rollout/ep_rew_mean",
        "time/fps",
        "train/policy_gradient_loss",
        "train/value_loss",
        "train/entropy_loss",
        "train/approx_kl",
        "train/learning_rate",
    } <= curves
    rates = [event.value for event in events.Scalars("rollout/success_rate")]
    assert all(0 <= rate <= 1 for rate in rates)
    assert max(rates) > 0
    assert [event.step for event in events.Scalars("time/fps")] == list(range(64, 513, 64))
    rate = [event.value for event in events.Scalars("train/learning_rate")]
    assert rate == sorted(rate, reverse=True)
    assert len(set(rate)) > 4


def test_clips_and_instructions(events):
    clips = events.Images("rollout/clip")
    texts = events.Tensors("rollout/instruction/text_summary")
    assert [clip.step for clip in clips] == [text.step for text in texts] == [64, 320, 512]
    assert clips[0].encoded_image_string.startswith(b"GIF89a")
    assert texts[0].tensor_proto.string_val[0].startswith(b"go to the ")


def test_hyperparameters_are_in_the_same_file(events, trained):
    written = set(events.PluginTagToContent("hparams"))
    assert {"_hparams_/experiment", "_hparams_/session_start_info"} <= written
    assert len(list(trained[1].events.glob("events.out.tfevents.*"))) == 1


def test_checkpoints(trained):
    _, run = trained
    assert run.newest_checkpoint().name == "step_512"
    assert sorted(p.name for p in run.checkpoints.iterdir()) == [
        "step_256", "step_512", "step_64",
    ]  # fmt: skip


def test_loaded_agent_acts_the_same(trained, observations):
    actor, run = trained
    loaded = PPOAgent.load(Run.open(run.path), "cpu")
    assert torch.equal(weights(loaded), weights(actor))
    observation = observations(GRID, 32)
    for deterministic in (True, False):
        torch.manual_seed(5)
        first = actor.act(observation, deterministic=deterministic)
        torch.manual_seed(5)
        assert np.array_equal(first, loaded.act(observation, deterministic=deterministic))


def test_same_seed_same_weights(make_run, hyper, tmp_path):
    def train(name, seed):
        config, run = make_run(tmp_path / name, steps=64, seed=seed)
        small = replace(hyper, n_steps=4, batch_size=32)
        return weights(PPOAgent.train(config, small, run))

    first, again, other = train("a", 3), train("b", 3), train("c", 4)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_workers_change_nothing(make_run, hyper, tmp_path, capsys):
    def train(folder, workers):
        config, run = make_run(
            tmp_path / folder, env="worlds.arms:arms/Arm-v0", env_workers=workers, steps=64
        )
        small = replace(hyper, n_steps=4, batch_size=32)
        return PPOAgent.train(config, small, run).policy.state_dict()

    one, several = train("0", 0), train("3", 3)  # of eight environments
    assert one.keys() == several.keys()
    assert all(torch.equal(one[key], several[key]) for key in one)
    config, _ = make_run(tmp_path / "grid", env_workers=2)
    PPOAgent.make_batch(config, 2, []).close()
    assert "env_workers is not used: mmrl/GoToObjS4-v0 has" in capsys.readouterr().err


def test_other_environments(make_run, hyper, tmp_path, counter):
    config, run = make_run(tmp_path / "run", env=counter, clip_every=64)
    actor = PPOAgent.train(config, hyper, run)
    assert run.newest_checkpoint().name == "step_256"
    assert (
        actor.preprocessing.tokenizer.decode(actor.preprocessing.tokenizer.encode("count to two"))
        == "count to two"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_envs": 0}, "ppo.num_envs=0: must be at least 1"),
        ({"n_steps": -3}, "ppo.n_steps=-3: must be at least 1"),
        ({"n_epochs": 0}, "ppo.n_epochs=0: must be at least 1"),
        ({"batch_size": 0}, "ppo.batch_size=0: must be at least 1"),
        ({"batch_size": 48}, "ppo.batch_size=48 must divide"),
        ({"batch_size": 256}, "8 · 16 = 128"),
    ],
)
def test_impossible_hyperparameters(make_run, hyper, tmp_path, changes, words):
    config, run = make_run(tmp_path / "run")
    with pytest.raises(UserError) as caught:
        PPOAgent.train(config, replace(hyper, **changes), run)
    assert words in str(caught.value)
