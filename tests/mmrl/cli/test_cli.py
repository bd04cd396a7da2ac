"""A wrong command line is reported, exits with 2, and leaves nothing behind."""

import io
import json
import os
import sys
import warnings

import pytest
import yaml

from mmrl import __version__, cli
from mmrl import registry as plugins
from mmrl.cli import COMMANDS
from mmrl.experiment.checkpoint import Checkpoint

ENV = "mmrl/GoToObjS4-v0"


def test_overview(call):
    for arguments in ([], ["-h"], ["--help"]):
        status, out, _ = call(*arguments)
        assert status == 0
        for name, text in COMMANDS.items():
            assert name in out
            assert text in out


def test_warnings_are_lines():
    before = warnings.formatwarning
    with cli.warnings_in_lines("train"):
        line = warnings.formatwarning("full\x1b[2J", UserWarning, "a.py", 3)
        assert line == "mmrl train: warning: full\\x1b[2J\n"
        assert "a.py" in warnings.formatwarning("old", DeprecationWarning, "a.py", 3)
    assert warnings.formatwarning is before


def test_version(call):
    assert call("--version")[:2] == (0, f"mmrl {__version__}\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command(call, name):
    status, out, _ = call(name, "--help")
    assert status == 0
    assert f"mmrl {name}" in out


def test_help_explains_what_can_be_configured(call):
    out = call("train", "--help")[1]
    for words in ("--model.fusion", "cross_attention", "--ppo.learning-rate", "YAML"):
        assert words in out


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["trian"], "did you mean 'train'"),
        (["zzz"], "there are: train, eval"),
    ],
)
def test_unknown_command(call, arguments, hint):
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    assert hint in err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--env", "mmrl/GoToRedBal-v0"], "mmrl/GoToRedBall-v0"),
        (["--env", "mmrl/GoToObjS4"], "mmrl/GoToObjS4-v0"),
        (["--env", "CartPole-v1", "--env_adapter", "{image: back}"], "env_adapter.image='back'"),
        (["--env", "CartPole-v1", "--env_adapter.imag", "render"], "'imag'"),
        (["--env", "no_such_module:Env-v0"], "no_such_module"),
        (["--env", ENV, "--env_args.room_sise", "5"], "room_size"),
        (["--env", ENV, "--env_args.room_size", "2"], "room_size"),
        (["--env", ENV, "--model.fusion", "flim"], "'film'"),
        (["--env", ENV, "--model.fusion", "no_such_package.Mine"], "cannot be imported"),
        (["--env", ENV, "--model.image", "smal_resnet"], "small_resnet"),
        (["--env", ENV, "--model.image_args.widht", "8"], "widht"),
        (["--env", ENV, "--model.text_args.heads", "7"], "heads"),
        (["--env", ENV, "--agent", "pppo"], "did you mean 'ppo'"),
        (["--env", ENV, "--setps", "10"], "'steps'"),
        (["--env", ENV, "--ppo.lerning_rate", "1"], "'ppo.learning_rate'"),
        (["--env", ENV, "--model.fusoin", "film"], "'model.fusion'"),
        (["--env", ENV, "--ppo.n_steps", "many"], "n_steps"),
        (["--env", ENV, "--ppo.batch_size", "100"], "must divide"),
        (["--env", ENV, "--ppo.num_envs", "0"], "at least 1"),
        (["--env", ENV, "--steps", "0"], "at least 1"),
        (["--env", ENV, "--eval_episodes", "-1"], "eval_episodes"),
        (["--env", ENV, "--clip_every", "-1"], "clip_every"),
        (["--env", ENV, "--checkpoint_every", "-1"], "checkpoint_every"),
        (["--env", ENV, "--seed", "1000000000"], "seed"),
        (["--env", ENV, "--device", "gpu"], "cuda:1 or mps"),
        (["--config", "no_such_file.yaml"], "no_such_file.yaml"),
        ([], "env"),
    ],
)
def test_wrong_training_leaves_no_folder(call, tmp_path, arguments, hint):
    status, _, err = call("train", "--steps", "64", *arguments, "--out", tmp_path / "run")
    assert status == 2
    assert hint in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ({"setps": 3}, "'steps'"),
        ({"ppo": {"lerning_rate": 1}}, "lerning_rate"),
        ({"model": {"fusion": "flim"}}, "'film'"),
    ],
)
def test_wrong_key_in_a_file(call, tmp_path, content, hint):
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"env": ENV, **content}))
    status, _, err = call("train", "--config", file, "--out", tmp_path / "run")
    assert status == 2
    assert hint in err
    assert not (tmp_path / "run").exists()


def test_existing_run_is_not_touched(call, tmp_path):
    (tmp_path / "precious.txt").write_text("x")
    status, _, err = call("train", "--env", ENV, "--out", tmp_path)
    assert status == 2
    assert "nothing was overwritten" in err
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


def test_missing_extra(call, tmp_path, monkeypatch):
    def refuse(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    plugins.load_environments()
    monkeypatch.setattr(plugins, "import_module", refuse)
    arguments = ("--env", "BabyAI-GoToRedBallGrey-v0", "--out", tmp_path / "run")
    status, _, err = call("train", *arguments)
    assert status == 2
    assert "pip install 'multimodal-rl[babyai]'" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["eval", "clip"])
def test_bad_run_folder(call, tmp_path, command):
    status, _, err = call(command, tmp_path / "nowhere")
    assert status == 2
    assert "is no run folder" in err


@pytest.mark.parametrize("command", ["eval", "clip"])
def test_run_without_checkpoint(call, tmp_path, command):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"env": ENV, "agent": "ppo"}))
    status, _, err = call(command, tmp_path)
    assert status == 2
    assert "has no checkpoint yet" in err


def test_run_of_an_agent_that_is_gone(call, tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"env": ENV, "agent": "dqn9"}))
    status, _, err = call("eval", tmp_path)
    assert status == 2
    assert "unknown agent 'dqn9'" in err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--episodes", "0"], "must be at least 1"),
        (["--first-seed", "-1"], "first-seed"),
        (["--json", "no/such/folder/result.json"], "does not exist"),
        (["--jsn", "x"], "json"),
    ],
)
def test_wrong_evaluation(call, tmp_path, arguments, hint):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"env": ENV}))
    status, _, err = call("eval", tmp_path, *arguments)
    assert status == 2
    assert hint in err


def test_environments_are_listed(call):
    status, out, _ = call("envs")
    assert status == 0
    assert f"  {ENV}\n" in out
    status, out, _ = call("envs", "redball")
    assert "mmrl/GoToRedBall-v0" in out
    assert ENV not in out
    assert out.startswith("mmrl_envs (6 of ")


def test_interrupt_has_its_own_status(call, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("mmrl.cli.envs.run", interrupt)
    status, _, err = call("envs")
    assert status == 130
    assert "interrupted" in err


def test_interrupt_before_there_is_anything_to_keep(call, monkeypatch, tmp_path):
    class Agent:
        Config = plugins.find_agent("ppo").Config

        @staticmethod
        def train(config, hyper, run):
            raise KeyboardInterrupt

    monkeypatch.setattr("mmrl.run_training.find_agent", lambda name: Agent)
    status, _, err = call("train", "--env", ENV, "--out", tmp_path / "run")
    assert status == 130
    assert "interrupted" in err
    assert not (tmp_path / "run").exists()


def test_agent_of_a_stranger_trains(call, monkeypatch, tmp_path, scripted):
    class Agent:
        Config = plugins.find_agent("ppo").Config

        @staticmethod
        def train(config, hyper, run):
            run.save_checkpoint(Checkpoint(config.steps, {}, {}))
            return scripted(lambda image, instruction: 2)

    monkeypatch.setattr("mmrl.run_training.find_agent", lambda name: Agent)
    arguments = ("--env", ENV, "--out", tmp_path / "run", "--eval_episodes", "5", "--steps", "7")
    status, out, _ = call("train", *arguments)
    assert status == 0
    assert "5 held-out episodes" in out
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["episodes"] == 5
    assert result["steps"] == 7


def test_commands_have_their_files():
    from importlib.util import find_spec

    for name in COMMANDS:
        assert find_spec(f"{cli.__name__}.{name.replace('-', '_')}") is not None


def test_a_working_directory_that_was_removed(call, monkeypatch, tmp_path):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    status, _, error = call("train", "--env", ENV, "--out", "run")
    assert (status, error) == (2, "mmrl train: the working directory was removed: go to another\n")
    assert call("--version")[0] == 0


@pytest.mark.parametrize("command", [["train", "--env", ENV], ["fit", "captioner"]])
def test_names_that_are_not_utf_8(call, tmp_path, command):
    status, _, error = call(*command, "--out", str(tmp_path / os.fsdecode(b"caf\xe9")))
    assert status == 2
    assert "caf\\udce9: is not UTF-8" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["train", "--env", ENV], ["fit", "captioner"]])
def test_names_that_are_too_long(call, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, error = call(*command, "--out", "x" * 300, "--device", "cpu")
    assert status == 2
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_output_that_is_not_utf_8(monkeypatch, encoding):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    assert cli.main(["--version"]) == 0
    print("→ runs")
    sys.stdout.flush()
    assert written.getvalue().endswith(b"? runs\n")
