"""The notebooks run from top to bottom, with few steps."""

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
SMALL = {
    "train_and_look": {
        "STEPS = 60_000": "STEPS = 128",
        '"num_envs": 64': '"num_envs": 8',
        '"n_steps": 32': '"n_steps": 8',
        '"batch_size": 512': '"batch_size": 32',
        "episodes=100": "episodes=4",
        '"luma_chroma"': '"nature_cnn"',
        '"small_bert"': '"bag_of_words"',
    },
    "your_environment": {
        "STEPS = 8_000": "STEPS = 128",
        '"num_envs": 32': '"num_envs": 8',
        "episodes=200": "episodes=8",
    },
    "image_and_text": {"EPISODES = 600": "EPISODES = 12", "FIT_STEPS = 300": "FIT_STEPS = 2"},
}
"""What is replaced, so that a test is quick."""


def cells(name: str) -> list[dict[str, Any]]:
    """The cells of a notebook."""
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.ipynb").read_text())["cells"]
    return found


def test_all_are_tested_and_have_no_outputs() -> None:
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == SMALL.keys()
    for name in SMALL:
        code = [cell for cell in cells(name) if cell["cell_type"] == "code"]
        assert not any(cell["outputs"] or cell["execution_count"] for cell in code)


@pytest.mark.parametrize("name", SMALL)
def test_runs_from_top_to_bottom(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = ["".join(cell["source"]) for cell in cells(name) if cell["cell_type"] == "code"]
    whole = "\n\n".join(source)
    for before, after in SMALL[name].items():
        assert whole.count(before) == 1, before
        source = [one.replace(before, after) for one in source]
    scope: dict[str, Any] = {"__name__": "__main__"}
    for one in source:
        exec(one, scope)
    check = {"train_and_look": _look, "your_environment": _environment, "image_and_text": _caption}
    check[name](scope)


def _look(scope: dict[str, Any]) -> None:
    assert scope["probabilities"].shape == (2, 7)
    assert scope["both"]["instruction"][0] != scope["both"]["instruction"][1]
    assert "random_policy" in scope["report"]["controls"]


def _environment(scope: dict[str, Any]) -> None:
    assert 0 <= scope["report"]["success_rate"] <= 1
    assert scope["observation"]["image"].shape == (24, 32, 3)
    assert scope["robot"].action_space.high.tolist() == [1] * 4


def _caption(scope: dict[str, Any]) -> None:
    assert scope["features"].shape[0] == 2
    assert scope["same"]
    assert 0 <= scope["text"].probability <= 1
