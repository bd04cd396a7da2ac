"""``mmrl fit painter`` and ``mmrl paint``: what is learnt from, and images from sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from worlds.shapes import ShapeLanguage

from mmrl.cli import main
from mmrl.errors import UserError
from mmrl.training.tasks.painter import PainterConfig, PainterTask

SMALL = ["--device", "cpu", "--hidden", "32", "--steps", "10"]
TINY: dict[str, Any] = {"width": 16, "layers": 1, "heads": 2, "text_args": {"width": 16}}


@pytest.fixture(scope="module")
def tokenizer(described: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = str(tmp_path_factory.mktemp("runs") / "tokenizer")
    assert main(["fit", "tokenizer", "--data", described, "--out", out, *SMALL]) == 0
    return out


def config(described: str, tokenizer: str, **changes: Any) -> PainterConfig:
    options = {"data": described, "tokenizer": tokenizer, "batch_size": 32, **TINY, **changes}
    return PainterConfig("unused", **options)


def test_examples_are_images_with_what_is_true_of_them(described: str, tokenizer: str) -> None:
    task = PainterTask.prepare(config(described, tokenizer, unasked=0.5))
    one, two = (task.batch(np.random.default_rng(3)) for _ in range(2))
    assert all(one[name].equal(two[name]) for name in one)
    assert one["codes"].shape == (32, 108)
    empty = ((one["sentences"] > 0).sum(1) == 1).float().mean()
    assert 0.25 < empty < 0.75
    log_prob = task.module.eval().log_prob(one["sentences"], one["codes"])
    loss = float(task.losses(one)["loss"].detach())
    assert loss == pytest.approx(-float(log_prob.mean()) / 109, rel=1e-4)  # the end counts as one
    assert task.evaluate().metrics["nats"] == pytest.approx(loss, rel=0.25)  # untrained


def test_held_out_pairs_are_neither_shown_nor_asked_for(described: str, tokenizer: str) -> None:
    task = PainterTask.prepare(config(described, tokenizer, held_out_pairs=True))
    assert task.cases.turned_away > 0
    assert not any(ShapeLanguage().is_held_out(one) for one in task.descriptions)
    assert task.evaluate().metrics["turned_away"] == task.cases.turned_away


def test_fit_and_paint(
    described: str, tokenizer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, scene, sheet = (str(tmp_path / name) for name in ("painter", "scene.png", "sheet.png"))
    sizes = ["--width", "16", "--layers", "1", "--heads", "2", "--steps", "4", "--device", "cpu"]
    data = ["--data", described, "--tokenizer", tokenizer, "--batch_size", "16"]
    assert main(["fit", "painter", *data, *sizes, "--out", run]) == 0
    assert "nats" in capsys.readouterr().out
    assert (
        main(
            ["paint", run, "a small violet arch, the cursor on a small violet arch", "--out", scene]
        )
        == 0
    )
    with Image.open(scene) as image:
        assert image.size == (96, 72)
    assert (
        main(["paint", run, "a small violet arch", "--out", sheet, "--count", "3", "--seed", "5"])
        == 0
    )
    with Image.open(sheet) as image:
        assert image.width > 3 * 96
    before = Path(scene).read_bytes()
    assert main(["paint", run, "a unicorn", "--out", scene]) == 2
    assert "does not know 'unicorn'" in capsys.readouterr().err
    assert Path(scene).read_bytes() == before
    assert main(["paint", tokenizer, "a small violet arch", "--out", scene]) == 2
    assert "'mmrl fit painter' makes what is needed" in capsys.readouterr().err
    assert main(["paint", run, "a small violet arch", "--out", str(tmp_path / "scene.txt")]) == 2
    assert "ends in .png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer": ""}, "name a run folder that 'mmrl fit tokenizer' made"),
        ({"unasked": 2}, "unasked=2"),
        ({"heads": 3}, "must be divisible by heads=3"),
        ({"data": ""}, "data is empty"),
        ({"named": ["teal"]}, "fit tokenizer --colors_apart true"),
    ],
)
def test_what_cannot_be(
    described: str, tokenizer: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        PainterTask.prepare(config(described, **{"tokenizer": tokenizer, **changes}))
