"""The world model's task: what it learns from, what is measured, and the commands, as a user types
them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmrl.cli import main
from mmrl.data import open_dataset
from mmrl.errors import UserError
from mmrl.experiment.run import Run
from mmrl.generative.world_model.metrics import f1, predict_episodes
from mmrl.generative.world_model.simulator import WorldSimulator
from mmrl.records import read_record
from mmrl.training.load import load
from mmrl.training.tasks.world_model import WorldModelConfig, WorldModelTask
from mmrl.training.trainer import Training
from mmrl.viz.window.imagination import ImaginedSession
from mmrl.viz.window.player import Player

ENV = "mmrl/GoToRedBallGrey-v0"
SMALL = {"width": 16, "heads": 2, "layers": 1, "outcome_layers": 1, "frames": 3, "margin": 3}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two datasets and an image tokenizer."""
    folder = tmp_path_factory.mktemp("world")
    for by, count in (("expert", 30), ("random", 10)):
        options = ["--episodes", str(count), "--by", by, "--env_args.max_steps", "20"]
        assert main(["collect", ENV, *options, "--out", str(folder / by)]) == 0
    options = ["--steps", "10", "--hidden", "16", "--device", "cpu", "--checkpoint_every", "0"]
    data = ["--data", f"[{folder}/expert, {folder}/random]"]
    assert main(["fit", "tokenizer", *data, *options, "--out", str(folder / "tokenizer")]) == 0
    return folder


def config(folder: Path, **changes: Any) -> WorldModelConfig:
    options: dict[str, Any] = {
        "data": [str(folder / "expert"), str(folder / "random")],
        "tokenizer": str(folder / "tokenizer"),
        "text_args": {"width": 8},
        "test_share": 0.2,
        "batch_size": 4,
        "window": 4,
        "device": "cpu",
        **SMALL,
        **changes,
    }
    return WorldModelConfig("unused", **options)


@pytest.fixture(scope="module")
def task(fitted: Path) -> WorldModelTask:
    return WorldModelTask.prepare(config(fitted))


def test_batches_are_segments_of_episodes_drawn_by_the_generator_alone(task: WorldModelTask):
    one, two = (task.batch(np.random.default_rng(3)) for _ in range(2))
    assert all(one[name].equal(two[name]) for name in one)
    assert one["ids"].shape == (4, 5, 49)
    assert one["mask"].shape == one["actions"].shape == (4, 4)
    assert not one["mask"].all()  # the expert's episodes are short


def test_steps_are_relabelled_with_other_instructions(task: WorldModelTask):
    """Drawn from the same episodes: a step that achieved its instruction is one of those for which
    the verifier recorded an achievement.
    """
    batch = task.batch(np.random.default_rng(3))
    ids, actions, achieved = (
        batch[f"relabelled_{name}"] for name in ("ids", "actions", "achieved")
    )
    assert len(ids) == len(achieved) <= task.config.relabelled
    recorded = [
        any(step)
        for name in task.config.data
        for one in open_dataset(name)[: 24 if name.endswith("expert") else 8]
        for step in one.achieved
    ]
    after = task._train.transitions()[1][torch.tensor(recorded)]
    taken = task._train.actions[torch.tensor(recorded)]
    for row in achieved.nonzero().flatten().tolist():
        assert ((after == ids[row]).all(1) & (taken == actions[row])).any()
    losses = task.losses(batch)
    parts = sum(value for name, value in losses.items() if name != "loss")
    assert torch.allclose(losses["loss"], parts)


@pytest.mark.parametrize("changes", [{"relabelled": 0}, {"text": "", "text_args": {}}])
def test_no_steps_are_relabelled_where_that_is_off_or_no_instruction_is_read(
    fitted: Path, changes: dict[str, Any]
):
    other = WorldModelTask.prepare(config(fitted, **changes))
    batch = other.batch(np.random.default_rng(3))
    assert "relabelled_ids" not in batch
    assert "relabelled" not in other.losses(batch)


def test_it_learns_from_one_part_and_is_tested_with_the_other(task: WorldModelTask):
    assert len(task._train) == 24 + 8
    assert len(task._test) == 6 + 2
    read = open_dataset(str(Path(task.config.data[0])))
    ends = task._train.ends
    assert int(ends[: sum(map(len, read[:24]))].sum()) == sum(one.terminated for one in read[:24])
    assert bool(ends[len(read[0]) - 1]) == read[0].success


def test_what_is_measured(task: WorldModelTask):
    metrics = task.evaluate().metrics
    assert {"predictable_1", "copied_5", "all_15", "reward_f1", "end_f1"} <= metrics.keys()
    found = predict_episodes(task.module.model, task._test, 5, np.random.default_rng(0))
    assert found.ids.shape == found.true.shape == (8, 5, 49)
    for row in range(8):  # in the order of the episodes
        start = int(task._test.starts[row]) + row + int(found.starts[row])
        assert torch.equal(found.last[row], task._test.ids[start])
    same, known = found.last == found.true[:, 0], found.known[:, 0]
    assert found.k_step_accuracy(1)["copied"] == pytest.approx(float(same[known].float().mean()))
    right = found.ids[:, 0] == found.true[:, 0]
    assert found.k_step_accuracy(1)["all"] == pytest.approx(float(right.float().mean()))
    steps = found.mask.sum(1)
    assert steps.tolist() == np.minimum(task._test.lengths - found.starts, 5).tolist()


def test_f1():
    predicted, true = (
        torch.tensor([True, True, False, False]),
        torch.tensor([True, False, True, False]),
    )
    assert f1(predicted, true) == pytest.approx(0.5)
    assert np.isnan(f1(predicted & False, true & False))


def test_resuming_is_exact(fitted: Path, tmp_path: Path):
    options = config(fitted, data=str(fitted / "random"), steps=6)
    torch.manual_seed(0)
    whole = Training(WorldModelTask.prepare(options), options)
    torch.manual_seed(0)
    stopped = Training(WorldModelTask.prepare(options), options)
    for _ in range(6):
        whole.advance()
    for _ in range(3):
        stopped.advance()
    resumed = Training(WorldModelTask.prepare(options), options)
    run = Run.create(tmp_path / "run", {"task": "world-model"})
    run.save_checkpoint(stopped.checkpoint())
    resumed.resume(run.read_checkpoint())
    for _ in range(3):
        resumed.advance()
    one, other = (training.task.module.state_dict() for training in (whole, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_it_is_used_without_its_data(task: WorldModelTask, tmp_path: Path):
    run = Run.create(tmp_path / "run", {"task": "world-model"})
    training = Training(task, task.config)
    run.save_checkpoint(training.checkpoint())
    world = load(run.path, "world-model", "cpu")
    assert isinstance(world, WorldSimulator)
    real = open_dataset(str(Path(task.config.data[1])))[0]
    dreams = []
    for one in (task.module.eval(), world):
        state = one.observe(real.images[None, :4], real.actions[None, :3], [real.instruction])
        dreams.append(one.imagine(state, real.actions[None, 3:9])[0])
    assert torch.equal(dreams[0].ids, dreams[1].ids)
    assert torch.equal(dreams[0].rewards, dreams[1].rewards)
    assert world.decode(dreams[0].ids[0]).shape == (6, 56, 56, 3)


def test_walking_about_in_a_dream(task: WorldModelTask):
    with closing(ImaginedSession(task.module.eval(), ENV, {"max_steps": 4}, 7)) as session:
        player = Player(session)
        assert ("tab", "map") not in player.scene().keys  # nobody knows more than is seen
        views = []
        for _ in range(2):
            assert player.press("r")
            views.append([session.view])
            while session.success is None:
                assert player.press("up")
                views[-1].append(session.view)
            assert not player.press("up")
        assert 2 <= len(views[0]) <= 5  # its end may be dreamt as well
        assert np.array_equal(*map(np.stack, views))  # the same once more
        assert player.press("n")
        assert (session.seed, session.steps) == (8, 0)
        with pytest.raises(UserError, match="sofa"):
            ImaginedSession(task.module, ENV, {}, 7, instruction="go to the sofa")


def test_what_a_world_does_not_know(task: WorldModelTask):
    world, image = task.module, np.zeros((1, 1, 56, 56, 3), np.uint8)
    known = open_dataset(str(Path(task.config.data[0])))[0].instruction
    nothing = np.zeros((1, 0), np.int64)
    with pytest.raises(UserError, match="unknown words.*sofa.*fitted without"):
        world.observe(image, nothing, ["go to the sofa"])
    with pytest.raises(UserError, match=r"images of \[40, 40\] pixels.*\[56, 56\]"):
        world.observe(image[:, :, :40, :40], nothing, [known])
    with pytest.raises(UserError, match="9 actions.*fitted for 7"):
        world.observe(image.repeat(2, 1), np.array([[8]]), [known])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer": ""}, "name a run folder that 'mmrl fit tokenizer' made"),
        ({"data": ""}, "data is empty"),
        ({"window": 0}, "window=0"),
        ({"margin": -1}, "margin=-1"),
        ({"relabelled": -1}, "relabelled=-1"),
        ({"heads": 3}, "width=16: must be divisible by heads=3"),
        ({"text": "small_brt"}, "'small_brt' is neither"),
    ],
)
def test_what_cannot_be(fitted: Path, changes: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        WorldModelTask.prepare(config(fitted, **changes))


def test_images_of_another_size_are_refused_with_both(
    fitted: Path, tmp_path: Path, call: Callable[..., tuple[int, str, str]]
):
    data = tmp_path / "large"
    call("collect", ENV, "--episodes", 2, "--by", "random", "--env_args.tile_size", 16,
         "--env_args.max_steps", 5, "--out", data)  # fmt: skip
    with pytest.raises(UserError, match=r"\[56, 56\].*\[112, 112\]"):
        WorldModelTask.prepare(config(fitted, data=str(data), test_share=0.5))


def test_from_episodes_to_dreams(
    fitted: Path,
    tmp_path: Path,
    call: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
):
    """Fit, resume, imagine: the commands."""
    monkeypatch.chdir(tmp_path)
    data = f"[{fitted}/expert, {fitted}/random]"
    options = [word for name, value in SMALL.items() for word in (f"--{name}", value)]
    status, out, _ = call(
        "fit", "world-model", "--data", data, "--tokenizer", fitted / "tokenizer", *options,
        "--steps", 4, "--batch_size", 4, "--device", "cpu", "--out", "world",
    )  # fmt: skip
    assert status == 0
    assert "held out: reward_f1" in out
    assert json.loads((tmp_path / "world" / "result.json").read_text())["task"] == "world-model"
    status, out, _ = call(
        "imagine", "world", "--episodes", 2, "--context", 2, "--steps", 4, "--by", "random",
        "--out", "imagined.gif", "--records", "true",
    )  # fmt: skip
    assert status == 0
    assert "2 steps observed, 4 imagined" in out
    records = [read_record(one) for one in sorted((tmp_path / "world" / "episodes").iterdir())]
    assert [one.source for one in records] == ["imagination"] * 2
    for record in records:
        real, imagined = record.frames["image"], record.frames["imagined"]
        assert real.shape == imagined.shape == (7, *real.shape[1:])
        assert (real[:3] == imagined[:3]).all()  # what was observed
        assert np.isnan(record.numbers["imagined_reward"]).tolist() == [True] * 2 + [False] * 4
        assert record.about["observed_steps"] == 2
    assert (tmp_path / "imagined.gif").read_bytes()[:3] == b"GIF"
    assert "mmrl fit world-model" in call("imagine", "nowhere")[2]
    assert "was fitted for tokenizer" in call("imagine", fitted / "tokenizer")[2]
    assert "--by nobody" in call("imagine", "world", "--by", "nobody")[2]
    assert "sofa" in call("imagine", "world", "--instruction", "go to the sofa")[2]
