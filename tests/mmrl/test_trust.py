"""Code that a file names is imported only where somebody vouches for it."""

import json
import os
import sys

import pytest

from mmrl import trust
from mmrl.trust import (
    SIGNATURE,
    UntrustedCodeError,
    check,
    import_trusted,
    is_installed,
    leave_working_directory_out,
    modules_named,
    read_command_line,
    sign,
)

CONFIG = {"env": "payload:Id-v0", "model": {"fusion": "film"}}


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """Nothing is trusted, and what is imported or searched is forgotten."""
    monkeypatch.setattr(trust, "_command_line", trust._CommandLine())
    monkeypatch.setattr(trust, "_searched", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    yield
    sys.modules.pop("payload", None)


@pytest.fixture
def payload(tmp_path, monkeypatch):
    """A module in the working directory that leaves a mark when it is imported."""
    place = tmp_path / "work"
    place.mkdir()
    mark = tmp_path / "fired"
    (place / "payload.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    monkeypatch.chdir(place)
    return mark


def test_modules_that_a_configuration_names():
    tree = {
        "env": "kitchen:Kitchen-v0",
        "agent": "mine.agents:Mine",
        "model": {
            "fusion": "mine.fusion.Mine",
            "text": "mine.words.Words",
            "image": "mine.images:images",
            "speech": "organization/model.v2",
            "encoders": {"arm.left": {"name": "mine.arm.Arm", "args": {"text": 1}}},
        },
        "recipe": [{"env_id": "a.b:C-v0"}, {"task": "captioner"}],
        "env_args": {"name": "x:y", "text": "not.code", "env_adapter": {"image": "not.code"}},
        "env_adapter": {"image": "observation.images.top", "instruction": {"text": "not.code"}},
        "optimizer": {"name": "not.code"},
    }
    assert modules_named(tree) == {
        "kitchen": "env: kitchen:Kitchen-v0",
        "mine.agents": "agent: mine.agents:Mine",
        "mine.fusion": "fusion: mine.fusion.Mine",
        "mine.words": "text: mine.words.Words",
        "mine.images": "image: mine.images:images",
        "mine.arm": "name: mine.arm.Arm",
        "a.b": "env_id: a.b:C-v0",
    }
    assert modules_named({"env": "mmrl/GoToObj-v0", "fusion": "film", "task": "painter"}) == {}


def test_a_folder_of_a_model_is_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert modules_named({"text": "my.model"}) == {"my": "text: my.model"}
    (tmp_path / "my.model").mkdir()
    assert modules_named({"text": "my.model"}) == {}


@pytest.mark.parametrize(
    ("name", "installed"),
    [("mmrl.models.fusion", True), ("mmrl_envs", True), ("gymnasium.envs", True),
     ("no_such", False), ("antigravity", False)],
)  # fmt: skip
def test_what_is_installed(name, installed):
    assert is_installed(name) == installed


def test_a_file_is_not_trusted_and_nothing_is_imported(payload, tmp_path):
    file = tmp_path / "run" / "config.yaml"
    with pytest.raises(UntrustedCodeError) as caught:
        check(CONFIG, file)
    message = str(caught.value)
    assert str(file) in message
    assert "env: payload:Id-v0 would import payload from" in message
    assert os.path.realpath(payload.parent / "work" / "payload.py") in message
    assert "--trust-code" in message
    assert not payload.exists()
    import_trusted("payload")  # it could have fired
    assert payload.exists()


@pytest.mark.parametrize(
    ("arguments", "trusted"),
    [
        (["eval", "run", "--trust-code"], True),
        (["eval", "run", "--env", "payload:Id-v0"], True),
        (["eval", "run", "--env=payload:Other-v0"], True),
        (["play", "payload:Id-v0"], True),
        (["train", "--model.fusion", "payload.Mine"], True),
        (["ablate", "x.yaml", "--over", "model.fusion=film,payload.Mine[steps=1]"], True),
        (["fit", "payload.Task"], True),
        (["train", "--agent", "payload.Agent"], True),
        (["train", "--model.text=payload.Words"], True),
        (["train", "--model.encoders", "{arm: {name: payload.Arm, args: {width: 8}}}"], True),
        (["train", "--model.encoders", '{"arm": {"name":"payload.Arm"}}'], True),
        (["eval", "payload"], False),
        (["eval", "payload.v1"], False),
        (["eval", "run", "--out", "payload.Mine"], False),
        (["eval", "run", "--env", "payload2:Id-v0"], False),
        (["eval", "run"], False),
    ],
)
def test_what_the_user_names_is_trusted(payload, tmp_path, arguments, trusted):
    read_command_line(arguments)
    if trusted:
        check(CONFIG, tmp_path / "config.yaml")
    else:
        with pytest.raises(UntrustedCodeError):
            check(CONFIG, tmp_path / "config.yaml")
    assert not payload.exists()


def test_a_folder_of_that_name_names_no_module(payload, tmp_path):
    os.mkdir("payload:x")
    read_command_line(["eval", "payload:x"])
    with pytest.raises(UntrustedCodeError):
        check(CONFIG, tmp_path / "config.yaml")


def test_own_runs_are_signed(payload, tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    sign(CONFIG, run)
    assert (tmp_path / "home" / "mmrl" / "key").stat().st_mode & 0o777 == 0o600
    check(CONFIG, run / "config.yaml")
    monkeypatch.chdir(tmp_path)  # and from anywhere
    check(CONFIG, run / "config.yaml")
    import_trusted("payload")
    assert payload.exists()


@pytest.mark.parametrize("forged", ["another key", "another place", "altered", "nonsense", "list"])
def test_signatures_that_do_not_count(payload, tmp_path, monkeypatch, forged):
    run, file = tmp_path / "run", tmp_path / "run" / SIGNATURE
    run.mkdir()
    sign(CONFIG, run)
    if forged == "another key":
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "somebody else"))
    elif forged == "another place":  # the signed file is gone, another one is found
        evil = tmp_path / "evil"
        evil.mkdir()
        os.rename("payload.py", evil / "payload.py")
        monkeypatch.chdir(evil)
    elif forged == "altered":
        read = json.loads(file.read_text())
        evil = tmp_path / "evil"
        evil.mkdir()
        (evil / "payload.py").write_text("")
        read["modules"]["payload"] = str(evil / "payload.py")
        file.write_text(json.dumps(read))
        os.remove("payload.py")
    else:
        file.write_text({"nonsense": "{", "list": "[1]"}[forged])
    with pytest.raises(UntrustedCodeError):
        check(CONFIG, run / "config.yaml")
    assert not payload.exists()


def test_without_a_home_nothing_is_signed(payload, tmp_path, monkeypatch):
    (tmp_path / "home").write_text("no folder")
    sign(CONFIG, tmp_path)
    assert not (tmp_path / SIGNATURE).exists()


@pytest.mark.parametrize("env", ["..evil:x", "./room:Room-v0", "a b:c"])
def test_names_that_are_no_modules(tmp_path, env):
    with pytest.raises(UntrustedCodeError, match="is no name of a module"):
        check({"env": env}, tmp_path / "config.yaml")


def test_the_working_directory_is_looked_at_last(payload, tmp_path, monkeypatch):
    here = os.getcwd()
    (tmp_path / "work" / "yaml.py").write_text("raise RuntimeError('shadowed')\n")
    monkeypatch.setattr(sys, "path", [here, "", *sys.path])
    leave_working_directory_out()
    assert here not in sys.path
    assert "" not in sys.path
    monkeypatch.delitem(sys.modules, "yaml", raising=False)
    assert import_trusted("yaml").safe_load("a: 1") == {"a": 1}
    assert here not in sys.path
    import_trusted("payload")
    assert sys.path[-1] == here
    assert here not in trust.packages_path()
