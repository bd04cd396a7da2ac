"""Training on many machines: a team of workers under Ray Train, on torch.distributed.

The command stays where it was called and shows how far the training is. Ray starts the workers, on
this machine or on a cluster, and tells when one is lost; then all begin anew from the last
checkpoint. The first worker writes the run folder, which every machine has to see.
"""

from __future__ import annotations

import shutil
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import torch

from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import Run
from mmrl_agents.cluster import Cluster, connected, import_ray
from mmrl_agents.progress import Progress, ProgressBar
from mmrl_agents.team import Team

FRUITLESS: Final = 3
"""So many times all begin anew without a new checkpoint in between, before the command gives up."""

_OWN: Final = "ray"
_POLL_SECONDS: Final = 0.5


def train_together(
    agent: Any, config: TrainConfig, hyper: Any, run: Run, cluster: Cluster, *, resume: bool
) -> None:
    """Train as :meth:`mmrl_agents.training.SB3Agent.train` does, by many workers.

    Raises:
        UserError: as there; or Ray is not installed, the cluster is too small, or workers are lost
            again and again.
        KeyboardInterrupt: the user interrupted; a checkpoint was saved.
    """
    cluster.check(agent, config, hyper)
    ray = import_ray()
    run = Run(run.path.resolve(), run.config)
    with connected(ray, config, cluster) as resources, _without_traces(run):
        job = _Job(agent, config, hyper, run, resume)
        fruitless, newest = 0, _newest(run)
        while (lost := _attempt(ray, job, cluster, resources)) is not None:
            fruitless = fruitless + 1 if _newest(run) == newest else 1
            newest = _newest(run)
            if fruitless > FRUITLESS:
                raise UserError(
                    f"workers were lost {fruitless} times without a checkpoint in between. "
                    f"The last time: {lost}"
                )
            begin = "from the beginning" if newest is None else f"from {newest}"
            print(f"\na worker was lost ({lost}): all go on {begin}", file=sys.stderr)
            job = replace(job, resume=newest is not None)


@dataclass(frozen=True)
class _Job:
    """What every worker is handed."""

    agent: Any
    config: TrainConfig
    hyper: Any
    run: Run
    resume: bool


class _Board:
    """An actor of Ray's, by which the first worker and the command tell each other things."""

    def __init__(self) -> None:
        self._now: Progress | None = None
        self._stop = False
        self._warnings: list[str] = []
        self._failure: str | None = None

    def write(self, now: Progress) -> bool:
        """How far the training is; the answer is whether it is to stop."""
        self._now = now
        return self._stop

    def warn(self, text: str) -> None:
        """Something that the user is to read."""
        self._warnings.append(text)

    def fail(self, text: str) -> None:
        """Why it makes no sense to go on."""
        self._failure = self._failure or text

    def stop(self) -> None:
        """Have the training stop after the present update."""
        self._stop = True

    def read(self) -> tuple[Progress | None, list[str], str | None]:
        """How far the training is, new warnings, and why it failed."""
        told, self._warnings = self._warnings, []
        return self._now, told, self._failure


def _attempt(ray: Any, job: _Job, cluster: Cluster, resources: dict[str, float]) -> str | None:
    """Train until all is done, or a worker is lost: its last words.

    Raises:
        UserError: it makes no sense to go on.
        KeyboardInterrupt: the user interrupted; a checkpoint was saved.
    """
    board = ray.remote(num_cpus=0)(_Board).remote()
    failures: list[BaseException] = []

    def fit() -> None:
        try:
            _trainer(job, board, cluster, resources).fit()
        except BaseException as error:
            failures.append(error)

    # apart from the main thread, where Ray would catch the user's interrupts
    thread = threading.Thread(target=fit, daemon=True)
    thread.start()
    bar, interrupted = ProgressBar(job.config.steps), False
    try:
        while thread.is_alive():
            try:
                thread.join(_POLL_SECONDS)
                failure = _look(ray, board, bar)
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                board.stop.remote()
                print("\nstopping after this update; Ctrl-C again stops at once", file=sys.stderr)
        failure = _look(ray, board, bar)
    finally:
        bar.close()
    if failure is not None:
        raise UserError(failure)
    if interrupted:
        raise KeyboardInterrupt
    return _last_words(failures[0]) if failures else None


def _look(ray: Any, board: Any, bar: ProgressBar) -> str | None:
    """Show what the first worker has told; the failure, if there is one."""
    now, told, failure = ray.get(board.read.remote())
    for text in told:
        warnings.warn(text, stacklevel=2)
    if now is not None:
        bar(now)
    return failure


def _trainer(job: _Job, board: Any, cluster: Cluster, resources: dict[str, float]) -> Any:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    gpu = "GPU" in resources
    return TorchTrainer(
        _work,
        train_loop_config={"job": job, "board": board, "threads": int(resources["CPU"])},
        torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if gpu else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=cluster.workers, use_gpu=gpu, resources_per_worker=resources
        ),
        run_config=RunConfig(
            name=_OWN, storage_path=str(job.run.path), failure_config=FailureConfig(max_failures=0)
        ),
    )


def _work(settings: dict[str, Any]) -> None:
    """What each worker does."""
    import ray.train

    job, board = settings["job"], settings["board"]
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
def _without_traces(run: Run) -> Iterator[None]:
    """What Ray Train writes for itself is removed; it has to lie where all machines see it."""
    try:
        yield
    finally:
        shutil.rmtree(run.path / _OWN, ignore_errors=True)


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
