"""The loop of every supervised training: losses, evaluations, checkpoints, exact resume."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from mmrl.errors import UserError
from mmrl.evaluation.report import provenance
from mmrl.experiment.checkpoint import Checkpoint, put_weights, weights_of
from mmrl.experiment.config import find_device
from mmrl.experiment.run import Run
from mmrl.files import write_json
from mmrl.fitting import find_task
from mmrl.fitting.task import Evaluation, FitConfig, Task

_WARM_UP: Final = 0.05  # of the steps
_LOGGED_EVERY: Final = 20


def fit(task: Task, config: FitConfig, run: Run, *, resume: bool = False) -> Evaluation:
    """Train a task's module, log into ``run.events``, save checkpoints, evaluate.

    A training that goes on from a checkpoint ends with the weights of one that was not
    interrupted, bit for bit on a CPU.

    Args:
        task: prepared.
        config: its configuration.
        run: where everything is kept.
        resume: go on from the run's newest checkpoint.

    Returns:
        The last evaluation, which ``result.json`` holds as well.

    Raises:
        UserError: a loss that is not finite, or a checkpoint that cannot be read or written.
        KeyboardInterrupt: the user interrupted; a checkpoint was saved.
    """
    started = time.monotonic()
    training = Training(task, config)
    if resume:
        training.resume(run.read_checkpoint())
    writer = SummaryWriter(str(run.events), purge_step=training.step + 1 if resume else None)
    evaluation: Evaluation | None = None
    try:
        with _bar(task, config, training.step) as advance:
            while training.step < config.steps:
                losses = training.advance()
                advance(losses["loss"])
                step = training.step
                if step % _LOGGED_EVERY == 0 or step == config.steps:
                    training.log(writer, losses)
                if step % config.evaluate_every == 0 or step == config.steps:
                    evaluation = _evaluate(task, writer, step)
                if config.checkpoint_every and step % config.checkpoint_every == 0:
                    run.save_checkpoint(training.checkpoint(), config.keep_checkpoints)
    except KeyboardInterrupt:
        if training.step:
            run.save_checkpoint(training.checkpoint(), config.keep_checkpoints)
        raise
    finally:
        writer.close()
    run.save_checkpoint(training.checkpoint(), config.keep_checkpoints)
    evaluation = evaluation or task.evaluate()
    report = {"task": task.name, "steps": training.step, **evaluation.metrics}
    write_json(run.path / "result.json", {**report, **provenance(started)})
    return evaluation


class Training:
    """A task's module on its way: optimiser, schedule, random generators.

    Args:
        task: prepared; its module is moved to the device.
        config: its configuration.
    """

    def __init__(self, task: Task, config: FitConfig) -> None:
        self.task, self.config, self.step = task, config, 0
        self._device = find_device(config.device)
        task.module.to(self._device)
        torch.manual_seed(config.seed)
        self._generator = np.random.default_rng(config.seed)
        trained = [weight for weight in task.module.parameters() if weight.requires_grad]
        self._optimizer = torch.optim.AdamW(
            trained, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self._started = time.monotonic()

    def advance(self) -> dict[str, float]:
        """One gradient step; its losses.

        Raises:
            UserError: a loss that is not finite.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = self.config.learning_rate * schedule(self.step, self.config.steps)
        module = self.task.module.train()
        batch = self.task.batch(self._generator)
        losses = self.task.losses({name: one.to(self._device) for name, one in batch.items()})
        self._optimizer.zero_grad()
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(module.parameters(), self.config.max_grad_norm)
        if not bool(losses["loss"].isfinite()):
            raise UserError(
                f"the loss is {float(losses['loss'].detach())} at step {self.step + 1}: the "
                "training stopped, its last checkpoint is as good as it was. Try a lower "
                "learning_rate"
            )
        self._optimizer.step()
        self.step += 1
        return {name: float(value.detach()) for name, value in losses.items()}

    def log(self, writer: SummaryWriter, losses: dict[str, float]) -> None:
        """Write the losses, the learning rate and the speed."""
        for name, value in losses.items():
            writer.add_scalar(f"fit/{name}", value, self.step)
        writer.add_scalar("fit/learning_rate", self._optimizer.param_groups[0]["lr"], self.step)
        writer.add_scalar("time/seconds", time.monotonic() - self._started, self.step)

    def checkpoint(self) -> Checkpoint:
        """All that is needed to go on, and to use the module without its data."""
        optimizer = self._optimizer.state_dict()
        moments = {str(number): state for number, state in optimizer["state"].items()}
        return Checkpoint(
            self.step,
            weights_of(self.task.module),
            {
                "task": self.task.name,
                "recipe": self.task.recipe,
                "optimizer": moments,
                "generator": self._generator.bit_generator.state,
                "torch": torch.get_rng_state(),
            },
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint.

        Raises:
            UserError: it is of another task or module.
        """
        put_weights(self.task.module, checkpoint.weights)
        state = checkpoint.state
        whole = self._optimizer.state_dict()
        whole["state"] = {int(number): one for number, one in state["optimizer"].items()}
        self._optimizer.load_state_dict(whole)
        self._generator.bit_generator.state = state["generator"]
        torch.set_rng_state(state["torch"])
        self.step = checkpoint.steps


def load(path: str | Path, task: str, device: str = "auto") -> nn.Module:
    """The module of a run that ``mmrl fit`` made, ready to be used.

    Args:
        path: the run folder.
        task: that it has to have been fitted for.
        device: auto, cpu or cuda.

    Raises:
        UserError: no such run, or one of another task: with the command that makes it.
    """
    run = Run.open(path)
    found = run.config.get("task", f"an agent in {run.config.get('env')}")
    if found != task:
        raise UserError(
            f"{path} was fitted for {found}, not for {task}: 'mmrl fit {task}' makes what is needed"
        )
    checkpoint = run.read_checkpoint()
    module: nn.Module = find_task(task).build(checkpoint.state["recipe"])
    put_weights(module, checkpoint.weights)
    return module.to(find_device(device)).eval()


def schedule(step: int, steps: int) -> float:
    """The share of the highest learning rate: a straight rise, then half a cosine down to 0."""
    rise = max(round(_WARM_UP * steps), 1)
    if step < rise:
        return (step + 1) / rise
    return 0.5 + 0.5 * math.cos(math.pi * (step - rise) / max(steps - rise, 1))


def _evaluate(task: Task, writer: SummaryWriter, step: int) -> Evaluation:
    with torch.random.fork_rng():  # to look must not change what is learnt afterwards
        torch.manual_seed(step)
        task.module.eval()
        evaluation = task.evaluate()
    for name, value in evaluation.metrics.items():
        writer.add_scalar(f"held_out/{name}", value, step)
    for name, picture in evaluation.pictures.items():
        writer.add_image(f"held_out/{name}", picture, step, dataformats="HWC")
    if evaluation.samples:
        writer.add_text("held_out/samples", "  \n".join(evaluation.samples), step)
    return evaluation


@contextmanager
def _bar(task: Task, config: FitConfig, done: int) -> Iterator[Any]:
    """How far it is, in the terminal."""
    console = Console(stderr=True)
    with Progress(
        TextColumn(f"fitting {task.name}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        bar = progress.add_task("fitting", total=config.steps, completed=done, loss=math.nan)
        yield lambda loss: progress.update(bar, advance=1, loss=loss)
