"""Training on many machines: a team of workers under Ray Train, on torch.distributed.

The command stays where it was called and shows how far the training is. Ray starts the workers, on
this machine or on a cluster, and tells when one is lost; then all begin anew from the last
checkpoint. The first worker writes the run folder, which every machine has to see.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import torch

from mmrl.adapters import make_vec_env
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.preprocessing import build_preprocessing
from mmrl.experiment.run import Run
from mmrl_agents.progress import Progress, ProgressBar
from mmrl_agents.team import Team

FRUITLESS: Final = 3
"""So many times all begin anew without a new checkpoint in between, before the command gives up."""

_OWN: Final = "ray"
_POLL_SECONDS: Final = 0.5
_WAITING: Final = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
_OBJECT_STORE: Final = 128 * 2**20  # bytes; little goes through it
_SETTINGS: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to anybody
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # paths stay what they were
    "RAY_worker_niceness": "0",  # of all that runs here, they are what is wanted
}


@dataclass(frozen=True)
class Cluster:
    """Where workers run.

    Attributes:
        workers: how many.
        address: of a Ray cluster; None for this machine.
    """

    workers: int
    address: str | None = None

    def check(self, agent: Any, config: TrainConfig, hyper: Any) -> None:
        """Refuse what can't be shared out.

        Raises:
            UserError: an agent that learns in one process, or numbers that do not divide.
        """
        if self.workers < 1:
            raise UserError(f"--workers {self.workers}: must be at least 1")
        if not agent.teams:
            raise UserError(
                f"--workers: agent {config.agent!r} learns in one process; ppo does not"
            )
        if hyper.num_envs % self.workers:
            raise UserError(
                f"--workers {self.workers} must divide {config.agent}.num_envs={hyper.num_envs}, "
                "which counts the environments of all workers"
            )
        if config.profile:
            raise UserError("--profile: profile in one process, without --workers")


def describe(agent: Any, config: TrainConfig, hyper: Any, cluster: Cluster) -> str:
    """The plan of a training by many workers, in words and numbers.

    Raises:
        UserError: as :meth:`Cluster.check`.
    """
    cluster.check(agent, config, hyper)
    batch = make_vec_env(config.env, 1, **config.env_args)
    preprocessing = build_preprocessing(config, batch.single_observation_space)
    space, actions = batch.single_observation_space, batch.single_action_space
    batch.close()
    policy = agent.build_policy(config, hyper, preprocessing, space, actions)
    weights = sum(one.numel() for one in policy.parameters() if one.requires_grad)
    workers, collected = cluster.workers, hyper.num_envs * hyper.n_steps
    messages = hyper.n_epochs * (collected // hyper.batch_size)
    where = (
        f"the Ray cluster at {cluster.address}"
        if cluster.address
        else f"this machine, {os.cpu_count()} cores, where Ray is started"
    )
    every = f"every {config.checkpoint_every:,} steps" if config.checkpoint_every else "at the end"
    return "\n".join(
        [
            f"{config.agent} on {config.env} for {config.steps:,} steps, by {workers} workers",
            f"  where          {where}",
            f"  environments   {hyper.num_envs:,} in all, {hyper.num_envs // workers:,} each",
            f"  an update      {collected:,} steps in all; {messages} minibatches of "
            f"{hyper.batch_size:,}, about {hyper.batch_size / workers:,.0f} each",
            f"  messages       {messages} an update, of {4 * weights / 1e6:.2f} MB: the gradients "
            f"of {weights:,} weights, summed over the workers",
            f"  checkpoints    {every}, and at the end, by the first worker, in {config.out}: "
            "every machine has to see that folder",
            "  a lost worker  all go on from the last checkpoint, with another one in its place",
            "  the result     that of one process with all environments, up to rounding",
        ]
    )


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
    os.environ.update(_SETTINGS)
    ray = _import_ray()
    run = Run(run.path.resolve(), run.config)
    with _connected(ray, config, cluster) as resources, _without_traces(run):
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
def _connected(ray: Any, config: TrainConfig, cluster: Cluster) -> Iterator[dict[str, float]]:
    """Ray, on this machine or a cluster; what each worker may have of it.

    Raises:
        UserError: there is no cluster, or it is too small.
    """
    if cluster.address:
        _knock(cluster.address)
    cores = os.cpu_count() or 1
    # the modules of the user's own, which the command finds beside it, are found by the workers
    path = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
    waiting = {name: os.environ[name] for name in _WAITING if name in os.environ}
    variables = {**_SETTINGS, **waiting, "PYTHONPATH": path}
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    here = {"num_cpus": max(cores, cluster.workers), "object_store_memory": _OBJECT_STORE}
    try:
        ray.init(
            address=cluster.address or "local",
            runtime_env={"env_vars": variables},
            **quiet,
            **({} if cluster.address else {**here, "include_dashboard": False}),
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"--address {cluster.address}: no Ray cluster answers ({error})") from error
    try:
        there = ray.cluster_resources()
        if there.get("CPU", 0) < cluster.workers:
            raise UserError(
                f"--workers {cluster.workers}: the cluster has {there.get('CPU', 0):.0f} CPUs"
            )
        gpus = there.get("GPU", 0) >= cluster.workers and config.device != "cpu"
        if config.device.startswith("cuda") and not gpus:
            raise UserError(
                f"device {config.device!r}: {cluster.workers} workers need a GPU each, and the "
                f"cluster has {there.get('GPU', 0):.0f}"
            )
        threads = max(int(there["CPU"]) // cluster.workers, 1)
        yield {"CPU": threads, **({"GPU": 1} if gpus else {})}
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """See whether anybody listens at host:port, since Ray itself waits for many minutes.

    Raises:
        UserError: nobody does.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise UserError(
            f"--address {address}: no Ray cluster answers ({error.strerror or error}). "
            "'ray start --head' on one machine prints the address of a new one"
        ) from error


@contextmanager
def _without_traces(run: Run) -> Iterator[None]:
    """What Ray Train writes for itself is removed; it has to lie where all machines see it."""
    try:
        yield
    finally:
        shutil.rmtree(run.path / _OWN, ignore_errors=True)


def _import_ray() -> Any:
    try:
        import ray
        import ray.train
    except ImportError as error:
        raise UserError(
            "--workers needs Ray: pip install 'multimodal-rl[ray]', or train without --workers"
        ) from error
    return ray


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
    words = str(lost[named[0]]).strip().splitlines()
    return f"number {named[0]}: {words[-1] if words else type(lost[named[0]]).__name__}"
