"""Where workers run: Ray, on this machine or a cluster, and what a training would do there."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from mmrl.adapters import make_vec_env
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.preprocessing import build_preprocessing
from mmrl.fitting.goals import with_goals

_OBJECT_STORE: Final = 128 * 2**20  # bytes; little goes through it
_SETTINGS: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to anybody
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # paths stay what they were
    "RAY_worker_niceness": "0",  # of all that runs here, they are what is wanted
}
_WAITING: Final = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


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
    space, actions = batch.single_observation_space, batch.single_action_space
    batch.close()
    preprocessing = with_goals(build_preprocessing(config, space), config.model, space)
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


def import_ray() -> Any:
    """Ray, which sends nothing to anybody.

    Raises:
        UserError: it is not installed.
    """
    os.environ.update(_SETTINGS)
    try:
        import ray
        import ray.train
    except ImportError as error:
        raise UserError(
            "--workers needs Ray: pip install 'multimodal-rl[ray]', or train without --workers"
        ) from error
    return ray


@contextmanager
def connected(ray: Any, config: TrainConfig, cluster: Cluster) -> Iterator[dict[str, float]]:
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
