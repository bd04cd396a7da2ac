"""Agents that are trained on one side of a split, and evaluated on both."""

import json

import pytest

import mmrl
from mmrl.cli import main
from mmrl.data import open_dataset
from mmrl.errors import UserError
from mmrl.language import find_language
from mmrl.splits import Split
from mmrl_agents.vec_env import MultimodalVecEnv

GRID = "mmrl/GoToObjS4-v0"
PPO = {"num_envs": 8, "n_steps": 8, "batch_size": 32, "n_epochs": 1}
MODEL = {"image_args": {"width": 8}, "text": "bag_of_words", "features": 16}
SPLIT = Split(find_language(GRID), "pairs")


def train(out, **options):
    return mmrl.train(
        env=GRID, steps=128, out=out, split="pairs", model=MODEL, eval_episodes=8, controls=False,
        clip_every=0, **{"ppo": PPO, **options},
    )  # fmt: skip


def test_no_held_out_instruction_is_trained_on(tmp_path, monkeypatch, capsys):
    seen = set()
    observe = MultimodalVecEnv._observe

    def observing(self, observation):
        seen.update(observation["instruction"])
        return observe(self, observation)

    monkeypatch.setattr(MultimodalVecEnv, "_observe", observing)
    run = train(tmp_path / "run")
    assert len(seen) > 5
    assert all(map(SPLIT.allows, seen))
    report = json.loads((run.path / "result.json").read_text())
    assert report["env_args"]["split"] == {"name": "pairs", "held_out": False}
    assert report["held_out"]["env_args"]["split"] == {"name": "pairs", "held_out": True}
    assert report["held_out"]["episodes"] == 8
    printed = capsys.readouterr().out
    assert "instructions trained on by split pairs" in printed
    assert "held out: pairs" in printed
    assert main(["eval", str(run.path), "--split", "pairs", "--episodes", "4"]) == 0
    assert "instructions held out by split pairs" in capsys.readouterr().out
    assert main(["eval", str(run.path), "--split", "none", "--episodes", "4"]) == 0
    assert "by split" not in capsys.readouterr().out
    assert main(["eval", str(run.path), "--split", "pear"]) == 2
    assert "split 'pear'" in capsys.readouterr().err


def test_factors_of_variation(tmp_path, capsys):
    run = train(tmp_path / "run")
    file = tmp_path / "factors.json"
    arguments = ["--factor", "theme=paper", "--factor", "max_steps=3,5", "--json", str(file)]
    assert main(["eval", str(run.path), "--episodes", "4", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("| ")]) == 5
    reports = json.loads(file.read_text())["factors"]
    assert [report["value"] for report in reports] == [None, "paper", 3, 5]
    assert reports[2]["mean_length"] <= 3
    assert main(["eval", str(run.path), "--factor", "nothing=1"]) == 2
    assert "nothing" in capsys.readouterr().err
    assert main(["eval", str(run.path), "--episodes", "4", "--factor", "theme"]) == 0
    assert "| theme | neon |" in capsys.readouterr().out
    check_paraphrases(str(run.path), tmp_path, capsys)


def check_paraphrases(run, tmp_path, capsys):
    file, own = tmp_path / "report.json", tmp_path / "own.yaml"
    arguments = ["eval", run, "--episodes", "4", "--controls", "false", "--json", str(file)]
    with pytest.warns(UserWarning, match="outside the agent's vocabulary"):
        assert main([*arguments, "--paraphrases"]) == 0
    assert "  paraphrased: politeness  " in capsys.readouterr().out
    report = json.loads(file.read_text())
    assert len(report["paraphrases"]["types"]) == 6
    assert report["paraphrases"]["types"]["verb"]["episodes"] == 4
    assert sum(one["episodes"] for one in report["success_by"]["color"].values()) == 4
    assert set(report["success_by"]) == {"kind", "words", "color", "object"}
    own.write_text("types: {here: {sentences: {'{what}': ['now {what}']}}}")
    with pytest.warns(UserWarning, match="now"):
        assert main([*arguments, "--paraphrases", str(own)]) == 0
    assert set(json.loads(file.read_text())["paraphrases"]["types"]) == {"here"}
    capsys.readouterr()
    assert main([*arguments, "--paraphrases", "polite"]) == 2
    assert "did you mean 'politeness'" in capsys.readouterr().err
    assert main([*arguments, "--paraphrases", "--factor", "theme"]) == 2
    assert "--paraphrases: give it without --factor" in capsys.readouterr().err


def test_demonstrations_are_of_one_side(tmp_path):
    bc = {"demonstrations": 20, "batch_size": 16, "num_envs": 8}
    run = train(tmp_path / "run", agent="bc", bc=bc, ppo={})
    dataset = open_dataset(str(run.path / "demonstrations"))
    assert all(SPLIT.allows(dataset[k].instruction) for k in range(len(dataset)))


def test_a_curriculum_is_refused(tmp_path):
    with pytest.raises(UserError, match="split=pairs: ppo.curriculum=plr chooses the levels"):
        train(tmp_path / "run", ppo={**PPO, "curriculum": "plr"})
