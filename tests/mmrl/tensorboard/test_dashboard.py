"""``mmrl dashboard`` serves the tab on this machine alone, and ends with Ctrl-C."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from synthetic_episodes import episode, write

from mmrl.tensorboard import server
from mmrl.tensorboard.plugin import RolloutsPlugin


def episodes(address: str) -> dict:
    """The list of episodes of a server."""
    with urlopen(f"{address}data/plugin/rollouts/episodes") as answer:
        return json.load(answer)


def test_the_command_serves_until_it_is_interrupted(runs):
    command = [sys.executable, "-m", "mmrl", "dashboard", str(runs), "--port", "0", "--no-open"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        address = re.search(r"(http://127\.0\.0\.1:\d+/)#rollouts", line)
        assert address, line + process.stderr.read()
        assert episodes(address[1])["all"] == 72
        process.send_signal(signal.SIGINT)
        _, problems = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in problems


def test_several_folders_are_shown_by_their_names(tmp_path):
    for name in ("a/run", "b/run", "c"):
        write(tmp_path / name, "one", episode(steps=2, side=8))
    folders = [tmp_path / "a" / "run", tmp_path / "b" / "run", tmp_path / "c"]
    address = server.start(folders, 0).removesuffix("#rollouts")
    assert episodes(address)["facets"]["runs"] == {"run": 1, "b_run": 1, "c": 1}
    with urlopen(f"{address}data/plugins_listing") as answer:
        assert json.load(answer)["rollouts"]["enabled"]


def test_a_missing_folder_is_named(call, tmp_path):
    status, _, err = call("dashboard", tmp_path / "none", "--no-open")
    assert status == 2
    assert err.count("\n") == 1
    assert "none" in err


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_wrong_port_is_named(call, tmp_path, port):
    status, _, err = call("dashboard", tmp_path, "--port", port, "--no-open")
    assert (status, err.count("\n")) == (2, 1)
    assert str(port) in err


def test_the_plugin_is_registered_once(monkeypatch):
    monkeypatch.setattr(server.default, "get_plugins", lambda: [RolloutsPlugin])
    assert server.plugins() == [RolloutsPlugin]


def test_it_is_an_entry_point():
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert 'rollouts = "mmrl.tensorboard.plugin:RolloutsPlugin"' in text
