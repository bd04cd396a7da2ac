"""Trainings in processes of their own, as ``mmrl ablate`` and ``mmrl tune`` run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Final

from mmrl.experiment.config import TrainConfig
from mmrl.interrupts import ask_to_end, own_group
from mmrl.loggers import logger_names
from mmrl.trust import split_path

_PATIENCE: Final = 30.0  # seconds to save a checkpoint in, as schedulers give


class Trainings:
    """``mmrl train`` in processes that end with this one, each after a last checkpoint.

    Args:
        jobs: how many run side by side, which share the cores.
    """

    def __init__(self, jobs: int) -> None:
        self._threads = max((os.cpu_count() or 1) // jobs, 1)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = Lock()
        self.stopped = False

    def start(self, arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
        """Begin a training; a terminal's Ctrl-C does not reach it, but :meth:`stop` does.

        Args:
            arguments: of ``mmrl train``.
            log: file for what it prints.
        """
        with self._lock, log.open("w", encoding="utf-8") as file:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mmrl", "train", *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                **own_group(),
                env={**os.environ, "OMP_NUM_THREADS": str(self._threads)},
            )
            self._running.add(process)
        if self.stopped:
            ask_to_end(process)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> int:
        """Have a training end, by force if it does not; its exit status."""
        if process.poll() is None:
            ask_to_end(process)
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        status = process.wait()
        self._running.discard(process)
        return status

    def run(self, arguments: list[str], log: Path) -> int:
        """Train to the end; the exit status."""
        process = self.start(arguments, log)
        process.wait()
        return self.end(process)

    def stop(self) -> None:
        """Ask all of them to save a checkpoint and end, and no more to begin."""
        self.stopped = True
        for process in list(self._running):
            if process.poll() is None:
                ask_to_end(process)


def named_code(config: TrainConfig) -> list[str]:
    """The options that name the code of a configuration, which was checked before: a process that
    is given them trusts it.
    """
    model = config.model
    names = {"agent": config.agent}
    for part in ("fusion", "image", "text", "speech", "vector"):
        names[f"model.{part}"] = getattr(model, part)
    named = [f"--{key}={name}" for key, name in names.items() if split_path(name) is not None]
    loggers = logger_names(config.logger)
    if any(split_path(name) is not None for name in loggers):
        named.append(f"--logger={json.dumps(loggers)}")
    if any(split_path(row.name) is not None for row in model.encoders.values()):
        rows = {key: asdict(row) for key, row in model.encoders.items()}
        named.append(f"--model.encoders={json.dumps(rows)}")
    return [f"--env={config.env}", *named]


def last_line(log: Path) -> str:
    """The last line of a log."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing"
