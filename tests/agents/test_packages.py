"""Agents train in the environments of other packages by the command alone, and clips show them.

Those whose package is installed are tried: Gymnasium's own and minigrid's are, and of the others

    pip install ale-py flappy-bird-gymnasium gym-pusht highway-env miniworld
    pip install --no-deps panda-gym popgym pybullet  # they ask for earlier versions of numpy

as many as you like. ``benchmarks/packages.py`` measures all of them.
"""

import json
import sys
from pathlib import Path

import pytest
import yaml

from mmrl.cli import main

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from packages import ENTRIES, is_installed

ROOT = Path(__file__).parents[2]
MEASURED = json.loads((ROOT / "benchmarks" / "results" / "packages.json").read_text())
SMALL = (
    "--device=cpu", "--steps=64", "--ppo.num-envs=2", "--ppo.n-steps=16", "--ppo.batch-size=16",
    "--ppo.n-epochs=1", "--clip-every=32", "--eval-episodes=1", "--controls=false",
    "--model.features=8", "--model.image-args={width: 8}", "--model.text=bag_of_words",
    "--env-adapter.time-limit=20", "--trust-code",
)  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda one: f"{one.id} {one.args or ''}".strip())
def test_it_trains(entry, tmp_path):
    if not is_installed(entry):
        pytest.skip(f"{entry.package} is not installed")
    name = entry.env + (f" {entry.args}" if entry.args else "")
    known = MEASURED["environments"].get(name)
    if known is None or not known["trains"]:
        pytest.skip(f"{name} has not trained before: see benchmarks/results/packages.md")
    arguments = ["--env", entry.env, "--env-args", yaml.safe_dump(entry.args)]
    out = tmp_path / "run"
    assert main(["train", *arguments, "--out", str(out), *SMALL]) == 0
    result = json.loads((out / "result.json").read_text())
    assert (result["success_rate"] is not None) == known["success_is_known"]
    assert isinstance(result["mean_return"], float)
    assert main(["clip", str(out), "--out", str(tmp_path / "a.gif"), "--trust-code"]) == 0
    assert (tmp_path / "a.gif").stat().st_size > 200
