"""``mmrl train``, ``mmrl eval`` and ``mmrl clip``, from the command line to the files."""

import json

import pytest
import yaml
from PIL import Image

from mmrl.cli import main
from mmrl.evaluation.episodes import HELD_OUT
from mmrl.experiment.run import Run

GRID = "mmrl/GoToLocal-v0"
TINY = {
    "device": "cpu",
    "steps": 128,
    "eval_episodes": 6,
    "clip_every": 0,
    "model": {
        "image_args": {"width": 8},
        "text_args": {"width": 8, "layers": 1, "heads": 2},
        "features": 8,
    },
    "ppo": {"num_envs": 4, "n_steps": 16, "batch_size": 32, "n_epochs": 1},
}


@pytest.fixture
def config(tmp_path):
    """Writes a configuration and gives its path."""

    def write(**changes):
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({**TINY, **changes}))
        return str(path)

    return write


def check_result(result, env, episodes, first_seed=HELD_OUT):
    low, high = result["success_rate_95"]
    assert 0 <= low <= result["success_rate"] <= high <= 1
    assert result["env"] == env
    assert result["episodes"] == episodes
    assert result["seeds"] == [first_seed, first_seed + episodes - 1]
    assert result["mean_length"] >= 1
    assert {"python", "torch", "stable-baselines3"} <= set(result["versions"])


def test_train_and_evaluate(config, tmp_path, capsys):
    out = tmp_path / "runs" / "first"
    file = config(env=GRID, env_args={"room_size": 5, "num_dists": 2, "max_steps": 12})
    override = ["--model.fusion", "concat", "--ppo.gamma", "0.9", "--seed", "7"]
    assert main(["train", "--config", file, "--out", str(out), *override]) == 0
    said = capsys.readouterr().out
    assert "6 held-out episodes" in said
    assert "tensorboard --logdir" in said

    resolved = Run.open(out).config
    assert resolved["model"]["fusion"] == "concat"  # overridden
    assert resolved["model"]["features"] == 8  # from the file
    assert resolved["model"]["image"] == "small_resnet"  # default
    assert resolved["ppo"]["gamma"] == 0.9
    assert resolved["ppo"]["num_envs"] == 4
    assert resolved["env_args"] == {"room_size": 5, "num_dists": 2, "max_steps": 12}
    result = json.loads((out / "result.json").read_text())
    check_result(result, GRID, 6)
    assert result["env_args"] == resolved["env_args"]
    assert (result["agent"], result["steps"], result["seed"]) == ("ppo", 128, 7)
    assert result["mean_length"] <= 12

    report = tmp_path / "report.json"
    more = ["--episodes", "9", "--first-seed", "500", "--json", str(report), "--device", "cpu"]
    assert main(["eval", str(out), *more]) == 0
    check_result(json.loads(report.read_text()), GRID, 9, 500)
    assert json.loads(report.read_text())["checkpoint"] == "step_128"
    assert "9 held-out episodes" in capsys.readouterr().out

    assert main(["eval", str(out), "--episodes", "6", "--json", str(report)]) == 0
    again = json.loads(report.read_text())
    assert again["mean_length"] == result["mean_length"]  # the same policy, seeds and sampling
    assert again["success_rate"] == result["success_rate"]

    arguments = ["eval", str(out), "--episodes", "6", "--misled", "true", "--json", str(report)]
    assert main(arguments) == 0
    assert json.loads(report.read_text())["misled"] is True
    assert "told another instruction" in capsys.readouterr().out

    assert main(["eval", str(out), "--env", "mmrl/GoToObjS4-v0", "--episodes", "3"]) == 0
    gif = tmp_path / "clip.gif"
    assert main(["clip", str(out), "--episodes", "2", "--out", str(gif)]) == 0
    with Image.open(gif) as picture:
        assert 4 <= picture.n_frames <= 26


def test_resolved_configuration_trains_again(config, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    file = config(env="mmrl/GoToObjS4-v0")
    assert main(["train", "--config", file, "--out", str(first)]) == 0
    saved = str(first / "config.yaml")
    assert main(["train", "--config", saved, "--out", str(second)]) == 0
    one, two = (json.loads((run / "result.json").read_text()) for run in (first, second))
    for key in ("success_rate", "mean_length", "mean_return", "seeds"):
        assert one[key] == two[key]


def test_minigrid_itself(config, tmp_path):
    pytest.importorskip("minigrid")
    env = "BabyAI-GoToRedBallGrey-v0"
    out = tmp_path / "run"
    arguments = ["--out", str(out), "--steps", "256", "--eval_episodes", "3", "--clip_every", "256"]
    assert main(["train", "--config", config(env=env), *arguments]) == 0
    result = json.loads((out / "result.json").read_text())
    check_result(result, env, 3)
    assert "minigrid" in result["versions"]
    assert (out / "checkpoints" / "step_256").is_dir()
