"""Push and pull against a hub on this machine: the same agent arrives, and a stranger's is data."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mmrl
from mmrl.cli import main
from mmrl.errors import UserError
from tests.fake_hub import environment, fake_hub


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with fake_hub(monkeypatch, tmp_path / "cache") as hub:
        yield hub


def observations(count=16):
    rng = np.random.default_rng(0)
    return {
        "image": rng.integers(0, 256, (count, 24, 24, 3), dtype=np.uint8),
        "instruction": ["press left", "press right"] * (count // 2),
    }


def test_round_trip(trained, hub, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    url = mmrl.push(trained.run, "ann/lamps", licence="mit", log=lambda _: None)
    assert url == f"{hub.url}/ann/lamps"
    names = set(hub.files("ann/lamps"))
    assert {"README.md", "config.yaml", "result.json", "preview.gif"} <= names
    assert not {name for name in names if "code.json" in name or "events" in name}
    pulled = mmrl.pull("ann/lamps")
    assert pulled.name == "lamps"
    whole = {str(one.relative_to(pulled)): one.read_bytes() for one in pulled.rglob("*.*") if
             one.is_file()}  # fmt: skip
    assert whole == hub.files("ann/lamps")
    ours = trained.agent.act(observations(), deterministic=True)
    for name in ("ann/lamps", "ann/lamps@main", str(pulled)):
        agent = mmrl.load_agent(name)
        np.testing.assert_array_equal(agent.act(observations(), deterministic=True), ours)
    with pytest.raises(UserError, match="lamps exists already: give another folder, or --force"):
        mmrl.pull("ann/lamps")
    assert main(["pull", "ann/lamps", "--force"]) == 0
    assert "ann/lamps → lamps; try: mmrl eval lamps" in capsys.readouterr().out


def test_a_second_push_replaces_the_first(trained, hub, tmp_path):
    folder = mmrl.export(trained, tmp_path / "lamps", preview=False)
    mmrl.push(folder, "ann/lamps")
    before = {name for name in hub.files("ann/lamps") if name.startswith("checkpoints")}
    hub.files("ann/lamps")["checkpoints/step_999999/manifest.json"] = b"{}"
    mmrl.push(folder, "ann/lamps")
    now = {name for name in hub.files("ann/lamps") if name.startswith("checkpoints")}
    assert before == now
    with pytest.raises(UserError, match="is exported already"):
        mmrl.push(folder, "ann/lamps", half=True)


def test_without_a_network_the_copy_of_before_is_used(trained, hub, tmp_path, monkeypatch):
    mmrl.push(trained, "ann/lamps", preview=False)
    mmrl.load_agent("ann/lamps")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    asked = len(hub.requests)
    mmrl.load_agent("ann/lamps")
    assert len(hub.requests) == asked
    with pytest.raises(UserError, match="the hub cannot be reached, nor is ann/other in its cache"):
        mmrl.load_agent("ann/other")
    with pytest.raises(UserError, match="ann/other: the hub cannot be reached: it needs a network"):
        mmrl.push(trained, "ann/other", preview=False)


def test_private_and_missing(trained, hub, monkeypatch, tmp_path):
    mmrl.push(trained, "ann/secret", private=True, preview=False)
    assert hub.repositories["models", "ann/secret"].private
    with pytest.raises(UserError, match="ann/secret has no revision 'v9'"):
        mmrl.pull("ann/secret@v9", tmp_path / "there")
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
    for name in ("ann/secret", "ann/none"):
        with pytest.raises(UserError, match="you may use: check the name; for a private one, log"):
            mmrl.load_agent(name)
    with pytest.raises(UserError, match=r"\(401\): log in by 'hf auth login'"):
        mmrl.push(trained, "ann/new", preview=False)


def test_what_a_stranger_adds_is_not_downloaded(trained, hub, tmp_path, capsys):
    mmrl.push(trained, "ann/lamps", preview=False)
    files = dict(hub.files("ann/lamps"))
    planted = {"lamps.py": b"boom", "weights.pkl": b"boom", "code.json": b"{}"}
    hub.add("bob/lamps", {**files, **planted})
    folder = mmrl.pull("bob/lamps", tmp_path / "bob")
    assert not {one.name for one in folder.iterdir()} & planted.keys()
    shown = capsys.readouterr().err
    assert "not downloaded, as mmrl reads no such files: code.json, lamps.py, weights.pkl" in shown
    config = files["config.yaml"].decode()
    names = config.replace("env: ", "env: planted:Planted-v0  # ", 1)
    hub.add("eve/lamps", {**files, "config.yaml": names.encode()})
    with pytest.raises(UserError, match="there is no module 'planted' here|names code that is not"):
        mmrl.load_agent("eve/lamps")


def test_damage_is_noticed(trained, hub, tmp_path):
    mmrl.push(trained, "ann/lamps", preview=False)
    files = hub.files("ann/lamps")
    sizes = {name: len(content) for name, content in files.items()}
    hub.lie = {**sizes, "config.yaml": sizes["config.yaml"] + 1}
    with pytest.raises(UserError, match=r"config\.yaml has .* bytes here and .* on the hub"):
        mmrl.pull("ann/lamps", tmp_path / "there")
    hub.lie = {**sizes, "../../outside.json": 3}
    with pytest.raises(UserError, match="lists a file outside of its folder"):
        mmrl.pull("ann/lamps", tmp_path / "there")
    hub.lie = {"README.md": 3}
    with pytest.raises(UserError, match="is no run of mmrl: it lacks config.yaml"):
        mmrl.pull("ann/lamps", tmp_path / "there")
    assert not (tmp_path / "there").exists()
    hub.lie = None
    (weights,) = (name for name in files if name.endswith(".safetensors"))
    hub.add("ann/lamps", {**files, weights: files[weights][:-4] + b"\0\0\0\1"})
    with pytest.raises(UserError, match="is damaged: weights.safetensors is not what was written"):
        mmrl.load_agent("ann/lamps")


ROOT = Path(__file__).parents[3]
_ACT = """
import sys
import numpy as np
import mmrl
rng = np.random.default_rng(0)
images = rng.integers(0, 256, (16, 24, 24, 3), dtype=np.uint8)
seen = {"image": images, "instruction": ["press left", "press right"] * 8}
for name in sys.argv[1:]:
    agent = mmrl.load_agent(name, trust_code=True)
    print(agent.probabilities(seen).tobytes().hex())
"""


def test_another_process_and_folder_acts_alike(trained, hub, tmp_path):
    """A real process, elsewhere: its huggingface_hub knows the hub by its environment alone."""
    mmrl.push(trained, "ann/lamps", preview=False)
    files = hub.files("ann/lamps")
    for name in ("config.yaml", "env_info.json"):
        files[name] = files[name].replace(
            trained.config["env"].encode(), b"tests.worlds.lamps:Lamps"
        )
    exported = mmrl.export(trained, tmp_path / "exported", preview=False)
    there = tmp_path / "there"
    there.mkdir()
    variables = {**os.environ, **environment(hub, tmp_path / "other"),
                 "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}  # fmt: skip
    done = subprocess.run([sys.executable, "-c", _ACT, "ann/lamps", str(exported)], cwd=there,
                          env=variables, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    ours = trained.agent.probabilities(observations()).tobytes().hex()
    assert done.stdout.split() == [ours, ours]
    assert list(there.iterdir()) == []
