"""``mmrl fit tokenizer``: what it learns from, that rare patches count, and that it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from worlds.shapes import ShapeLanguage

from mmrl.cli import main
from mmrl.data import open_dataset
from mmrl.data.frames import distinct, patches_of, read_frames
from mmrl.errors import UserError
from mmrl.generative.image.tokenizer import ImageTokenizer
from mmrl.training.load import load
from mmrl.training.tasks.tokenizer import TokenizerConfig, TokenizerTask


def config(**changes: Any) -> TokenizerConfig:
    return TokenizerConfig(**{"out": "unused", "hidden": 32, "batch_size": 512, **changes})


def rare() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """99 dark patches and a white one, in images of 10 × 10 patches."""
    images = np.full((1, 80, 80, 3), 100, np.uint8)
    images[0, 72:, 72:] = 255
    return images


def test_patches_are_cut_row_by_row_and_counted() -> None:
    images = rare()
    patches = patches_of(images, 8)
    assert (patches.reshape(100, -1) == 255).all(1).nonzero()[0].tolist() == [99]
    different, counts = distinct(patches)
    assert dict(zip(different[:, 0, 0, 0].tolist(), counts.tolist(), strict=True)) == {
        100: 99, 255: 1,
    }  # fmt: skip


@pytest.mark.parametrize(("rarity", "least", "most"), [(0, 0, 20), (1, 200, 312), (0.5, 25, 75)])
def test_what_is_rare_is_drawn_more_often(rarity: float, least: int, most: int) -> None:
    task = TokenizerTask(config(rarity=rarity), rare(), rare())
    batch = task.batch(np.random.default_rng(0))["patches"]
    assert batch.shape == (512, 8, 8, 3)
    assert least <= int((batch == 255).all(3).all(2).all(1).sum()) <= most


def test_the_last_episodes_are_for_the_test(described: str) -> None:
    frames = read_frames(described, 0.25, 10**6)
    rollouts = open_dataset(described)
    assert np.array_equal(frames.test, np.concatenate([one.images for one in rollouts[15:]]))
    assert len(frames.learnt) == sum(len(one.images) for one in rollouts[:15])
    assert len(read_frames([described, described], 0.25, 12).learnt) == 12


def test_held_out_pairs_are_not_learnt_from(
    described: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = read_frames(described, 0.25, 10**6, held_out_pairs=True)
    learnt = [one for rollout in open_dataset(described)[:15] for one in rollout.descriptions]
    assert len(frames.learnt) == sum(not ShapeLanguage().is_held_out(one) for one in learnt)
    assert len(frames.learnt) < len(learnt)
    monkeypatch.setattr(ShapeLanguage, "is_held_out", lambda self, sentence: True)
    with pytest.raises(UserError, match="every image to learn from shows a held-out pair"):
        read_frames(described, 0.25, 10, held_out_pairs=True)


def test_fit_load_and_read(
    described: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "tokenizer")
    options = [
        "--steps", "270", "--learning_rate", "8e-3", "--batch_size", "256", "--hidden", "64",
        "--device", "cpu",
    ]  # fmt: skip
    assert main(["fit", "tokenizer", "--data", described, "--out", out, *options]) == 0
    said = capsys.readouterr().out
    assert "same_distinct" in said
    tokenizer = cast("ImageTokenizer", load(out, "tokenizer", "cpu"))
    assert (tokenizer.codes, tokenizer.grid) == (1000, (9, 12))
    images = torch.from_numpy(read_frames(described, 0.25, 50).test)
    off = (tokenizer.decode(tokenizer.encode(images)).float() - images.float()).abs()
    assert off.mean() < 4


def test_images_that_are_not_made_of_few_patches_are_refused() -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, 320, 320, 3), dtype=np.uint8)
    with pytest.raises(UserError, match="1,600 different patches"):
        TokenizerTask(config(colors_apart=True), images, images)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": ""}, "data is empty"),
        ({"rarity": 2}, "rarity=2"),
        ({"tolerance": -1}, "tolerance=-1"),
        ({"patch": 5}, "patch=5"),
        ({"levels": [1]}, "levels"),
    ],
)
def test_what_cannot_be(described: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TokenizerTask.prepare(config(**{"data": described, **changes}))
