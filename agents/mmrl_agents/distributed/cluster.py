"""Where workers run: Ray, on this machine or a cluster, and the plan of a training there."""

from __future__ import annotations

import os
import socket
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mmrl.env_sets import short_name
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import probe
from mmrl.experiment.preprocessing import build_preprocessing
from mmrl.optional_packages import needed_for
from mmrl.training.goal_images import with_goals

_OBJECT_STORE: Final = 128 * 2**20  # bytes; little goes through it
_SETTINGS: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no usage statistics are sent
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # paths stay the same
    "RAY_worker_niceness": "0",  # workers are the main load
    "RAY_prestart_worker_first_driver": "0",  # one for each core, and none of them of use
}
_HANDED_ON: Final = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "PYTHONPATH")
_QUIET: Final = {"log_to_driver": False, "logging_level": "ERROR"}


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
    info = probe(config)
    space = info.observation_space
    preprocessing = with_goals(build_preprocessing(config, info), config.model, space, config.env)
    policy = agent.build_policy(config, hyper, preprocessing, space, info.action_space)
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
            f"{config.agent} on {short_name(config.env)} for {config.steps:,} steps, "
            f"by {workers} workers",
            f"  where          {where}",
            f"  environments   {hyper.num_envs:,} in all, {hyper.num_envs // workers:,} each",
            f"  an update      {collected:,} steps in all; {messages} minibatches of "
            f"{hyper.batch_size:,}, about {hyper.batch_size / workers:,.0f} each",
            f"  messages       {messages} an update, of {4 * weights / 1e6:.2f} MB: the gradients "
            f"of {weights:,} weights, summed over the workers",
            f"  checkpoints    {every}, and at the end, by the first worker, in {config.out}: "
            "every machine has to see that folder",
            "  a lost worker  all resume from the last checkpoint, with another one in its place",
            "  the result     that of one process with all environments, up to rounding",
        ]
    )


def import_ray() -> Any:
    """Ray, without its usage statistics.

    Raises:
        UserError: it is not installed.
    """
    os.environ.update(_SETTINGS)
    with needed_for("--workers", "ray"):
        import ray
        import ray.train
    return ray


@contextmanager
def connected(
    ray: Any, config: TrainConfig, cluster: Cluster, folder: Path
) -> Iterator[dict[str, float]]:
    """Ray, on this machine or a cluster; what each worker may have of it.

    Args:
        ray: the module.
        config: of the training.
        cluster: how many workers, and where.
        folder: for the files of a Ray that is started here; others cannot enter it.

    Raises:
        UserError: there is no cluster, or it is too small; or Ray cannot be started here.
        KeyboardInterrupt: SIGINT or SIGTERM.
    """
    from mmrl_agents.distributed import loopback

    if cluster.address:
        _knock(cluster.address)
    with nullcontext() if cluster.address else loopback.own_token():
        try:
            try:
                if cluster.address:
                    _connect(ray, cluster.address)
                else:
                    _start(ray, cluster.workers, folder)
            except SystemExit as error:  # Ray's answer to SIGTERM
                raise KeyboardInterrupt from error
            yield _resources(ray.cluster_resources(), config, cluster.workers)
        finally:
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    """Join a cluster that runs.

    Raises:
        UserError: there is none.
    """
    try:
        ray.init(address=address, **_job({}), **_QUIET)
    except Exception as error:  # Ray raises that very class, too
        hint = (
            ""
            if "RAY_AUTH_MODE" in os.environ
            else ". If it asks for a token, as Ray 2.60 does, set RAY_AUTH_MODE=token"
        )
        raise UserError(f"--address {address}: no Ray cluster answers ({error}){hint}") from error


def _start(ray: Any, workers: int, folder: Path) -> None:
    """Start Ray on this machine, for this training alone; other machines cannot reach it.

    Raises:
        UserError: it does not start.
    """
    from mmrl_agents.distributed import loopback

    try:
        with loopback.started_on_loopback():
            ray.init(
                address="local",
                num_cpus=max(os.cpu_count() or 1, workers),
                object_store_memory=_OBJECT_STORE,
                include_dashboard=False,
                _temp_dir=str(folder / "ray"),  # which it makes readable to all users
                **_job(loopback.loopback_variables()),
                **_QUIET,
            )
    except Exception as error:  # Ray raises that very class, too
        raise UserError(
            f"--workers {workers}: Ray cannot be started on this machine, with its files in "
            f"{folder}: {error}"
        ) from error
    address = ray.util.get_node_ip_address()
    if address != loopback.ADDRESS:
        warnings.warn(
            f"Ray {ray.__version__} listens on {address}, where other machines may reach it, "
            f"not on {loopback.ADDRESS}: see docs/scaling.md",
            stacklevel=2,
        )


def _job(variables: dict[str, str]) -> dict[str, Any]:
    """How the processes of a training are started, as arguments of ``ray.init``.

    Args:
        variables: of their environment, besides those that are the same everywhere.
    """
    from mmrl_agents.distributed.loopback import PlainPathJobConfig

    handed_on = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    return {
        "job_config": PlainPathJobConfig(),
        "runtime_env": {"env_vars": {**_SETTINGS, **handed_on, **variables}},
    }


def _resources(available: dict[str, float], config: TrainConfig, workers: int) -> dict[str, float]:
    """What each worker may have.

    Args:
        available: what the cluster has, by Ray's names.

    Raises:
        UserError: it is too little.
    """
    if available.get("CPU", 0) < workers:
        raise UserError(f"--workers {workers}: the cluster has {available.get('CPU', 0):.0f} CPUs")
    gpus = available.get("GPU", 0) >= workers and config.device != "cpu"
    if config.device.startswith("cuda") and not gpus:
        raise UserError(
            f"device {config.device!r}: {workers} workers need a GPU each, and the cluster has "
            f"{available.get('GPU', 0):.0f}"
        )
    threads = max(int(available["CPU"]) // workers, 1)
    return {"CPU": threads, **({"GPU": 1} if gpus else {})}


def search_path() -> list[str]:
    """Where this process finds modules, as absolute paths."""
    return [os.path.abspath(folder) for folder in sys.path]


def extend_search_path(folders: Sequence[str]) -> None:
    """Have this process look for modules in these folders as well, after all others."""
    here = set(search_path())
    sys.path += [folder for folder in dict.fromkeys(folders) if folder not in here]


def _knock(address: str) -> None:
    """Check that something listens at host:port, since Ray itself waits for many minutes.

    Raises:
        UserError: nothing answers.
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
