"""Training on many machines: a team of workers under Ray Train, on torch.distributed.

The command stays where it was called and shows the progress. Ray starts the workers, on
this machine or on a cluster, and reports when one is lost; then all restart from the last
checkpoint. The first worker writes the run folder, which every machine has to see.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run
from mmrl.files import WriteError
from mmrl.interrupts import StopRequest, graceful_stop, signals_interrupt
from mmrl_agents.distributed.board import Board
from mmrl_agents.distributed.cluster import (
    Cluster,
    connected,
    extend_search_path,
    import_ray,
    search_path,
)
from mmrl_agents.loop.progress import TrainingProgressBar
from mmrl_agents.team import Team

FRUITLESS: Final = 3
"""Restarts without a new checkpoint in between, after which the command gives up."""

_NAME: Final = "ray"
_LONGEST_TEMPORARY_FOLDER: Final = 20  # bytes; names of Ray's and of ours take up to 87 more
_POLL_SECONDS: Final = 0.5


def train_together(
    agent: Any, config: TrainConfig, hyper: Any, run: Run, cluster: Cluster, *, resume: bool
) -> None:
    """Train as :meth:`mmrl_agents.algorithms.base.SB3Agent.train` does, by many workers.

    Raises:
        UserError: as there; or Ray is not installed, the cluster is too small, or workers are lost
            again and again.
        KeyboardInterrupt: the user interrupted (SIGINT, SIGTERM or SIGHUP); after the first signal
            a checkpoint was saved, unless a worker failed before that.
    """
    cluster.check(agent, config, hyper)
    ray = import_ray()
    run = Run(run.path.resolve(), run.config)
    with (
        signals_interrupt(),  # Ray replaces SIGTERM's
        _work_folder(run, cluster) as folder,
        connected(ray, config, cluster, folder) as resources,
        graceful_stop() as request,
    ):
        team = _TeamSettings(ray, cluster, resources, folder)
        job = _Job(agent, config, hyper, run, resume)
        fruitless, newest = 0, _newest(run)
        while (lost := _attempt(team, job, request)) is not None:
            fruitless = fruitless + 1 if _newest(run) == newest else 1
            newest = _newest(run)
            if fruitless > FRUITLESS:
                raise UserError(
                    f"workers were lost {fruitless} times without a checkpoint in between. "
                    f"The last time: {lost}"
                )
            begin = "from the beginning" if newest is None else f"from {newest}"
            _note(f"a worker was lost ({lost}): all resume {begin}")
            job = replace(job, resume=newest is not None)


@dataclass(frozen=True)
class _Job:
    """What every worker is handed."""

    agent: Any
    config: TrainConfig
    hyper: Any
    run: Run
    resume: bool


@dataclass(frozen=True)
class _TeamSettings:
    """Where and with what workers run.

    Attributes:
        ray: the module, connected.
        cluster: how many workers, and where.
        resources: of each.
        folder: for Ray Train's own files, which all machines see.
    """

    ray: Any
    cluster: Cluster
    resources: dict[str, float]
    folder: Path


class _Monitor:
    """Shows the messages of the board in the terminal.

    Args:
        ray: the module, connected.
        board: the actor.
        steps: of the whole training.

    Attributes:
        failure: why the training cannot continue; None while it can.
    """

    def __init__(self, ray: Any, board: Any, steps: int) -> None:
        self._ray, self._board, self._bar = ray, board, TrainingProgressBar(steps)
        self._warned = 0
        self.failure: str | None = None

    def update(self, seconds: float) -> None:
        """Show new messages; none, if the board does not answer in time, or not any more."""
        errors = self._ray.exceptions
        try:
            now, texts, self.failure = self._ray.get(
                self._board.read.remote(self._warned), timeout=seconds
            )
        except (errors.GetTimeoutError, errors.RayActorError):
            return
        self._warned += len(texts)
        for text in texts:
            warnings.warn(text, stacklevel=2)
        if now is not None:
            with suppress(OSError):  # the terminal is gone
                self._bar(now)

    def close(self) -> None:
        """Leave the terminal in order."""
        with suppress(OSError):
            self._bar.close()


def _attempt(team: _TeamSettings, job: _Job, request: StopRequest) -> str | None:
    """Train until all is done, or a worker is lost: its last words.

    Raises:
        UserError: the training cannot continue.
        KeyboardInterrupt: the user interrupted.
    """
    board = team.ray.remote(num_cpus=0)(Board).remote()
    failures: list[BaseException] = []
    done, asked = threading.Event(), False

    def fit() -> None:
        try:
            _trainer(team, job, board).fit()
        except BaseException as error:
            failures.append(error)
        finally:
            done.set()

    # apart from the main thread, where Ray would catch the user's interrupts
    threading.Thread(target=fit, daemon=True).start()
    monitor = _Monitor(team.ray, board, job.config.steps)
    try:
        # not Thread.join, after an interrupt of which Python 3.11 takes the thread for ended
        while not done.wait(_POLL_SECONDS):
            if request and not asked:
                asked = True
                board.stop.remote()
            monitor.update(_POLL_SECONDS)
        monitor.update(10 * _POLL_SECONDS)
    finally:
        monitor.close()
    lost = _last_words(failures[0]) if failures else None
    if request:
        _report_interrupt(job.run, monitor.failure, lost)
        request.raise_if_asked()
    if monitor.failure is not None:
        raise UserError(monitor.failure)
    return lost


def _report_interrupt(run: Run, failure: str | None, lost: str | None) -> None:
    """Print what there is after an attempt that the user has interrupted, if it did not end well.

    Args:
        run: whose.
        failure: why the training failed all the same, if it did.
        lost: the last words of a worker that was lost, if one was.

    Raises:
        UserError: it failed.
    """
    newest = _newest(run)
    saved = "there is no checkpoint" if newest is None else f"the newest checkpoint is {newest}"
    if failure is not None:
        raise UserError(f"{failure} ({saved})")
    if lost is not None:
        _note(f"a worker was lost after the interrupt ({lost}): {saved}")


def _note(text: str) -> None:
    """Print a line on its own."""
    with suppress(OSError):  # the terminal is gone
        print(f"\n{text}", file=sys.stderr)


def _trainer(team: _TeamSettings, job: _Job, board: Any) -> Any:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    gpu = "GPU" in team.resources
    settings = {
        # as bytes: Ray's own processes load the settings, and have another search path
        "job": team.ray.cloudpickle.dumps(job),
        "search_path": search_path(),
        "board": board,
        "threads": int(team.resources["CPU"]),
    }
    return TorchTrainer(
        _work,
        train_loop_config=settings,
        torch_config=_torch_config("cpu:gloo,cuda:nccl" if gpu else "gloo", team),
        scaling_config=ScalingConfig(
            num_workers=team.cluster.workers, use_gpu=gpu, resources_per_worker=team.resources
        ),
        run_config=RunConfig(
            name=_NAME, storage_path=str(team.folder), failure_config=FailureConfig(max_failures=0)
        ),
    )


def _torch_config(backend: str, team: _TeamSettings) -> Any:
    """How the workers find each other: on one machine without a port that others can reach."""
    from ray.train.torch import TorchConfig

    from mmrl_agents.distributed.loopback import FileRendezvousConfig

    if team.cluster.address:
        return TorchConfig(backend=backend)
    return FileRendezvousConfig(backend=backend, folder=str(team.folder))


def _work(settings: dict[str, Any]) -> None:
    """What each worker does."""
    import ray.train

    extend_search_path(settings["search_path"])
    job, board = ray.cloudpickle.loads(settings["job"]), settings["board"]
    context = ray.train.get_context()
    team = Team(context.get_world_rank(), context.get_world_size())
    torch.set_num_threads(settings["threads"])
    if team.is_first:
        warnings.showwarning = lambda message, *_, **__: board.warn.remote(str(message))
    try:
        job.agent.train(
            job.config,
            job.hyper,
            job.run,
            resume=job.resume,
            team=team,
            show=lambda now: ray.get(board.write.remote(now)),
        )
    except UserError as error:
        ray.get(board.fail.remote(str(error)))
        raise
    except KeyboardInterrupt:  # all stop together, and have saved a checkpoint
        pass


@contextmanager
def _work_folder(run: Run, cluster: Cluster) -> Iterator[Path]:
    """A new folder for what Ray writes for itself, which other users cannot enter; removed
    afterwards.

    Where the workers are on a cluster it is in the run folder, since all machines have to see it.

    Raises:
        WriteError: it cannot be made; never for an error in the block.
    """
    parent = run.path if cluster.address else _temporary_folder()
    try:
        folder = tempfile.TemporaryDirectory(dir=parent, prefix=".ray-", ignore_cleanup_errors=True)
    except OSError as error:
        raise WriteError(parent / ".ray-*", error) from error
    with folder as name:
        yield Path(name)


def _temporary_folder() -> Path:
    """Of the system; a socket in it must not have a path of more than 107 bytes."""
    folder = tempfile.gettempdir()
    is_short = os.name == "nt" or len(os.fsencode(folder)) <= _LONGEST_TEMPORARY_FOLDER
    return Path(folder if is_short else "/tmp")


def _newest(run: Run) -> str | None:
    """The name of the newest whole checkpoint."""
    try:
        return run.newest_checkpoint().name
    except UserError:
        return None


def _last_words(error: BaseException) -> str:
    """Of the worker that was lost, rather than of those that then missed it."""
    lost = getattr(error, "worker_failures", {})
    ranks = [rank for rank, one in lost.items() if "HealthCheck" in type(one).__name__]
    named = ranks or list(lost)
    if not named:
        return f"{type(error).__name__}: {error}"
    words = str(lost[named[0]]).strip().splitlines() or [type(lost[named[0]]).__name__]
    return f"number {named[0]}: {words[-1].split('. ')[0].rstrip('.')}"
