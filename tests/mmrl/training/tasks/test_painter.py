"""``mmrl fit painter`` and ``mmrl paint``: what is learnt from, and images from sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

from mmrl.cli import main
from mmrl.data.splits import mentions_held_out
from mmrl.errors import UserError
from mmrl.generative.image.color import ColorTokenizer
from mmrl.training.tasks.painter import PainterConfig, PainterTask

SMALL = ["--device", "cpu", "--hidden", "32", "--steps", "40"]
COLORS = ("red", "green", "blue", "purple", "yellow", "grey")
TINY: dict[str, Any] = {"width": 16, "layers": 1, "heads": 2, "text_args": {"width": 16}}


@pytest.fixture(scope="module")
def tokenizer(described: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = str(tmp_path_factory.mktemp("runs") / "tokenizer")
    assert main(["fit", "tokenizer", "--data", described, "--out", out, *SMALL]) == 0
    return out


@pytest.fixture(scope="module")
def apart(described: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tokenizer that keeps colours apart, and never saw held-out pairs."""
    out = str(tmp_path_factory.mktemp("runs") / "apart")
    options = ["--colors_apart", "true", "--held_out", "true", "--steps", "1", "--device", "cpu"]
    assert main(["fit", "tokenizer", "--data", described, "--out", out, *options]) == 0
    return out


def config(described: str, tokenizer: str, **changes: Any) -> PainterConfig:
    options = {"data": described, "tokenizer": tokenizer, "batch_size": 32, **TINY, **changes}
    return PainterConfig("unused", **options)


def test_examples_are_images_with_what_is_true_of_them(described: str, tokenizer: str) -> None:
    task = PainterTask.prepare(config(described, tokenizer, unasked=0.5))
    one, two = (task.batch(np.random.default_rng(3)) for _ in range(2))
    assert all(one[name].equal(two[name]) for name in one)
    assert one["codes"].shape == (32, 49)
    silent = ((one["sentences"] > 0).sum(1) == 1).float().mean()
    assert 0.25 < silent < 0.75
    told = task.module.eval().log_prob(one["sentences"], one["codes"])
    loss = float(task.losses(one)["loss"].detach())
    assert loss == pytest.approx(-float(told.mean()) / 50, rel=1e-4)  # the end counts as one
    evaluation = task.evaluate()
    assert evaluation.metrics["nats"] == pytest.approx(loss, rel=0.25)  # it has learnt nothing yet
    assert evaluation.images["painted"].ndim == 3


def test_held_out_pairs_are_neither_shown_nor_asked_for(described: str, tokenizer: str) -> None:
    task = PainterTask.prepare(config(described, tokenizer, held_out=True))
    assert task.cases.turned_away > 0
    assert not any(mentions_held_out(one) for one in task.learnt)
    assert task.evaluate().metrics["turned_away"] == task.cases.turned_away


def test_what_words_mean_is_found_out(described: str, apart: str) -> None:
    task = PainterTask.prepare(config(described, apart, held_out=True, named=list(COLORS)))
    means = task.recipe["meanings"]
    assert sorted(means.values()) == list(range(6))
    palette = cast("ColorTokenizer", task.module.tokenizer).palette.detach()
    assert palette[means["red"]].argmax() == 0
    assert palette[means["green"]].argmax() == 1
    assert palette[means["blue"]].argmax() == 2
    one, two = (task.batch(np.random.default_rng(3)) for _ in range(2))
    assert all(one[name].equal(two[name]) for name in one)
    said = task.module.read([" ".join(COLORS)])[0, 1:7]
    assert not torch.isin(one["sentences"], said).any()
    assert len(task.module.paint(["a red key, a grey ball"])) == 1
    with pytest.raises(UserError, match="goes with 'agent'"):
        PainterTask.prepare(config(described, apart, named=["red", "agent"]))


def test_fit_and_paint(
    described: str, tokenizer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, scene, sheet = (str(tmp_path / name) for name in ("painter", "scene.png", "sheet.png"))
    sizes = ["--width", "16", "--layers", "1", "--heads", "2", "--steps", "4", "--device", "cpu"]
    data = ["--data", described, "--tokenizer", tokenizer, "--batch_size", "16"]
    assert main(["fit", "painter", *data, *sizes, "--out", run]) == 0
    assert "nats" in capsys.readouterr().out
    assert main(["paint", run, "a ball, a wall in front of the agent", "--out", scene]) == 0
    with Image.open(scene) as image:
        assert image.size == (56, 56)
    assert main(["paint", run, "a ball", "--out", sheet, "--count", "3", "--seed", "5"]) == 0
    with Image.open(sheet) as image:
        assert image.width > 3 * 56
    before = Path(scene).read_bytes()
    assert main(["paint", run, "a unicorn", "--out", scene]) == 2
    assert "does not know 'unicorn'" in capsys.readouterr().err
    assert Path(scene).read_bytes() == before
    assert main(["paint", tokenizer, "a ball", "--out", scene]) == 2
    assert "'mmrl fit painter' makes what is needed" in capsys.readouterr().err
    assert main(["paint", run, "a ball", "--out", str(tmp_path / "scene.txt")]) == 2
    assert "ends in .png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer": ""}, "name a run folder that 'mmrl fit tokenizer' made"),
        ({"unasked": 2}, "unasked=2"),
        ({"heads": 3}, "must be divisible by heads=3"),
        ({"data": ""}, "data is empty"),
        ({"named": ["red"]}, "fit tokenizer --colors_apart true"),
    ],
)
def test_what_cannot_be(
    described: str, tokenizer: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        PainterTask.prepare(config(described, **{"tokenizer": tokenizer, **changes}))
