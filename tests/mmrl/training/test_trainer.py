"""The supervised training loop: it learns, resumes exactly, and stops on a loss that is NaN."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from mmrl.errors import UserError
from mmrl.experiment.run import Run
from mmrl.interrupts import SIGNALS, Interrupted
from mmrl.training.load import load
from mmrl.training.task import Evaluation, FitConfig, Task
from mmrl.training.trainer import Training, fit, schedule


@dataclass
class LineConfig(FitConfig):
    slope: float = 2.0


class LineTask(Task):
    """y = slope · x, with dropout, so that torch's generator matters."""

    name, summary, Config = "tests.mmrl.training.test_trainer.LineTask", "a line", LineConfig

    def __init__(self, config: LineConfig) -> None:
        torch.manual_seed(config.seed)
        self.config, self.recipe = config, {"width": 8}
        self.module = self.build(self.recipe)
        self.spoilt = False

    @classmethod
    def prepare(cls, config: Any) -> LineTask:
        return cls(config)

    @staticmethod
    def build(recipe: dict[str, Any]) -> nn.Module:
        width = recipe["width"]
        return nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Dropout(0.1), nn.Linear(width, 1))

    def batch(self, generator: np.random.Generator) -> dict[str, torch.Tensor]:
        x = torch.from_numpy(generator.uniform(-1, 1, (self.config.batch_size, 1))).float()
        return {"x": x, "y": x * self.config.slope}

    def losses(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        loss = (self.module(batch["x"]) - batch["y"]).square().mean()
        return {"loss": loss * torch.nan if self.spoilt else loss}

    def evaluate(self) -> Evaluation:
        x = torch.linspace(-1, 1, 11)[:, None]
        with torch.no_grad():
            error = (self.module(x) - x * self.config.slope).abs().max()
        return Evaluation(
            {"error": float(error)}, ["a line"], {"grey": np.zeros((4, 4, 3), np.uint8)}
        )


def config(tmp_path: Path, **changes: Any) -> LineConfig:
    options: dict[str, Any] = {
        "steps": 60, "batch_size": 16, "learning_rate": 0.02, "evaluate_every": 30,
        "checkpoint_every": 20, "device": "cpu", **changes,
    }  # fmt: skip
    return LineConfig(str(tmp_path), **options)


def create(path: Path) -> Run:
    return Run.create(path, {"task": LineTask.name})


def test_it_learns_and_writes_losses_metrics_and_samples(tmp_path: Path) -> None:
    options, run = config(tmp_path, steps=300), create(tmp_path / "run")
    before = LineTask(options).evaluate().metrics["error"]
    evaluation = fit(LineTask(options), options, run)
    assert evaluation.metrics["error"] < before / 4
    result = json.loads((run.path / "result.json").read_text())
    assert result["error"] == evaluation.metrics["error"]
    assert result["steps"] == 300
    events = EventAccumulator(str(run.path), size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()
    assert {"fit/loss", "fit/learning_rate", "held_out/error"} <= set(tags["scalars"])
    assert "held_out/grey" in tags["images"]
    assert [event.step for event in events.Scalars("fit/loss")] == list(range(20, 301, 20))
    assert [event.step for event in events.Scalars("held_out/error")] == list(range(30, 301, 30))


def test_loggers_get_the_curves(tmp_path: Path) -> None:
    options = config(tmp_path, steps=40, logger=["jsonl"])
    run = create(tmp_path / "fit")
    fit(LineTask(options), options, run)
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [(row["step"], "fit/loss" in row, "held_out/error" in row) for row in rows] == [
        (20, True, False), (30, False, True), (40, True, False), (40, False, True)
    ]  # fmt: skip


def test_tasks_are_called_before_and_after_each_step(tmp_path: Path) -> None:
    options, called = config(tmp_path), []
    task = LineTask(options)
    task.before_step = lambda step: called.append(("before", step))
    task.after_step = lambda step: called.append(("after", step))
    training = Training(task, options)
    for _ in range(2):
        training.advance()
    assert called == [("before", 0), ("after", 1), ("before", 1), ("after", 2)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> LineTask:
    """What a training makes that nothing interrupts."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    task = LineTask(config(folder))
    fit(task, config(folder), create(folder / "whole"))
    return task


def test_resuming_is_exact(tmp_path: Path, whole: LineTask) -> None:
    options = config(tmp_path)
    run, stopped = create(tmp_path / "parts"), Training(LineTask(options), options)
    for _ in range(33):
        stopped.advance()
    run.save_checkpoint(stopped.checkpoint())
    resumed = LineTask(config(tmp_path, seed=7))  # its weights are replaced
    fit(resumed, options, run, resume=True)
    for one, other in zip(whole.module.parameters(), resumed.module.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("signum", SIGNALS)
@pytest.mark.parametrize("step", [1, 33])
def test_an_interrupt_within_a_step_is_resumed_exactly(
    tmp_path: Path, whole: LineTask, signum: int, step: int
) -> None:
    options = config(tmp_path)
    interrupted = LineTask(options)
    losses, count = interrupted.losses, iter(range(1, 100))

    def within(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if next(count) == step:
            signal.raise_signal(signum)
        return losses(batch)

    interrupted.losses = within  # type: ignore[method-assign]
    run = create(tmp_path / "parts")
    with pytest.raises(Interrupted):
        fit(interrupted, options, run)
    assert run.newest_checkpoint().name == f"step_{step}"
    resumed = LineTask(config(tmp_path, seed=7))  # its weights are replaced
    fit(resumed, options, run, resume=True)
    for one, other in zip(whole.module.parameters(), resumed.module.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("minutes", "checkpoints"), [(0.0, {1, 60}), (1e-9, {59, 60})])
def test_checkpoints_by_time(tmp_path: Path, minutes: float, checkpoints: set[int]) -> None:
    options = config(tmp_path, checkpoint_every=0, checkpoint_minutes=minutes)
    run = create(tmp_path / "run")
    fit(LineTask(options), options, run)
    assert {int(path.name[5:]) for path in run.checkpoints.iterdir()} == checkpoints


def test_curves_are_on_the_disk_before_their_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, run, seen = config(tmp_path, checkpoint_every=20), create(tmp_path / "run"), []
    save = Run.save_checkpoint

    def look(self: Run, checkpoint: Any, keep: int) -> Path:
        events = EventAccumulator(str(self.path), size_guidance={"scalars": 0})
        events.Reload()
        scalars = events.Tags()["scalars"]
        steps = [one.step for one in events.Scalars("fit/loss")] if "fit/loss" in scalars else []
        seen.append((checkpoint.steps, steps))
        return save(self, checkpoint, keep)

    monkeypatch.setattr(Run, "save_checkpoint", look)
    fit(LineTask(options), options, run)
    assert seen[:4] == [(1, []), (20, [20]), (40, [20, 40]), (60, [20, 40, 60])]


def test_evaluating_does_not_change_the_training(tmp_path: Path) -> None:
    seldom, often = config(tmp_path, evaluate_every=1000), config(tmp_path, evaluate_every=7)
    tasks = [LineTask(seldom), LineTask(often)]
    for k, (task, options) in enumerate(zip(tasks, (seldom, often), strict=True)):
        fit(task, options, create(tmp_path / str(k)))
    one, other = (list(task.module.parameters()) for task in tasks)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    options, run = config(tmp_path), create(tmp_path / "run")
    task = LineTask(options)
    training = Training(task, options)
    training.advance()
    run.save_checkpoint(training.checkpoint())
    task.spoilt = True
    with pytest.raises(UserError, match="nan at step 2.*learning_rate"):
        fit(task, options, run, resume=True)
    assert run.read_checkpoint().steps == 1


def test_a_fitted_module_is_loaded_without_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, run = config(tmp_path), create(tmp_path / "run")
    task = LineTask(options)
    fit(task, options, run)
    monkeypatch.setattr("mmrl.training.load.find_task", lambda name: LineTask)
    module = load(run.path, LineTask.name, "cpu")
    x = torch.ones(1, 1)
    assert torch.equal(module(x), task.module.eval()(x))
    with pytest.raises(UserError, match="'mmrl fit captioner' makes"):
        load(run.path, "captioner")


def test_the_learning_rate_warms_up_and_decays() -> None:
    rates = [schedule(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[4] == 1
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] < 0.001
