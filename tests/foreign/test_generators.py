"""Captioner, tokenizer, painter and retrieval on the data of a foreign world."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from worlds.shapes import ShapeLanguage

from mmrl.cli import main
from mmrl.data import open_dataset
from mmrl.data.captioned import read_scenes
from mmrl.language import NEUTRAL
from mmrl.preprocessing.text import split_words
from mmrl.training.goal_images import load_goals
from mmrl.training.tasks.painter import PainterConfig, PainterTask

Collected = Callable[[str], str]
Fitted = Callable[..., Path]
BOTH = pytest.mark.parametrize("name", ["Touch", "Plain"])


def test_a_dataset_finds_its_language(collected: Collected) -> None:
    assert isinstance(open_dataset(collected("Touch")).language, ShapeLanguage)
    assert open_dataset(collected("Plain")).language is NEUTRAL


def test_kinds_of_instructions(collected: Collected, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collect", "show", collected("Touch")]) == 0
    table = capsys.readouterr().out.split("kind of instruction")[1]
    assert table.splitlines()[1].split()[-1] == "touch"
    assert main(["collect", "show", collected("Plain")]) == 0
    table = capsys.readouterr().out.split("kind of instruction")[1]
    assert "the" in table.splitlines()[1].split()


@BOTH
def test_captioner(
    fitted: Fitted, collected: Collected, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = fitted("captioner", name)
    assert main(["caption", str(run), "--data", collected(name), "--episodes", "4"]) == 0
    assert "right" in capsys.readouterr().out.splitlines()[-1]


@BOTH
def test_painter(fitted: Fitted, collected: Collected, name: str, tmp_path: Path) -> None:
    run = fitted("painter", name, "--tokenizer", fitted("tokenizer", name))
    rollouts = open_dataset(collected(name))
    sentence = rollouts.language.prompt(rollouts[0].descriptions[0], np.random.default_rng(0))
    assert main(["paint", str(run), sentence, "--out", str(tmp_path / "scene.png")]) == 0
    with Image.open(tmp_path / "scene.png") as image:
        assert image.size == (96, 72)


@BOTH
def test_a_painter_knows_the_words_of_the_descriptions(
    fitted: Fitted, collected: Collected, name: str
) -> None:
    tokenizer = str(fitted("tokenizer", name))
    task = PainterTask.prepare(
        PainterConfig("unused", data=collected(name), tokenizer=tokenizer, width=16, heads=2)
    )
    words = {word for one in task.descriptions for word in split_words(one)}
    assert {"teal", "hexagon", "small"} <= set(task.recipe["words"]) <= {*words, ","}
    assert bool(task.batch(np.random.default_rng(0))["sentences"].any())
    if name == "Plain":
        assert words <= set(task.recipe["words"])


def test_goals_are_prompted_for_in_the_painters_language(fitted: Fitted) -> None:
    goals = {
        name: load_goals(
            fitted("painter", name, "--tokenizer", fitted("tokenizer", name)), (72, 96)
        )
        for name in ("Touch", "Plain")
    }
    instruction = "tap the small violet arch"
    prompted = {name: one._language.goal_prompt(instruction) for name, one in goals.items()}
    assert prompted == {"Touch": "the cursor on a small violet arch", "Plain": instruction}
    assert goals["Touch"].encode(instruction).shape == (1, 72, 96, 3)


@BOTH
def test_retrieval(
    fitted: Fitted,
    collected: Collected,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run = fitted("retrieval", name)
    assert main(["index", collected(name), "--model", str(run), "--out", "made.index"]) == 0
    capsys.readouterr()
    assert main(["search", "made.index", "a small violet arch", "--top", "3"]) == 0
    assert " left of " in capsys.readouterr().out


@pytest.mark.parametrize("task", ["captioner", "tokenizer", "painter", "retrieval"])
def test_held_out_pairs(
    task: str,
    fitted: Fitted,
    collected: Collected,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = ["--tokenizer", str(fitted("tokenizer", "Touch"))] if task == "painter" else []
    command = ["fit", task, "--steps", "1", "--device", "cpu", "--held_out_pairs", "true", *more]
    out = tmp_path / "run"
    assert main([*command, "--data", collected("Plain"), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "held_out_pairs=true: the language of this environment holds no pairs out" in error
    assert not out.exists()


def test_held_out_pairs_of_a_language_are_left_out(fitted: Fitted, collected: Collected) -> None:
    task = PainterTask.prepare(
        PainterConfig(
            "unused", data=collected("Touch"), tokenizer=str(fitted("tokenizer", "Touch")),
            width=16, heads=2, held_out_pairs=True,
        )
    )  # fmt: skip
    assert task.cases.turned_away > 0
    assert not any(map(ShapeLanguage().is_held_out, task.descriptions))
    assert any(map(ShapeLanguage().is_held_out, read_scenes(collected("Touch")).sentences))


@pytest.mark.parametrize("task", ["painter", "retrieval"])
def test_no_descriptions(
    task: str,
    fitted: Fitted,
    collected: Collected,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = ["--tokenizer", str(fitted("tokenizer", "Touch"))] if task == "painter" else []
    command = ["fit", task, "--steps", "1", "--device", "cpu", *more]
    out = str(tmp_path / "run")
    assert main([*command, "--data", collected("Silent"), "--out", out]) == 2
    assert "lacks infos/description" in capsys.readouterr().err
