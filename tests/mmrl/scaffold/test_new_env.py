"""The package that ``mmrl new-env`` writes is whole, formatted, tested, checked and trained."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import gymnasium as gym
import pytest

import mmrl
import mmrl.cli
from mmrl import scaffold, trust
from mmrl.files import WriteError

NAME = "lighthouse"
ENV = f"{NAME}:{NAME}/Reach-v0"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The folder of a package, in which the rest is called."""
    folder = tmp_path_factory.mktemp("packages") / "new" / NAME
    assert mmrl.cli.main(["new-env", NAME, "--out", str(folder)]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        patch.setattr(trust, "_searched", [])
        patch.setattr(trust, "_command_line", trust._CommandLine())
        patch.setenv("XDG_CONFIG_HOME", str(folder.parent / "config"))
        yield folder
    gym.registry.pop(f"{NAME}/Reach-v0", None)
    for module in [one for one in sys.modules if one.partition(".")[0] == NAME]:
        del sys.modules[module]


def test_its_files_have_its_name(package):
    files = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    assert files >= {
        "pyproject.toml", "README.md", f"{NAME}/__init__.py", f"{NAME}/env.py", "tests/test_env.py"
    }  # fmt: skip
    assert all("NAME" not in (package / path).read_text() for path in files if path[-3:] != "pyc")
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["name"] == NAME
    assert project["entry-points"] == {"mmrl.environments": {NAME: NAME}}


def test_what_is_next_is_printed(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert mmrl.cli.main(["new-env", NAME]) == 0
    printed = capsys.readouterr().out
    for line in (f"cd {NAME}", f"mmrl check-env {ENV}", f"mmrl train --env {ENV} --steps"):
        assert f"\n  {line}" in printed


@pytest.mark.skipif(shutil.which("ruff") is None, reason="ruff is not installed")
def test_it_is_formatted_and_linted(package):
    rules = ["--line-length=100", "--no-cache"]
    subprocess.run(["ruff", "format", "--check", *rules, "."], cwd=package, check=True)
    select = [
        "--isolated",
        "--select=B,D1,E,F,I,N,RUF,SIM,UP",
        "--ignore=RUF012,D101,D103,D105,D107",
    ]
    subprocess.run(["ruff", "check", *rules, *select, "."], cwd=package, check=True)


def test_its_own_tests_pass(package):
    arguments = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    done = subprocess.run(
        arguments, cwd=package, capture_output=True, text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout


def test_it_is_checked_and_trained(package, capsys):
    assert mmrl.cli.main(["check-env", ENV, "--steps", "60"]) == 0
    printed = capsys.readouterr().out
    assert "a training resumes exactly" in printed
    assert "agents can be trained in it" in printed
    assert "warning" not in printed
    small = ["--model.image-args", "{width: 8}", "--model.text", "bag_of_words", "--device=cpu"]
    train = ["train", "--env", ENV, "--steps=512", "--out=runs/first", "--ppo.num-envs=16", *small]
    assert mmrl.cli.main([*train, "--eval-episodes=64", "--ppo.n-epochs=1"]) == 0
    result = mmrl.evaluate("runs/first", episodes=64)
    assert set(result["controls"]) >= {"random_policy", "swapped_instructions", "expert"}
    assert result["controls"]["expert"]["success_rate"] == 1.0
    assert (package / "runs" / "first" / "two_instructions.gif").is_file()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("my-env", "use letters, digits and _, such as my_env"),
        ("3d", "such as d"),
        ("lambda", "such as lambda_env"),
        ("_hidden", "such as hidden"),
        ("größe", "such as gr"),
        ("--x/../y", "such as x_y"),
        ("numpy", "the name of another module, .* such as numpy_env"),
        ("tests", "the name of another module"),
    ],
)
def test_names_that_cannot_be(name, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(mmrl.errors.UserError, match=words) as caught:
        scaffold.write_package(name, tmp_path / "new")
    assert "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path, capsys):
    folder = tmp_path / "harbour"
    folder.mkdir()
    assert mmrl.cli.main(["new-env", "harbour", "--out", str(folder)]) == 2
    assert "exists already; nothing was overwritten" in capsys.readouterr().err
    assert not any(folder.iterdir())


def test_all_or_nothing(tmp_path, monkeypatch):
    def fail(self, *_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(WriteError, match="No space left"):
        scaffold.write_package("harbour", tmp_path / "harbour")
    assert not any(tmp_path.iterdir())
