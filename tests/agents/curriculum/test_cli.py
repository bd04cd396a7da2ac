"""``mmrl train --ppo.curriculum …``: what is logged, and going on exactly."""

from dataclasses import replace

import pytest
import yaml

from mmrl.cli import main
from mmrl.errors import UserError
from mmrl_agents.algorithms.ppo import PPOAgent
from mmrl_agents.buffers.rollout import MultimodalRolloutBuffer

GRID = "mmrl/GoToLocalS5N2-v0"
SMALL = {"first": 4, "size": 16}


class Killed(BaseException):
    """What no code catches."""


def files(run, name="step_256"):
    """What is in a checkpoint, but the manifest."""
    names = ("weights.safetensors", "state.npz")
    return {file: (run.checkpoints / name / file).read_bytes() for file in names}


@pytest.mark.parametrize(
    ("kind", "memory"), [("plr", None), ("robust_plr", "gru"), ("accel", "lstm")]
)
def test_it_goes_on_exactly(make_run, hyper, tmp_path, stop, curves, kind, memory):
    beside = "world_model" if memory else None
    hyper = replace(
        hyper, n_steps=8, batch_size=32,
        curriculum=kind, curriculum_args=SMALL, memory=memory, auxiliary=beside,
    )  # fmt: skip
    settings = {
        "env": GRID, "env_args": {"max_steps": 6}, "steps": 256, "checkpoint_every": 128,
    }  # fmt: skip
    config, whole = make_run(tmp_path / "whole", **settings)
    PPOAgent.train(config, hyper, whole)

    config, run = make_run(tmp_path / "stopped", **settings)
    stop(28, Killed())  # in the middle of the rollout after 192 steps
    with pytest.raises(Killed):
        PPOAgent.train(config, hyper, run)
    assert run.newest_checkpoint().name == "step_192"
    PPOAgent.train(config, hyper, run, resume=True)
    assert files(run) == files(whole)
    told = curves(whole)
    assert curves(run) == told
    assert told["curriculum/levels"][-1][1] == 16
    assert 0 < told["curriculum/replayed"][-1][1] < 1
    assert ("train/auxiliary_loss" in told) == (memory is not None)
    assert ("curriculum/trained_share" in told) == (kind != "plr")
    assert ("curriculum/mean_edits" in told) == (kind == "accel")


def test_levels_are_kept_where_environments_cannot_tell_their_state(
    make_run, hyper, tmp_path, counter
):
    hyper = replace(hyper, curriculum="plr", curriculum_args=SMALL)
    config, run = make_run(tmp_path / "run", env=counter)
    PPOAgent.train(config, hyper, run)
    before = run.read_checkpoint().state["curriculum"]["levels"]
    with pytest.warns(UserWarning, match="test/Counter-v0 has no state that can be saved"):
        PPOAgent.train(replace(config, steps=384), hyper, run, resume=True)
    after = run.read_checkpoint().state["curriculum"]["levels"]
    assert after["begun"] > before["begun"] > 8
    assert {tuple(name) for name in before["names"]} & {tuple(name) for name in after["names"]}


def test_without_one_nothing_is_there(make_run, hyper, curves, tmp_path, monkeypatch):
    kinds = []
    build = PPOAgent.build.__func__

    def built(cls, config, hyper, env, parts):
        algorithm = build(cls, config, hyper, env, parts)
        kinds.append((type(algorithm.rollout_buffer), type(env.env.unwrapped) is type(env.env)))
        return algorithm

    monkeypatch.setattr(PPOAgent, "build", classmethod(built))
    config, run = make_run(tmp_path / "run", env=GRID)
    PPOAgent.train(config, hyper, run)
    assert kinds == [(MultimodalRolloutBuffer, True)]
    assert "curriculum" not in run.read_checkpoint().state
    assert not [tag for tag in curves(run) if tag.startswith("curriculum")]
    begun = replace(hyper, curriculum="plr")
    with pytest.raises(UserError, match="it was trained without a curriculum"):
        PPOAgent.train(replace(config, steps=512), begun, run, resume=True)


TINY = [
    "--steps", "128", "--clip_every", "0", "--eval_episodes", "0", "--device", "cpu",
    "--model.image_args", "{width: 8}", "--model.text", "bag_of_words", "--model.features", "8",
    "--ppo.num_envs", "8", "--ppo.n_steps", "16", "--ppo.batch_size", "64", "--ppo.n_epochs", "1",
]  # fmt: skip


def test_the_command(tmp_path, capsys):
    more = ["--ppo.curriculum", "accel", "--ppo.curriculum_args", "{first: 4, score: max_mc}"]
    out = tmp_path / "run"
    assert main(["train", "--env", GRID, *TINY, "--out", str(out), *more]) == 0
    assert main(["train", "--resume", str(out), "--steps", "256", "--allow_changes", "true"]) == 0
    assert main(["eval", str(out), "--episodes", "4"]) == 0
    assert "held-out episodes" in capsys.readouterr().out


def test_nested_options(tmp_path, capsys):
    more = [
        "--ppo.curriculum.kind", "plr", "--ppo.curriculum.first", "4", "--ppo.memory.kind", "gru",
        "--ppo.memory.size", "8", "--ppo.auxiliary", "{kind: world_model, hidden: 8, side: 8}",
    ]  # fmt: skip
    out = tmp_path / "run"
    assert main(["train", "--env", GRID, *TINY, "--out", str(out), *more]) == 0
    written = yaml.safe_load((out / "config.yaml").read_text())["ppo"]
    assert written["memory"] == {"kind": "gru", "size": 8}
    assert written["curriculum"] == {"kind": "plr", "first": 4}
    assert main(["train", "--resume", str(out)]) == 0
    changed = ["--ppo.memory.size", "9"]
    assert main(["train", "--resume", str(out), *changed]) == 2
    assert "ppo.memory.size: 8 → 9" in capsys.readouterr().err
    assert main(["eval", str(out), "--episodes", "4"]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--agent", "imagination", "--imagination.curriculum", "plr"],
            "imagination.curriculum=plr: imagined episodes begin at steps of real ones",
        ),
        (
            ["--ppo.memory.size", "8"],
            "options {'size': 8} of which ppo.memory?",
        ),
        (["--ppo.curriculum", "plrr"], "unknown curriculum 'plrr': did you mean 'plr'"),
        (
            ["--ppo.curriculum", "plr", "--ppo.curriculum_args", "{sise: 2}"],
            "unknown option of ppo.curriculum 'sise'",
        ),
        (["--ppo.curriculum_args", "{size: 99}"], "of which ppo.curriculum?"),
        (["--ppo.curriculum", "plr", "--workers", "2"], "train without --workers"),
        (
            ["--ppo.curriculum", "plr", "--workers", "2", "--dry_run", "true"],
            "train without --workers",
        ),
    ],
)
def test_what_cannot_be(tmp_path, capsys, options, message):
    out = tmp_path / "run"
    assert main(["train", "--env", GRID, *TINY, "--out", str(out), *options]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_an_environment_that_edits_nothing(tmp_path, capsys, counter):
    out = ["--out", str(tmp_path / "run")]
    assert main(["train", "--env", counter, *TINY, *out, "--ppo.curriculum", "accel"]) == 2
    said = capsys.readouterr().err
    assert "test/Counter-v0 cannot begin from edited scenes" in said
    assert "plr and robust_plr need nothing but its seeds" in said
