"""Starts TensorBoard on the tab "Rollouts"."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tensorboard import default, program

from mmrl.errors import UserError
from mmrl.tensorboard.plugin import RolloutsPlugin

HOST: Final = "127.0.0.1"
PORT: Final = 6006
"""The first port that is tried."""
_TRIED: Final = 100


def start(folders: Sequence[str | Path], port: int | None = None, *, reload: float = 5.0) -> str:
    """Start TensorBoard in a thread of this process.

    Args:
        folders: runs, or folders of runs.
        port: of the server; the first free one from 6006 on, if None.
        reload: seconds between the times that event files are read again.

    Returns:
        The address of the tab "Rollouts".

    Raises:
        UserError: no such folder, or no such port that is free.
    """
    board = program.TensorBoard(plugins=plugins())
    board.configure(
        argv=[
            "tensorboard", *_log_options(folders), "--host", HOST,
            "--port", str(_free_port() if port is None else _checked(port)),
            "--reload_interval", f"{reload:g}", "--load_fast", "false",
        ]
    )  # fmt: skip
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    try:
        return f"{board.launch()}#rollouts"
    except program.TensorBoardServerException as error:
        raise UserError(f"TensorBoard does not start: {error.msg}") from error


def plugins() -> list[Any]:
    """TensorBoard's plug-ins and ours, once."""
    ours = {RolloutsPlugin.plugin_name}
    others = [one for one in default.get_plugins() if _name(one) not in ours]
    return [*others, RolloutsPlugin]


def _name(plugin: Any) -> str | None:
    return getattr(plugin, "plugin_name", None)


def _log_options(folders: Sequence[str | Path]) -> list[str]:
    paths = [Path(folder) for folder in folders]
    for path in paths:
        if not path.is_dir():
            raise UserError(f"there is no folder {path}: name runs, or a folder of runs")
    paths = list(dict.fromkeys(path.resolve() for path in paths))
    if len(paths) == 1:
        return ["--logdir", str(paths[0])]
    names: dict[str, Path] = {}
    for path in paths:
        if any(mark in str(path) for mark in ",:"):
            raise UserError(f"{path}: a comma or a colon in a name; give the folder above it alone")
        endings = ("_".join(path.parts[-k:]) for k in range(1, len(path.parts)))
        name = next((one for one in endings if one not in names), f"folder {len(names)}")
        names[name] = path
    return ["--logdir_spec", ",".join(f"{name}:{path}" for name, path in names.items())]


def _free_port() -> int:
    for port in range(PORT, PORT + _TRIED):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise UserError(f"no port from {PORT} to {PORT + _TRIED - 1} is free: give --port")


def _checked(port: int) -> int:
    if not 0 <= port <= 65535:
        raise UserError(f"--port {port}: must be 0 to 65535")
    return port
