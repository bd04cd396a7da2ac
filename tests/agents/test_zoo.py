"""The agents that come with the package: small, whole, and as good as their cards say."""

import json
from pathlib import Path

import pytest

import mmrl
from mmrl.experiment.run import Run, Status
from mmrl_agents import zoo

FOLDERS = sorted(file.parent for file in Path(zoo.__file__).parent.glob("*/config.yaml"))
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "zoo.json"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_agent_is_small_and_documented(folder):
    run = Run.open(folder)
    assert run.status is Status.EXPORTED
    assert sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()) < 1_500_000
    card, result = (
        (folder / "README.md").read_text(),
        json.loads((folder / "result.json").read_text()),
    )
    published = json.loads(RESULTS.read_text())["agents"][folder.name]
    if result["success_rate"] is None:
        shown, measure, most = f"return {result['mean_return']:.2f}", "mean_return", 1.0
    else:
        shown, measure, most = f"success {result['success_rate']:.1%}", "success_rate", 0.01
    assert shown in card
    assert published["float16"][measure] == result[measure]
    assert abs(published["float32"][measure] - result[measure]) < most
    mmrl.load_agent(folder, "cpu")


def test_they_do_what_they_are_for():
    folder = next(one for one in FOLDERS if one.name == "pickup-dist")
    result = mmrl.evaluate(folder, episodes=48, controls=False, device="cpu")
    assert result["success_rate"] >= 0.95


def test_the_package_names_them():
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert '[project.entry-points."mmrl.zoo"]\nmmrl_agents = "mmrl_agents.zoo"' in project
