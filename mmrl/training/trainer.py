"""The loop of every training on given data: gradient steps, evaluations, exact resume.

AdamW with a linear warm-up and cosine decay, and gradient clipping. Everything random comes from
generators that are part of the checkpoint (:meth:`Training.checkpoint`), so that a resumed training
ends with the weights of an uninterrupted one, bit for bit on a CPU.
"""

from __future__ import annotations

import math
import time
import warnings
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from mmrl.device import find_device
from mmrl.errors import UserError
from mmrl.evaluation.report import provenance
from mmrl.experiment.checkpoint import Checkpoint, put_weights, weights_of
from mmrl.experiment.run import Run
from mmrl.files import WriteError, write_json
from mmrl.interrupts import graceful_stop
from mmrl.loggers import Loggers, open_loggers
from mmrl.models.saved_encoders import save_encoders, save_tokenizer
from mmrl.progress import ProgressBar
from mmrl.schema import well_formed
from mmrl.seeding import forked_rng, rng_state, set_rng_state
from mmrl.training.config import FitConfig
from mmrl.training.task import Evaluation, TrainingTask
from mmrl.trust import sign
from mmrl.viz.tensorboard import event_writer

_WARM_UP: Final = 0.05  # of the steps
_LOGGED_EVERY: Final = 20


def fit(task: TrainingTask, config: FitConfig, run: Run, *, resume: bool = False) -> Evaluation:
    """Train a task's module, log into ``run.events``, save checkpoints, evaluate.

    Args:
        task: prepared.
        config: its configuration.
        run: the run folder.
        resume: continue from the run's newest checkpoint.

    Returns:
        The last evaluation, which ``result.json`` holds as well.

    Raises:
        UserError: a loss that is not finite, or a checkpoint that cannot be read or written.
        Interrupted: by Ctrl-C, SIGTERM or SIGHUP, after the current step was finished and saved.
    """
    started = time.monotonic()
    training = Training(task, config)
    if resume:
        training.resume(run.read_checkpoint())
    run.begin()
    sign([run.config, task.recipe], run.path)
    if not resume:
        save_encoders(task.module, run.path)
        save_tokenizer(task.module, run.path)
    purge = training.step + 1 if resume else 0 if run.begun_again else None
    writer = event_writer(run.events, purge_step=purge)
    checkpoints = _Checkpoints(training, config, run, writer)
    curves = _Curves(
        writer,
        open_loggers(config.logger, run.path, run.flat_config(), training.step if resume else None),
    )
    evaluation: Evaluation | None = None
    try:
        bar = ProgressBar(f"fitting {task.name}", config.steps, "steps")
        bar.set(training.step)
        with graceful_stop("this step") as stop, bar:
            while training.step < config.steps:
                losses = training.advance()
                bar.advance(note=f"loss {losses['loss']:.4f}")
                step = training.step
                if step % _LOGGED_EVERY == 0 or step == config.steps:
                    curves.write(training.numbers(losses), step)
                if step % config.evaluate_every == 0 or step == config.steps:
                    evaluation = _evaluate(task, curves, step)
                checkpoints.save_if_due()
                if stop:
                    checkpoints.save()
                    stop.raise_if_asked()
                is_new = step % config.evaluate_every == 0
                if evaluation is not None and is_new and task.should_stop(evaluation):
                    break
        checkpoints.save()
    finally:
        curves.close()
    evaluation = evaluation or _evaluated(task, training.step)
    report = {"task": task.name, "steps": training.step, **evaluation.metrics}
    write_json(run.path / "result.json", {**report, **provenance(started)})
    return evaluation


class _Checkpoints:
    """Saves a training after its first step, then by steps or by time.

    Args:
        training: to save.
        config: how often.
        run: where to.
        writer: of the curves, which is flushed before a checkpoint is written.
    """

    def __init__(
        self, training: Training, config: FitConfig, run: Run, writer: SummaryWriter
    ) -> None:
        self._training, self._config, self._run = training, config, run
        self._writer = writer
        self._next = training.step + 1 if training.step == 0 else self._after(training.step)
        self._saved_at = time.monotonic()

    def save_if_due(self) -> None:
        """Save a checkpoint if one is due; failing to write, such as a full disk, is a warning."""
        minutes = self._config.checkpoint_minutes
        late = minutes > 0 and time.monotonic() - self._saved_at >= 60 * minutes
        if self._training.step < self._next and not late:
            return
        self._next, self._saved_at = self._after(self._training.step), time.monotonic()
        try:
            self.save()
        except WriteError as error:
            warnings.warn(f"{error}; training continues", stacklevel=2)

    def save(self) -> None:
        """Save a checkpoint.

        Raises:
            WriteError: it cannot be written.
        """
        self._writer.flush()
        self._run.save_checkpoint(self._training.checkpoint(), self._config.keep_checkpoints)

    def _after(self, step: int) -> float:
        every = self._config.checkpoint_every
        return (step // every + 1) * every if every else math.inf


class Training:
    """The state of a training: module, optimizer, schedule, random generators.

    Args:
        task: prepared; its module is moved to the device.
        config: its configuration.
    """

    def __init__(self, task: TrainingTask, config: FitConfig) -> None:
        self.task, self.config, self.step = task, config, 0
        self._device = find_device(config.device)
        task.module.to(self._device)
        torch.manual_seed(config.seed)
        self._generator = np.random.default_rng(config.seed)
        self._optimizer = task.build_optimizer(config)
        self._started = time.monotonic()

    def advance(self) -> dict[str, float]:
        """One gradient step; its losses.

        Raises:
            UserError: a loss that is not finite.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = self.config.learning_rate * schedule(self.step, self.config.steps)
        self.task.before_step(self.step)
        module = self.task.module.train()
        batch = self.task.batch(self._generator)
        losses = self.task.losses({name: one.to(self._device) for name, one in batch.items()})
        self._optimizer.zero_grad()
        losses["loss"].backward()
        nn.utils.clip_grad_norm_(module.parameters(), self.config.max_grad_norm)
        if not bool(losses["loss"].isfinite()):
            raise UserError(
                f"the loss is {float(losses['loss'].detach())} at step {self.step + 1}: training "
                "stopped, its last checkpoint is intact. Try a lower learning_rate"
            )
        self._optimizer.step()
        self.step += 1
        self.task.after_step(self.step)
        return {name: float(value.detach()) for name, value in losses.items()}

    def numbers(self, losses: dict[str, float]) -> dict[str, float]:
        """The losses, the learning rate and the time, to be logged."""
        return {
            **{f"fit/{name}": value for name, value in losses.items()},
            "fit/learning_rate": self._optimizer.param_groups[0]["lr"],
            "time/seconds": time.monotonic() - self._started,
        }

    def checkpoint(self) -> Checkpoint:
        """All that is needed to resume, and to use the module without its data."""
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
                **rng_state(),
                **self.task.get_state(),
            },
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint.

        Raises:
            UserError: it is of another task or module, or damaged.
        """
        state, whole = checkpoint.state, self._optimizer.state_dict()
        with well_formed(checkpoint.source):
            put_weights(self.task.module, checkpoint.weights)
            whole["state"] = {int(number): one for number, one in state["optimizer"].items()}
            self._optimizer.load_state_dict(whole)
            self._generator.bit_generator.state = state["generator"]
            set_rng_state(state)
            self.task.set_state(state)
        self.step = checkpoint.steps


def schedule(step: int, steps: int) -> float:
    """The learning rate's factor: linear warm-up, then cosine decay to 0."""
    warm_up = max(round(_WARM_UP * steps), 1)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm_up) / max(steps - warm_up, 1))


def _evaluated(task: TrainingTask, step: int) -> Evaluation:
    with forked_rng(step):  # evaluating must not change the training
        task.module.eval()
        return task.evaluate()


class _Curves(NamedTuple):
    """Where the numbers of a training go."""

    writer: SummaryWriter
    loggers: Loggers

    def write(self, scalars: dict[str, float], step: int) -> None:
        """Log numbers by their names."""
        for name, value in scalars.items():
            self.writer.add_scalar(name, value, step)
        self.loggers.log(scalars, step)

    def close(self) -> None:
        """Have all of it written."""
        self.writer.close()
        self.loggers.close()


def _evaluate(task: TrainingTask, curves: _Curves, step: int) -> Evaluation:
    evaluation, writer = _evaluated(task, step), curves.writer
    curves.write({f"held_out/{name}": one for name, one in evaluation.metrics.items()}, step)
    for name, image in evaluation.images.items():
        writer.add_image(f"held_out/{name}", image, step, dataformats="HWC")
    if evaluation.samples:
        writer.add_text("held_out/samples", "  \n".join(evaluation.samples), step)
    return evaluation
