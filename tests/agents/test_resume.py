"""A training that was stopped is resumed as if it had not been."""

import json
import multiprocessing
import os
import shutil
import signal
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
import yaml

from mmrl.cli import main
from mmrl.errors import UserError
from mmrl.experiment.checkpoint import read_checkpoint
from mmrl.experiment.run import Run, Status
from mmrl.interrupts import SIGNALS, Interrupted
from mmrl_agents.algorithms.ppo import PPO, PPOAgent
from mmrl_agents.loop.state import random_state, set_random_state
from mmrl_agents.vec_env import MultimodalVecEnv

GRID = "mmrl/GoToObjS4-v0"


class Killed(BaseException):
    """What no code catches."""


def files(run, name):
    """What is in a checkpoint, but the manifest."""
    return {
        file: (run.checkpoints / name / file).read_bytes()
        for file in ("weights.safetensors", "state.npz")
    }


BERT = {"text": "small_bert", "text_args": {"width": 8, "layers": 1, "heads": 2}}
VARIANTS = {
    "film_frame_stack_themes": (BERT, {"memory": "frame_stack"}),
    "dropout_lstm": ({"dropout": 0.3, "fusion": "concat"}, {"memory": "lstm"}),
    "auxiliary": ({"precision": "bf16"}, {"auxiliary": "world_model", "memory": "gru"}),
    "frozen": ({"text": "word_gru", "text_args": {}, "text_trained": 0, "image_trained": 0}, {}),
    "heard": ({"fusion": "gated"}, {}),
    "large_rewards": ({}, {}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_goes_on_exactly(make_run, hyper, tiny, tmp_path, stop, curves, variant):
    """One that was stopped, and one that was killed before it could save.

    Where all is cached only the latter can be; elsewhere one variant is enough for it.
    """
    model, more = VARIANTS[variant]
    if variant == "heard":
        pytest.importorskip("espeakng_loader")
    heard = {"speech": {"noise": 0.01, "seconds": 2.0}} if variant == "heard" else {}
    themes = {"theme": ["minigrid", "paper", "neon"]} if "themes" in variant else {}
    large = {"env_adapter": {"reward_scale": 1_000}} if variant == "large_rewards" else {}
    settings = {
        "model": replace(tiny, **model),
        "steps": 128, "clip_every": 75, "checkpoint_every": 64,
        "env_args": {"max_steps": 5} | heard | themes | large,
        "instruction": "speech" if heard else "text",
    }  # fmt: skip
    hyper = replace(hyper, n_steps=4, batch_size=16, **more)
    config, whole = make_run(tmp_path / "whole", **settings)
    PPOAgent.train(config, hyper, whole)

    _, run = make_run(tmp_path / "stopped", **settings)
    stop(14, Killed())  # in the middle of the rollout after 96 steps
    with pytest.raises(Killed):
        PPOAgent.train(replace(config, out=str(run.path)), hyper, run)
    assert run.newest_checkpoint().name == "step_96"
    again = []
    if variant == "frozen" or "themes" in variant:
        killed = Run.open(shutil.copytree(run.path, tmp_path / "killed"))
        for file in (killed.checkpoints / "step_96").iterdir():  # it had no time to write it
            file.write_bytes(b"")
        with pytest.warns(UserWarning, match="step_96 is damaged.*using step_64"):
            PPOAgent.train(replace(config, out=str(killed.path)), hyper, killed, resume=True)
        again.append(killed)
    if variant != "frozen":  # what is remembered is forgotten at checkpoints, and this adds one
        PPOAgent.train(replace(config, out=str(run.path)), hyper, run, resume=True)
        again.append(run)
    for one in again:
        assert files(one, "step_128") == files(whole, "step_128")
        assert curves(one) == curves(whole)
        assert ("train/auxiliary_loss" in curves(one)) == (variant == "auxiliary")
        scales = [value for _, value in curves(one)["train/reward_scale"]]
        assert (scales[-1] > 1) == (variant == "large_rewards")


def test_environments_that_cannot_tell_their_state_begin_anew(
    make_run, hyper, tmp_path, counter, stop
):
    config, run = make_run(tmp_path / "run", env=counter)
    stop(20, Killed())
    with pytest.raises(Killed):
        PPOAgent.train(config, hyper, run)
    with pytest.warns(UserWarning, match="test/Counter-v0 has no state that can be saved"):
        PPOAgent.train(config, hyper, run, resume=True)
    assert run.newest_checkpoint().name == "step_256"


def test_a_training_that_has_ended_is_left_alone(make_run, hyper, tmp_path):
    config, run = make_run(tmp_path / "run", steps=128)
    PPOAgent.train(config, hyper, run)
    before = files(run, "step_128")
    actor = PPOAgent.train(config, hyper, run, resume=True)
    assert files(run, "step_128") == before
    again = PPOAgent.load(run, "cpu")
    for one, other in zip(actor.policy.parameters(), again.policy.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_checkpoint_of_another_model_is_refused(make_run, hyper, tiny, tmp_path):
    config, run = make_run(tmp_path / "run", steps=128)
    PPOAgent.train(config, hyper, run)
    other = replace(config, steps=512, model=replace(tiny, features=8))
    with pytest.raises(UserError, match="these weights are of another model"):
        PPOAgent.train(other, hyper, run, resume=True)
    with pytest.raises(UserError, match="does not fit: "):
        PPOAgent.train(replace(config, steps=512), replace(hyper, num_envs=4), run, resume=True)


@pytest.mark.parametrize("signum", SIGNALS)
def test_interrupts_wait_for_the_update(make_run, hyper, tmp_path, monkeypatch, capsys, signum):
    config, run = make_run(tmp_path / "run", steps=100_000)
    learn, closed = PPO.train, []

    def interrupted(self):
        if self.num_timesteps == 256:
            signal.raise_signal(signum)
        learn(self)

    monkeypatch.setattr(PPO, "train", interrupted)
    monkeypatch.setattr(MultimodalVecEnv, "close", lambda self: closed.append(self))
    before = signal.getsignal(signum)
    with pytest.raises(Interrupted) as caught:
        PPOAgent.train(config, hyper, run)
    assert caught.value.signal == signum
    assert "stopping after this update" in capsys.readouterr().err
    assert signal.getsignal(signum) is before
    assert len(closed) == 1
    counters = read_checkpoint(run.newest_checkpoint()).state["counters"]
    assert (counters["num_timesteps"], counters["_n_updates"]) == (256, 4)
    assert counters["_episode_num"] > 0


def test_an_interrupt_before_anything_was_learnt_saves_nothing(make_run, hyper, tmp_path, stop):
    config, run = make_run(tmp_path / "run")
    stop(5, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        PPOAgent.train(config, hyper, run)
    assert not list(run.checkpoints.iterdir())


def test_an_environment_that_raises(make_run, hyper, tmp_path, monkeypatch, counter):
    config, run = make_run(tmp_path / "run", env=counter)
    step, count = gym.spec(counter).entry_point.step, [0]

    def broken(self, action):
        count[0] += 1
        if count[0] == 8 * 20 + 3:
            raise ZeroDivisionError("the camera is off")
        return step(self, action)

    monkeypatch.setattr(gym.spec(counter).entry_point, "step", broken)
    with pytest.raises(UserError) as caught:
        PPOAgent.train(config, hyper, run)
    said = str(caught.value)
    assert "test/Counter-v0 (number 2 of the batch, seeded with 5, episode" in said
    assert "ZeroDivisionError: the camera is off, 160 steps into the training" in said
    assert "resumes from the last checkpoint" in said
    assert run.newest_checkpoint().name == "step_128"
    assert "in broken" in (run.path / "environment_error.txt").read_text()
    with pytest.warns(UserWarning, match="has no state that can be saved"):
        PPOAgent.train(config, hyper, run, resume=True)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_loss_that_is_not_finite(make_run, hyper, tmp_path, monkeypatch):
    config, run = make_run(tmp_path / "run", steps=1024, checkpoint_every=128)
    step, count = MultimodalVecEnv.step_wait, [0]

    def exploding(self):
        observation, rewards, dones, infos = step(self)
        count[0] += 1
        if count[0] > 40:
            rewards[:] = np.inf
        return observation, rewards, dones, infos

    monkeypatch.setattr(MultimodalVecEnv, "step_wait", exploding)
    with pytest.raises(UserError, match=r"the loss is nan in minibatch 1 .*after 384 steps.*json"):
        PPOAgent.train(config, hyper, run)
    report = json.loads((run.path / "diverged.json").read_text())
    assert report["steps"] == 384
    assert report["rollout"]["rewards"][1] == "inf"
    assert run.newest_checkpoint().name == "step_256"
    weights = run.read_checkpoint().weights.values()
    assert all(bool(weight.isfinite().all()) for weight in weights)


def test_a_full_disk_while_training(make_run, hyper, tmp_path, monkeypatch):
    hyper = replace(hyper, n_steps=4, batch_size=32, n_epochs=1)
    config, run = make_run(tmp_path / "run", steps=128, checkpoint_every=32)
    savez, full = np.savez, [False, False, True, False, False]  # the first one tries the state

    def sometimes(*arguments, **arrays):
        if full.pop(0):
            raise OSError(28, "No space left on device")
        savez(*arguments, **arrays)

    monkeypatch.setattr(np, "savez", sometimes)
    with pytest.warns(UserWarning, match="step_64 cannot be written: No space.*training continues"):
        PPOAgent.train(config, hyper, run)
    assert sorted(path.name for path in run.checkpoints.iterdir()) == [
        "step_128", "step_32", "step_96",
    ]  # fmt: skip


def test_random_generators_there_and_back():
    state = random_state()
    first = torch.rand(3), np.random.rand(3), np.random.randn(1)
    set_random_state(state)
    again = torch.rand(3), np.random.rand(3), np.random.randn(1)
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))


TINY = [
    "--env", GRID, "--steps", "256", "--clip_every", "0", "--eval_episodes", "4", "--device", "cpu",
    "--model.image_args", "{width: 8}", "--model.text", "bag_of_words", "--model.features", "8",
    "--ppo.num_envs", "8", "--ppo.n_steps", "16", "--ppo.batch_size", "64", "--ppo.n_epochs", "1",
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run folder of a training that has ended."""
    run = tmp_path_factory.mktemp("finished") / "run"
    assert main(["train", *TINY, "--out", str(run)]) == 0
    return run


@pytest.fixture
def out(finished, tmp_path):
    """A copy of it."""
    return shutil.copytree(finished, tmp_path / "run")


def test_the_command(out, tmp_path, capsys):
    saved = (out / "config.yaml").read_text()
    assert main(["train", "--resume", str(out), "--steps", "512", "--ppo.gamma", "0.9"]) == 2
    said = capsys.readouterr().err
    assert "ppo.gamma: 0.99 → 0.9" in said
    assert "steps: 256 → 512" in said
    assert "--allow-changes" in said
    assert (out / "config.yaml").read_text() == saved
    more = ["--steps", "512", "--allow_changes", "true"]
    assert main(["train", "--resume", str(out), *more]) == 0
    assert "from step_256 to 512 steps, with 1 changes" in capsys.readouterr().out
    assert yaml.safe_load((out / "config.yaml").read_text())["steps"] == 512
    assert Run.open(out).newest_checkpoint().name == "step_512"
    assert json.loads((out / "result.json").read_text())["steps"] == 512
    assert main(["train", "--resume", str(tmp_path / "none")]) == 2
    assert "is no run folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--model.fusion", "concat"], "of another model"),
        (["--optimizer.name", "sgd"], "the optimiser's state is another one's"),
        (["--instruction", "speech"], "keeps its instruction"),
        (["--agent", "a2c"], "keeps its agent"),
        (["--ppo.num_envs", "4"], "does not fit: "),
    ],
)
def test_a_refused_resume_changes_nothing(out, capsys, change, words):
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    more = ["--steps", "512", "--allow_changes", "true"]
    assert main(["train", "--resume", str(out), *change, *more]) == 2
    assert words in capsys.readouterr().err
    after = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert {path: after.get(path) for path in before} == before
    assert all("events" in path.name for path in after.keys() - before.keys())


def test_one_process_at_a_time(out, capsys):
    with Run.open(out).lock():
        more = ["--steps", "512", "--allow_changes", "true"]
        assert main(["train", "--resume", str(out), *more]) == 2
    assert f"is being trained by process {os.getpid()}" in capsys.readouterr().err


def test_a_run_that_was_killed_before_its_first_update_begins_again(tmp_path, capsys):
    out = tmp_path / "run"

    def train():
        PPO.train = lambda self: os.kill(os.getpid(), signal.SIGKILL)
        main(["train", *TINY, "--out", str(out)])

    process = multiprocessing.get_context("fork").Process(target=train)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert Run.open(out).status is Status.TRAINING
    assert main(["eval", str(out)]) == 2
    assert "has no checkpoint yet (its training is training)" in capsys.readouterr().err
    assert main(["train", *TINY, "--out", str(out)]) == 0
    assert Run.open(out).status is Status.FINISHED
    assert main(["train", *TINY, "--out", str(out)]) == 2
    assert "--resume" in capsys.readouterr().err


class Unsaveable:
    """What a stranger's environment may have for its state."""


@pytest.mark.parametrize("kind", ["an object", "an argument", "an error"])
def test_a_state_that_cannot_be_saved_is_found_at_the_start(
    make_run, hyper, tmp_path, monkeypatch, counter, capsys, kind
):
    entry = gym.spec(counter).entry_point
    states = {
        "an object": lambda self: {"thing": Unsaveable()},
        "an argument": lambda self, name: 1,
        "an error": lambda self: 1 / 0,
    }
    monkeypatch.setattr(entry, "get_state", states[kind], raising=False)
    monkeypatch.setattr(entry, "set_state", lambda self, state: None, raising=False)
    config, run = make_run(tmp_path / "run", env=counter, steps=128)
    PPOAgent.train(config, hyper, run)
    said = capsys.readouterr().err
    assert said.count("exact resume is off: test/Counter-v0 cannot have its state saved") == 1
    assert "begins new episodes" in said
    assert run.read_checkpoint().state["env"] is None
    with pytest.warns(UserWarning, match="new episodes begin"):
        PPOAgent.train(replace(config, steps=256), hyper, run, resume=True)


def test_a_run_without_checkpoint_does_not_go_on(make_run, tmp_path, capsys):
    _, run = make_run(tmp_path / "run")
    assert main(["train", "--resume", str(run.path)]) == 2
    assert "has no checkpoint yet" in capsys.readouterr().err
