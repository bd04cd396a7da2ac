"""Run folders and YAML files of others are data: commands run nothing that they name."""

import shutil
import subprocess
import sys

import pytest
import yaml

from mmrl import trust
from mmrl.cli import main
from mmrl.experiment.run import Run

TINY = [
    "--env", "mmrl/GoToObjS4-v0", "--steps", "128", "--clip_every", "0", "--eval_episodes", "0",
    "--device", "cpu", "--model.image_args", "{width: 8}", "--model.text", "bag_of_words",
    "--model.features", "8", "--ppo.num_envs", "8", "--ppo.n_steps", "16", "--ppo.batch_size", "64",
    "--ppo.n_epochs", "1", "--env_args", "{max_steps: 9}",
]  # fmt: skip
COMMANDS = [
    ["eval", "run", "--episodes", "2"],
    ["clip", "run", "--episodes", "1", "--out", "a.gif"],
    ["collect", "mmrl/GoToObjS4-v0", "--episodes", "2", "--by", "run", "--out", "./new"],
    ["train", "--resume", "run"],
    ["train", "--resume", "run", "--workers", "2", "--dry_run", "true"],
    ["train", "--config", "run/config.yaml", "--out", "again"],
    ["ablate", "run/config.yaml", "--over", "model.fusion=film", "--out", "ablation"],
    ["tune", "run/config.yaml", "--trials", "1", "--out", "search",
     "--over", "ppo.learning_rate=1e-4..1e-3"],
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder."""
    run = tmp_path_factory.mktemp("trained") / "run"
    assert main(["train", *TINY, "--out", str(run)]) == 0
    return run


@pytest.fixture
def place(tmp_path, monkeypatch, trained, warm):
    """A working directory with a run of others, and a module that leaves a mark."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(trust, "_searched", [])
    shutil.copytree(trained, "run")
    (tmp_path / "evil.py").write_text("open('fired', 'w').close()\n")
    (tmp_path / "run" / "evil.py").write_text("open('fired', 'w').close()\n")
    yield tmp_path
    for name in [one for one in sys.modules if one.split(".")[0] in ("evil", "run")]:
        del sys.modules[name]


def spoil(place, change):
    """Change the configuration of the run."""
    file = place / "run" / "config.yaml"
    config = yaml.safe_load(file.read_text())
    change(config)
    file.write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.mark.parametrize("env", ["evil:Id-v0", "run.evil:Id-v0"])
def test_environments_that_a_file_names(place, capsys, env):
    spoil(place, lambda config: config.update(env=env))
    for command in COMMANDS:
        assert main(command) == 2, command
        assert "names code that is not installed" in capsys.readouterr().err
        assert not (place / "fired").exists(), command
    assert main(["eval", "run", "--trust-code"]) == 2  # there is no such environment in it
    assert "unknown environment" in capsys.readouterr().err
    assert (place / "fired").exists()


def test_fusions_that_a_file_names(place, capsys):
    for fusion in ("evil.Fusion", "subprocess.Popen"):
        spoil(place, lambda config, fusion=fusion: config["model"].update(fusion=fusion))
        for command in COMMANDS:
            assert main(command) == 2, command
            assert capsys.readouterr().err
            assert not (place / "fired").exists(), command
    spoil(place, lambda config: config["model"].update(fusion="evil.Fusion"))
    with pytest.raises(trust.UntrustedCodeError):
        Run.open("run")
    assert Run.open("run", trust_code=True).config["model"]["fusion"] == "evil.Fusion"


@pytest.mark.parametrize(
    "change",
    [
        {"agent": "evil.Agent", "Agent": {}},
        {"model": {"text": "evil.Words"}},
        {"logger": ["csv", "evil.Log"]},
        {"model": {"encoders": {"image": {"name": "evil:Retina"}}}},
    ],
    ids=["agent", "text encoder", "logger", "encoder of a key"],
)
def test_agents_encoders_and_loggers_that_a_file_names(place, capsys, change):
    def plant(config):
        model = {**config["model"], **change.get("model", {})}
        config.update({**change, "model": model})

    spoil(place, plant)
    for command in COMMANDS:
        assert main(command) == 2, command
        assert "names code that is not installed" in capsys.readouterr().err, command
        assert not (place / "fired").exists(), command


@pytest.mark.parametrize("section", ["optimizer.args", "model.image_args", "env_args"])
def test_classes_are_not_made_of_values(place, capsys, section):
    spec = {
        "class_path": "subprocess.Popen",
        "init_args": {"args": ["touch", str(place / "fired")]},
    }

    def plant(config):
        for name in section.split("."):
            config = config[name]
        config["x"] = spec

    spoil(place, plant)
    for command in COMMANDS:
        main(command)
        capsys.readouterr()
        assert not (place / "fired").exists(), command
    subprocess.Popen(**spec["init_args"]).wait()  # it could have been
    assert (place / "fired").exists()


def test_dates_are_no_values(place, capsys):
    (place / "a.yaml").write_text("env_args: {day: 2026-11-27}\n")
    assert main(["train", *TINY, "--config", "a.yaml", "--out", "new"]) == 2
    assert "day" in capsys.readouterr().err


def test_modules_of_the_working_directory(place):
    for name in ("yaml", "torch", "jsonargparse"):
        (place / f"{name}.py").write_text("open('fired', 'w').close()\n")
    info = place / "evil-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: evil\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mmrl.environments]\nevil = evil\n")
    command = [
        sys.executable,
        "-m",
        "mmrl",
        "eval",
        "run",
        "--episodes",
        "2",
        "--controls",
        "false",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not (place / "fired").exists()
    subprocess.run([sys.executable, "-c", "import yaml"], check=True)
    assert (place / "fired").exists()
