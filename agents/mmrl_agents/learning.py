"""Learning to the end, whatever comes in between: interrupts, failures, and going on after them."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat
from torch.utils.tensorboard import SummaryWriter

from mmrl.environment_errors import EnvironmentFailedError
from mmrl.errors import UserError
from mmrl.experiment.checkpoint import Checkpoint
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run
from mmrl.files import write_atomically, write_json
from mmrl_agents.callbacks import CheckpointCallback, StandardCallbacks
from mmrl_agents.profiling import FOLDER, ProfileCallback
from mmrl_agents.team import ALONE, Team
from mmrl_agents.training_state import part_of, resume_learnt, resume_moment


class DivergedError(Exception):
    """Numbers are not finite any more.

    Args:
        message: says where.
        report: what they looked like, as plain data.
    """

    def __init__(self, message: str, report: dict[str, Any]) -> None:
        super().__init__(message)
        self.report = report


def make_logger(run: Run, steps: int | None = None, team: Team = ALONE) -> Logger:
    """Writes TensorBoard's events. Of a team, the first worker writes.

    Args:
        run: whose.
        steps: up to which curves go on, None for new ones; what a killed training wrote after that,
            and will write again, is not shown twice.
        team: of workers.
    """
    if not team.is_first:
        return Logger(None, [])
    events = TensorBoardOutputFormat(str(run.events))
    if steps is not None or team.size > 1:  # a team may begin anew before any checkpoint
        events.writer.close()
        events.writer = SummaryWriter(str(run.events), purge_step=(steps or 0) + 1)
    return Logger(None, [events])


def go_on(
    algorithm: BaseAlgorithm,
    checkpoint: Checkpoint,
    callbacks: StandardCallbacks,
    config: TrainConfig,
    team: Team = ALONE,
) -> None:
    """Put a training where a checkpoint was.

    Raises:
        UserError: the checkpoint is of another training.
    """
    state = checkpoint.state
    try:
        resume_learnt(algorithm, checkpoint.weights, state["learnt"])
        part = part_of(state, team)
        exact = resume_moment(algorithm, part, config.seed + checkpoint.steps)
        callbacks.resume(state["callbacks"])
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"the checkpoint of {checkpoint.steps:,} steps does not fit this training: {error}"
        ) from error
    if not exact and team.is_first:
        workers = 1 + len(state.get("others", ()))
        why = (
            f"{config.env} cannot tell its state (get_state and set_state)"
            if workers == team.size
            else f"the checkpoint is of {workers} workers, and now there are {team.size}"
        )
        warnings.warn(
            f"{why}: episodes begin anew, and the training goes on, but not exactly as it would "
            "have",
            stacklevel=2,
        )


@contextmanager
def profiled(
    algorithm: BaseAlgorithm, callbacks: StandardCallbacks, run: Run, *, wanted: bool
) -> Iterator[None]:
    """Say at the end where the time went, if that is wanted."""
    if not wanted:
        yield
        return
    profiler = ProfileCallback(run.path)
    callbacks.callbacks.insert(0, profiler)
    profiler.attach(algorithm, callbacks)
    yield
    profiler.report()
    print(f"the trace of an update: {run.path / FOLDER}")


def learn(algorithm: BaseAlgorithm, steps: int, callbacks: StandardCallbacks, run: Run) -> None:
    """Learn until there are so many steps, and save, whatever happens, what can be gone on with; a
    team of which one has failed can't save together, and goes on from its last checkpoint.
    """
    checkpoints = callbacks.checkpoints
    done, alone = algorithm.num_timesteps, checkpoints.team.size == 1
    whole = False
    try:
        with _interrupts_wait(checkpoints):
            algorithm.learn(steps - done, callbacks, log_interval=1, reset_num_timesteps=not done)
        whole = True
    except DivergedError as error:
        file = run.path / "diverged.json"
        write_json(file, error.report)
        raise UserError(f"{error}. What it looked like: {file}") from error
    except EnvironmentFailedError as error:
        if not checkpoints.can_save:  # the very first reset
            raise
        if alone:
            checkpoints.save()
        file = run.path / "environment_error.txt"
        write_atomically(file, "".join(traceback.format_exception(error)))
        raise UserError(
            f"{error}, {algorithm.num_timesteps:,} steps into the training. Its traceback is in "
            f"{file}; 'mmrl train --resume {run.path}' goes on from the last checkpoint"
        ) from error
    finally:
        if (whole or alone) and checkpoints.can_save and checkpoints.steps:
            checkpoints.save()
        algorithm.logger.close()
    if checkpoints.stop_asked:
        raise KeyboardInterrupt


@contextmanager
def _interrupts_wait(checkpoints: CheckpointCallback) -> Iterator[None]:
    """The first Ctrl-C ends the training after the present update, the second one at once."""

    def wait(*_: Any) -> None:
        if checkpoints.stop_asked:
            raise KeyboardInterrupt
        checkpoints.stop_asked = True
        print("\nstopping after this update; Ctrl-C again stops at once", file=sys.stderr)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
