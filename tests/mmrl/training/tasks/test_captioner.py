"""The captioner's task: what it learns from, what it does not, and that it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from worlds.shapes import ShapeLanguage

from mmrl.cli import main
from mmrl.data import Episode
from mmrl.errors import UserError
from mmrl.experiment.run import Run
from mmrl.training.tasks.captioner import CaptionerConfig, CaptionerTask

COLORS = {"teal": (0, 128, 128), "ochre": (204, 119, 34), "violet": (143, 0, 255)}
LANGUAGE = ShapeLanguage()


class Episodes(list):
    """Episodes in a language, as a dataset has them."""

    language = LANGUAGE


def rollout(color: str, number: int, **changes: Any) -> Episode:
    """Two steps; with the second one something of a colour is picked up: all is of that colour."""
    images = np.zeros((3, 16, 16, 3), np.uint8)
    images[2] = COLORS[color]
    images[0, 0, 0] = number
    sentences = (f"touch the {color} star", f"touch the {color} star on the left")
    return Episode(**{
        "images": images,
        "instruction": sentences[0],
        "actions": np.array([1, 3]),
        "rewards": np.array([0.0, 0.9]),
        "success": True,
        "seed": number,
        "achieved": ((), sentences),
        "descriptions": ("nothing",) * 2 + (f"the cursor on a {color} star",),
        "env_id": "test-v0",
        **changes,
    })  # fmt: skip


@pytest.fixture
def dataset(monkeypatch: pytest.MonkeyPatch) -> list[Episode]:
    """60 episodes, in which every colour is as frequent as the others."""
    made = Episodes(rollout(list(COLORS)[k % 3], k) for k in range(60))
    monkeypatch.setattr("mmrl.training.tasks.captioner.open_dataset", lambda name, success: made)
    return made


def config(**changes: Any) -> CaptionerConfig:
    options: dict[str, Any] = {
        "data": "test", "batch_size": 16, "width": 32, "layers": 1, "heads": 2, "device": "cpu",
        "test_share": 0.2, "without": "on the left", "image_args": {"patch": 4, "width": 16},
    }  # fmt: skip
    return CaptionerConfig("unused", **{**options, **changes})


def test_examples_are_the_frames_around_what_was_achieved(dataset: list[Episode]):
    task = CaptionerTask.prepare(config())
    assert len(task._train) == 48
    assert len(task._test) == 12
    assert {one.episode for one in task._train} == set(range(48))
    one = task._train[4]
    assert one.captions == ("touch the ochre star",)
    assert one.true == dataset[4].achieved[1]
    assert np.array_equal(task._train_images[4], dataset[4].images[1:])
    batch = task.batch(np.random.default_rng(0))
    assert batch["images"].shape == (16, 2, 16, 16, 3)


def test_batches_are_drawn_by_the_generator_alone(dataset: list[Episode]):
    task = CaptionerTask.prepare(config())
    one, two = (task.batch(np.random.default_rng(5)) for _ in range(2))
    assert all(one[name].equal(two[name]) for name in one)


def test_held_out_pairs_are_never_learnt_from(dataset: list[Episode]):
    task = CaptionerTask.prepare(config(held_out_pairs=True))  # a teal star is one of them
    assert not any(LANGUAGE.is_held_out(s) for one in task._train for s in one.true)
    assert task.cases.turned_away == 16
    assert any(LANGUAGE.is_held_out(s) for one in task._test for s in one.true)
    metrics = task.evaluate().metrics
    assert {"accepted", "accepted_held_out_pairs", "turned_away"} <= metrics.keys()


def test_images_that_are_described_with_held_out_pairs_are_not_learnt_from(
    dataset: list[Episode],
):
    behind = ("an ochre arch", "nothing", "nothing")
    dataset[1] = rollout("ochre", 1, descriptions=behind)  # not one of the two that are looked at
    dataset[4] = rollout("ochre", 4, descriptions=behind[1:] + behind[:1])
    task = CaptionerTask.prepare(config(held_out_pairs=True))
    assert {1, 4} & {one.episode for one in task._train} == {1}
    assert task.cases.turned_away == 17


def test_what_is_to_be_seen(dataset: list[Episode]):
    task = CaptionerTask.prepare(config(about="scene", frames=1))
    assert {one.captions[0] for one in task._train} == {
        "nothing", *(f"the cursor on a {color} star" for color in COLORS),
    }  # fmt: skip


def test_only_successes_are_examples_where_achievements_are_not_recorded(
    dataset: list[Episode],
):
    silent = {"achieved": ((), ()), "descriptions": ("",) * 3}
    dataset[:] = [rollout("teal", k, success=k % 2 == 0, **silent) for k in range(20)]
    task = CaptionerTask.prepare(config())
    assert [one.episode for one in task._train] == list(range(0, 16, 2))
    assert task._train[0].captions == ("touch the teal star",)
    with pytest.raises(UserError, match="0 training and 0 test examples.*about='scene'"):
        CaptionerTask.prepare(config(about="scene", frames=1))
    dataset[:] = [rollout("teal", k, success=None, **silent) for k in range(20)]
    with pytest.raises(UserError, match="success of none is known: give success=terminated_with"):
        CaptionerTask.prepare(config())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"about": "weather"}, "unknown about 'weather'"),
        ({"without": "("}, r"without='\('"),
        ({"frames": 0}, "frames=0"),
        ({"named": ["teal"]}, r"named=\['teal'\]: small_resnet holds no colours aside"),
        ({"named": ["pink"], "image": "luma_chroma"}, "named: unknown words in 'pink'"),
        ({"image_args": {"depth": 3}}, "unexpected keyword argument .depth."),
    ],
)
def test_what_cannot_be(dataset: list[Episode], changes: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        CaptionerTask.prepare(config(**changes))


def test_from_episodes_to_captions(
    tmp_path: Path,
    shapes: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """Collect, fit, go on, caption: the commands, as a user types them."""
    monkeypatch.chdir(tmp_path)
    collect = ["collect", shapes, "--episodes", "20", "--by", "random", "--out", "./data"]
    assert main(collect) == 0
    options = [
        "--data", "./data", "--steps", "10", "--batch_size", "16", "--width", "32", "--layers", "1",
        "--heads", "2", "--device", "cpu", "--evaluate_every", "10", "--learning_rate", "3e-3",
        "--test_share", "0.2",
    ]  # fmt: skip
    assert main(["fit", "captioner", *options, "--out", "captioner"]) == 0
    out = capsys.readouterr().out
    assert "held out: accepted" in out
    assert main(["caption", "captioner", "--data", "./data", "--episodes", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert " right" in lines[-1]
    assert main(["fit", "captioner", "--resume", "captioner", "--steps", "15"]) == 2
    refusal = capsys.readouterr().err
    assert "steps: 10 → 15" in refusal
    assert "--allow-changes" in refusal
    longer = ["--resume", "captioner", "--steps", "15", "--allow-changes"]
    assert main(["fit", "captioner", *longer, "--width", "48"]) == 2
    assert "width: 32 → 48" in capsys.readouterr().err
    assert main(["fit", "captioner", *longer]) == 0
    assert Run.open("captioner").config["steps"] == 15
    assert Run.open("captioner").newest_checkpoint().name == "step_15"
    assert main(["fit", "captioner", "--resume", "captioner"]) == 0
    capsys.readouterr()
    assert main(["caption", "captioner"]) == 2
    assert "--data" in capsys.readouterr().err
    assert main(["caption", "captioner", "nowhere.png", "there.png"]) == 2
    assert "nowhere.png: there is no such file" in capsys.readouterr().err
    for name, size in {"own": (72, 96), "112": (112, 112), "4": (4, 4)}.items():
        image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(image).save(f"{name}.png")
    assert main(["caption", "captioner", "own.png", "own.png"]) == 0
    assert "%" in capsys.readouterr().out
    with pytest.warns(UserWarning, match="112.png has 112 × 112 pixels.* 72 × 96"):
        assert main(["caption", "captioner", "112.png", "112.png"]) == 0
    assert main(["caption", "captioner", "own.png", "112.png"]) == 2
    assert "must be of one size" in capsys.readouterr().err
    assert main(["caption", "captioner", "4.png", "4.png"]) == 2
    assert "8 pixels a side or more" in capsys.readouterr().err
