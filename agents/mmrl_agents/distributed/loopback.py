"""Ray and torch.distributed on one machine: everything listens on the loopback interface alone, and
asks for a token that other users of the machine do not have.

Imports Ray, an optional dependency, so that it is imported where workers are started.
"""

from __future__ import annotations

import functools
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import ray
import torch.distributed
from ray._private import ray_constants, services
from ray.job_config import JobConfig
from ray.train.torch.config import TorchConfig, _set_torch_distributed_env_vars, _TorchBackend

ADDRESS: Final = "127.0.0.1"


def loopback_variables() -> dict[str, str]:
    """Environment variables by which gloo and NCCL use the loopback interface, where its name is
    known: they would listen on the interface of the host's name, or on the first that there is.
    """
    present = {name for _, name in socket.if_nameindex()}
    names = [name for name in ("lo", "lo0") if name in present]  # Linux, macOS
    return dict.fromkeys(("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"), names[0]) if names else {}


@contextmanager
def started_on_loopback() -> Iterator[None]:
    """Within the block, a Ray that is started takes 127.0.0.1 for this machine's address.

    Ray's servers listen on all interfaces unless that is their address. Ray takes it by itself on
    macOS and Windows; it cannot be asked to on Linux, since ``_node_ip_address="127.0.0.1"`` is
    replaced by an address that others can reach.

    On Linux its processes get a session of their own as well: signals that a terminal, ``timeout``
    or a batch system sends to the process group of the command do not reach them. (They end with
    the command even if it is killed; elsewhere that relies on the process group.)
    """
    with ExitStack() as changes:
        changes.enter_context(_set(ray_constants, "ENABLE_RAY_CLUSTER", False))
        if sys.platform == "linux":
            start = functools.partial(services.ConsolePopen, start_new_session=True)
            changes.enter_context(_set(services, "ConsolePopen", start))
        yield


@contextmanager
def own_token() -> Iterator[None]:
    """Within the block, Ray's servers ask for a token that only this process and those that it
    starts have, in their environment.

    Ray's own token is in a file, ``~/.ray/auth_token``, which others can read under the usual umask
    where they can enter the home directory; and before version 2.60 Ray asks for none by default.
    Where ``RAY_AUTH_MODE`` is set, it is left to Ray.
    """
    if "RAY_AUTH_MODE" in os.environ:
        yield
        return
    before = os.environ.get("RAY_AUTH_TOKEN")
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    _read_authentication_again()
    try:
        yield
    finally:
        os.environ.pop("RAY_AUTH_MODE", None)
        os.environ.pop("RAY_AUTH_TOKEN", None)
        if before is not None:
            os.environ["RAY_AUTH_TOKEN"] = before
        _read_authentication_again()


def _read_authentication_again() -> None:
    """Ray remembers how to authenticate; versions before 2.52 know nothing of it."""
    loader = getattr(ray._raylet, "AuthenticationTokenLoader", None)
    if loader is not None:
        ray._raylet.Config.initialize("")
        loader.instance().reset_cache()


@contextmanager
def _set(module: Any, name: str, value: Any) -> Iterator[None]:
    """Replace a module's attribute within the block."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


class PlainPathJobConfig(JobConfig):  # type: ignore[misc]
    """A job whose processes keep their own ``sys.path``.

    Ray would put the working directory and the folder of the script first, so that a file
    ``torch.py`` there is run by every worker.
    """

    def _get_proto_job_config(self) -> Any:
        self._py_driver_sys_path.clear()
        return super()._get_proto_job_config()


@dataclass
class FileRendezvousConfig(TorchConfig):  # type: ignore[misc]
    """A process group on one machine whose workers find each other by a file: the TCPStore that
    Ray Train uses otherwise listens on all interfaces.

    Attributes:
        folder: that all workers can write into.
    """

    folder: str = ""

    @property
    def backend_cls(self) -> type[_FileRendezvous]:
        """What Ray Train calls."""
        return _FileRendezvous


class _FileRendezvous(_TorchBackend):  # type: ignore[misc]
    def on_start(self, worker_group: Any, backend_config: FileRendezvousConfig) -> None:
        """Join all workers into the default process group."""
        worker_group.execute(_set_torch_distributed_env_vars)
        file, size = Path(backend_config.folder) / f"rendezvous-{uuid4().hex}", len(worker_group)
        joining = [
            worker_group.execute_single_async(
                rank, _join, str(file), backend_config.backend, rank, size
            )
            for rank in range(size)
        ]
        ray.get(joining)


def _join(file: str, backend: str, rank: int, size: int) -> None:
    """What each worker does."""
    store = torch.distributed.FileStore(file, size)  # type: ignore[attr-defined]  # not in __all__
    torch.distributed.init_process_group(backend, store=store, rank=rank, world_size=size)
