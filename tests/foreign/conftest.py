"""What the tests with a foreign world share: its data, and tiny sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mmrl.cli import main

import worlds.shapes  # noqa: F401, isort: skip  # registers the world


@pytest.fixture(scope="session")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """A function that gives the path of a dataset of ``shapes/<name>-v0``."""
    folder = tmp_path_factory.mktemp("shapes")

    def collect(name: str) -> str:
        path = folder / name
        if not path.exists():
            command = ["collect", f"shapes/{name}-v0", "--episodes", "40", "--by", "random"]
            assert main([*command, "--out", str(path)]) == 0
        return str(path)

    return collect


@pytest.fixture(scope="session")
def fitted(
    collected: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """A function that fits a task to a dataset of ``shapes/<name>-v0``, once; the run folder."""
    folder = tmp_path_factory.mktemp("runs")

    def fit(task: str, name: str, *options: Sequence[str]) -> Path:
        path = folder / f"{task}-{name}"
        if not path.exists():
            size = SIZES[task]
            command = ["fit", task, "--data", collected(name), "--device", "cpu", *size]
            assert main([*command, *map(str, options), "--out", str(path)]) == 0
        return path

    return fit


SIZES = {
    "captioner": ["--steps", "3", "--batch_size", "8", "--width", "16", "--layers", "1",
                  "--heads", "2", "--image_args", "{width: 8}", "--test_share", "0.3"],
    "tokenizer": ["--steps", "10", "--batch_size", "64", "--hidden", "16", "--levels", "[5, 5, 5]"],
    "painter": ["--steps", "3", "--batch_size", "8", "--width", "16", "--layers", "1", "--heads",
                "2", "--text_args", "{width: 16}", "--test_share", "0.3"],
    "retrieval": ["--steps", "3", "--batch_size", "8", "--width", "16", "--hidden", "16",
                  "--image_args", "{width: 8}", "--text_args", "{width: 8}"],
}  # fmt: skip
