"""Colours apart from shapes, found in the images and descriptions of grid worlds."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch

from mmrl.cli import main
from mmrl.data import RandomSource, Request, collect, find_place
from mmrl.data.frames import read_frames
from mmrl.errors import UserError
from mmrl.generative.image.color import ColorTokenizer
from mmrl.training.load import load
from mmrl.training.tasks.painter import PainterConfig, PainterTask

COLORS = ("red", "green", "blue", "purple", "yellow", "grey")
TINY: dict[str, Any] = {"width": 16, "layers": 1, "heads": 2, "text_args": {"width": 16}}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a dataset of a grid world, with descriptions of what is seen."""
    path = str(tmp_path_factory.mktemp("data") / "described")
    options = {"num_dists": 3, "room_size": 6, "max_steps": 12}
    request = Request("mmrl/GoToLocal-v0", 40, "random", env_args=options, num_envs=8)
    collect(request, RandomSource, find_place(path))
    return path


@pytest.fixture(scope="module")
def apart(described: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tokenizer that keeps colours apart, and never saw held-out pairs."""
    out = str(tmp_path_factory.mktemp("runs") / "apart")
    options = [
        "--colors_apart", "true", "--held_out_pairs", "true", "--steps", "1", "--device", "cpu",
    ]  # fmt: skip
    assert main(["fit", "tokenizer", "--data", described, "--out", out, *options]) == 0
    return out


def config(described: str, tokenizer: str, **changes: Any) -> PainterConfig:
    options = {"data": described, "tokenizer": tokenizer, "batch_size": 32, **TINY, **changes}
    return PainterConfig("unused", **options)


def test_colours_apart_give_tiles_back(described: str, apart: str) -> None:
    tokenizer = cast("ColorTokenizer", load(apart, "tokenizer", "cpu"))
    learnt = read_frames(described, 0.1, 10**6, held_out_pairs=True).learnt
    assert len(learnt) < len(read_frames(described, 0.1, 10**6).learnt)
    images = torch.from_numpy(learnt)
    off = (tokenizer.decode(tokenizer.encode(images)).int() - images.int()).abs()
    assert off.max() <= 2
    assert tokenizer.colored > 1
    assert tokenizer.colors == 6


def test_what_words_mean_is_found_out(described: str, apart: str) -> None:
    task = PainterTask.prepare(config(described, apart, held_out_pairs=True, named=list(COLORS)))
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
