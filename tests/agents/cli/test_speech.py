"""Agents with speech input: one switch, from training to evaluation."""

import json

import pytest

from mmrl.cli import main
from mmrl.errors import UserError
from mmrl.experiment.run import Run
from mmrl.registry import find_agent

TINY = [
    "--env", "mmrl/GoToObjS4-v0", "--steps", "128", "--clip_every", "0", "--eval_episodes", "2",
    "--model.image_args", "{width: 8}", "--model.speech_args", "{width: 8}",
    "--model.text", "bag_of_words", "--model.features", "8", "--device", "cpu",
    "--ppo.num_envs", "8", "--ppo.n_steps", "16", "--ppo.batch_size", "64", "--ppo.n_epochs", "1",
    "--env_args", "{max_steps: 9}",
]  # fmt: skip


@pytest.mark.parametrize("channel", ["speech", "both"])
def test_train_and_evaluate(tmp_path, channel, capsys):
    out = tmp_path / "run"
    assert main(["train", *TINY, "--instruction", channel, "--out", str(out)]) == 0
    run = Run.open(out)
    assert run.config["env_args"] == {"max_steps": 9, "speech": {}}
    actor = find_agent("ppo").load(run)
    spaces = actor.policy.observation_space.spaces
    assert set(spaces) == {"image", "speech"} | ({"instruction"} if channel == "both" else set())
    assert (out / "speech.json").is_file()
    assert (out / "tokenizer.json").is_file() == (channel == "both")
    assert main(["eval", str(out), "--episodes", "4", "--json", str(tmp_path / "r.json")]) == 0
    assert json.loads((tmp_path / "r.json").read_text())["episodes"] == 4
    assert main(["clip", str(out), "--episodes", "1", "--out", str(tmp_path / "clip.gif")]) == 0
    capsys.readouterr()


def test_other_preprocessing_is_refused(tmp_path):
    out = tmp_path / "run"
    unevaluated = ["--instruction", "speech", "--eval_episodes", "0"]
    assert main(["train", *TINY, *unevaluated, "--out", str(out)]) == 0
    saved = json.loads((out / "speech.json").read_text())
    (out / "speech.json").write_text(json.dumps({**saved, "seconds": 3.0}))
    with pytest.raises(UserError, match="trained with another preprocessing of 'speech'"):
        find_agent("ppo").load(Run.open(out))


def test_an_unknown_channel(tmp_path, capsys):
    assert main(["train", *TINY, "--instruction", "spech", "--out", str(tmp_path / "run")]) == 2
    assert "did you mean 'speech'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
