"""``mmrl envs --all``: the ids of every package, and what is understood of those that match."""

import json

import gymnasium as gym
import numpy as np
import pytest
import worlds.bits
import worlds.shapes  # noqa: F401
from gymnasium import spaces

from mmrl import installed_packages
from mmrl.known_packages import KnownPackage
from mmrl.training.env_summary import summarize_env

BROKEN = "broken/Hatch-v0"


class Broken(gym.Env):
    def __init__(self):
        print("a banner")
        raise SystemExit("no licence\nfor this machine")


@pytest.fixture
def known(monkeypatch, tmp_path):
    """Two known packages: one registers an environment when it is imported, one fails."""
    (tmp_path / "orchard.py").write_text(
        "import gymnasium\nprint('hello')\ngymnasium.register('Apple-v0', 'orchard.trees:Apple')\n"
    )
    (tmp_path / "quarry.py").write_text("raise RuntimeError('no\\n  stone')\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = [KnownPackage(f"{one}-", one, one) for one in ("orchard", "quarry", "not_installed")]
    monkeypatch.setattr(installed_packages, "KNOWN", found)
    gym.register(BROKEN, f"{__name__}:Broken")
    yield
    for env_id in (BROKEN, "Apple-v0"):
        gym.registry.pop(env_id, None)


def test_all_ids_by_package(known, call):
    status, out, _ = call("envs", "--all")
    assert status == 0
    assert out.startswith("quarry cannot be imported: RuntimeError: no stone\n")
    assert "orchard (1 of 1)\n  orchard:Apple-v0\n" in out
    assert "  CartPole-v1\n" in out
    assert "  bits/Bit-v0\n" in out
    assert "hello" not in out
    assert "not_installed" not in out
    assert "python/" not in out


def test_what_is_understood(known, call, tmp_path):
    status, out, _ = call("envs", "hatch", "--all", "--json", tmp_path / "envs.json")
    assert status == 0
    assert f"  {BROKEN} cannot be built: SystemExit: no licence for this machine\n" in out
    assert "a banner" not in out
    plain = json.loads((tmp_path / "envs.json").read_text())
    assert [one["id"] for one in plain["environments"]] == [BROKEN]
    assert plain["failed"] == {"quarry": "RuntimeError: no stone"}
    status, out, _ = call("envs", "--all", "BITS/")
    [header, row] = out.splitlines()[1:]
    assert header.split() == ["id", "image", "vectors", "instruction", "actions", "success"]
    assert row.split()[:4] == ["bits/Bit-v0", "uint8", "[24,", "32,"]


def test_the_row_of_an_environment():
    row = summarize_env("shapes/Touch-v0")
    assert row.row == (
        "shapes/Touch-v0", "uint8 [72, 96, 3]", "-", "text of instruction", "Discrete(4)",
        "info['is_success'], else unknown",
    )  # fmt: skip
    assert row.why is None


def test_cameras_and_vectors_are_counted():
    class Rig(gym.Env):
        observation_space = spaces.Dict(
            left=spaces.Box(0, 255, (16, 16, 3), np.uint8),
            right=spaces.Box(0, 255, (16, 16, 3), np.uint8),
            joints=spaces.Box(-1, 1, (7,), np.float64),
            mission=spaces.Text(20),
        )
        action_space = spaces.Box(-1, 1, (2,), np.float32)

    gym.register("Rig-v0", Rig)
    try:
        row = summarize_env("Rig-v0")
    finally:
        del gym.registry["Rig-v0"]
    assert row.why is None
    assert (row.image, row.vectors) == ("uint8 [16, 16, 3] and 1 more", "joints [7]")
    assert (row.instruction, row.actions) == ("text of mission", "Box(2) from -1 to 1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--all", "zzz"], "no id contains 'zzz'"),
        (["--all", "--json", "x.json"], "give --all and a part of the ids"),
        (["x", "--json", "x.json"], "give --all and a part of the ids"),
    ],
)
def test_what_cannot_be(known, call, arguments, words):
    status, _, err = call("envs", *arguments)
    assert status == 2
    assert words in err
