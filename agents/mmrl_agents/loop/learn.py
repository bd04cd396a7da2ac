"""The training loop: interrupts, failures, and resuming after them."""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat
from torch.utils.tensorboard import SummaryWriter

from mmrl.env_sets import short_name
from mmrl.errors import UserError
from mmrl.experiment.checkpoint import Checkpoint
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run
from mmrl.files import WriteError, write_atomically, write_json
from mmrl.interrupts import graceful_stop
from mmrl.loggers import TENSORBOARD, Loggers, open_loggers
from mmrl.schema import well_formed
from mmrl.viz.tensorboard import event_writer
from mmrl.wrappers.error_context import EnvironmentFailedError
from mmrl_agents.earlier import entry
from mmrl_agents.loop.callbacks import StandardCallbacks
from mmrl_agents.loop.profiler import FOLDER, ProfileCallback
from mmrl_agents.loop.state import part_of, set_learned_state, set_training_state
from mmrl_agents.parts import Part
from mmrl_agents.team import ALONE, Team


class DivergedError(Exception):
    """Numbers are not finite any more.

    Args:
        message: for the user.
        report: the numbers of that update, as plain data.
    """

    def __init__(self, message: str, report: dict[str, Any]) -> None:
        super().__init__(message)
        self.report = report


def make_logger(run: Run, steps: int | None = None, team: Team = ALONE) -> Logger:
    """Writes TensorBoard's events, and to the loggers of the configuration. Of a team, the first
    worker writes.

    Args:
        run: whose.
        steps: up to which curves are continued, None for new ones; what a killed training wrote
            after that, and will write again, is not shown twice.
        team: of workers.
    """
    if not team.is_first:
        return Logger(None, [])
    # a team may restart before any checkpoint
    again = steps is not None or team.size > 1 or run.begun_again
    writer = event_writer(run.events, purge_step=(steps or 0) + 1 if again else None)
    loggers = open_loggers(run.config.get("logger"), run.path, run.flat_config(), steps)
    return Logger(None, [_TensorBoard(writer), _OtherLoggers(loggers)])


class _TensorBoard(TensorBoardOutputFormat):
    """SB3's, with a writer that is there already."""

    def __init__(self, writer: SummaryWriter) -> None:
        self.writer = writer
        self._is_closed = False


class _OtherLoggers(KVWriter):
    """An output of SB3's logger that passes on what TensorBoard gets, if it is a number."""

    def __init__(self, loggers: Loggers) -> None:
        self._loggers = loggers

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        """Log the numbers of an update."""
        scalars = {
            name: float(value)
            for name, value in key_values.items()
            if isinstance(value, int | float | np.number)
            and TENSORBOARD not in (key_excluded.get(name) or ())
        }
        if scalars:
            self._loggers.log(scalars, step)

    def close(self) -> None:
        """Have all of it written."""
        self._loggers.close()


def announce(inexact: str | None, env_id: str) -> None:
    """Print why a training could not be resumed exactly, if so.

    Args:
        inexact: from :meth:`mmrl_agents.vec_env.MultimodalVecEnv.try_state`.
        env_id: of the environment.
    """
    if inexact is not None:
        print(
            f"exact resume is off: {env_id} {inexact}. A training that is resumed begins new "
            "episodes",
            file=sys.stderr,
        )


def resume(
    algorithm: BaseAlgorithm,
    checkpoint: Checkpoint,
    callbacks: StandardCallbacks,
    config: TrainConfig,
    team: Team = ALONE,
    parts: Sequence[Part] = (),
) -> None:
    """Resume a training from a checkpoint.

    Args:
        algorithm: built as the one that the checkpoint is of.
        checkpoint: the newest one.
        callbacks: of the training.
        config: of the training.
        team: of workers.
        parts: of the agent.

    Raises:
        UserError: the checkpoint is of another training.
    """
    state = checkpoint.state
    with well_formed(checkpoint.source):
        set_learned_state(algorithm, checkpoint.weights, entry(state, "learned"))
        own = part_of(state, team)
        exact = set_training_state(algorithm, own, config.seed + checkpoint.steps, parts)
        callbacks.set_state(state["callbacks"])
    if not exact and team.is_first:
        workers = 1 + len(state.get("others", ()))
        why = (
            f"{short_name(config.env)} has no state that can be saved (get_state and set_state)"
            if workers == team.size
            else f"the checkpoint is of {workers} workers, and now there are {team.size}"
        )
        warnings.warn(
            f"{why}: new episodes begin; the training differs from one without interruption",
            stacklevel=2,
        )


@contextmanager
def profiled(
    algorithm: BaseAlgorithm, callbacks: StandardCallbacks, run: Run, *, wanted: bool
) -> Iterator[None]:
    """Print at the end where the time went, if that is wanted."""
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
    """Learn until there are ``steps``, and save a checkpoint, whatever happens; a team of which
    one worker has failed can't save together, and resumes from its last checkpoint.
    """
    checkpoints = callbacks.checkpoints
    done, alone = algorithm.num_timesteps, checkpoints.team.size == 1
    whole = False
    with graceful_stop(on_stop=checkpoints.stop) as stop:
        try:
            algorithm.learn(steps - done, callbacks, log_interval=1, reset_num_timesteps=not done)
            whole = True
        except DivergedError as error:
            raise UserError(f"{error}. {_report(run, error)}") from error
        except EnvironmentFailedError as error:
            if not checkpoints.can_save:  # the very first reset
                raise
            raise UserError(_failure(error, algorithm.num_timesteps, run)) from error
        finally:
            try:
                if (whole or alone) and checkpoints.can_save and checkpoints.steps:
                    checkpoints.save()
            finally:
                callbacks.close()
                algorithm.logger.close()
    stop.raise_if_asked()
    if checkpoints.stop_asked:  # by the command, which has had the signal
        raise KeyboardInterrupt


def _report(run: Run, error: DivergedError) -> str:
    """Write the numbers of a training that diverged; the message that names their file."""
    file = run.path / "diverged.json"
    try:
        write_json(file, error.report)
    except WriteError as failed:
        return str(failed)
    return f"The numbers of that update: {file}"


def _failure(error: EnvironmentFailedError, steps: int, run: Run) -> str:
    """Keep the traceback of an environment that failed; the message for the user."""
    file = run.path / "environment_error.txt"
    try:
        write_atomically(file, "".join(traceback.format_exception(error)))
        where = f"Its traceback is in {file}; "
    except WriteError:
        where = ""
    return (
        f"{error}, {steps:,} steps into the training. {where}'mmrl train --resume {run.path}' "
        "resumes from the last checkpoint"
    )
