"""Trainings in processes of their own, as ``mmrl ablate``, ``mmrl benchmark`` and ``mmrl tune`` run
them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.run import RESULT
from mmrl.interrupts import ask_to_end, graceful_stop, own_group
from mmrl.loggers import logger_names
from mmrl.progress import ProgressBar
from mmrl.trust import split_path

_PATIENCE: Final = 30.0  # seconds to save a checkpoint in, as schedulers give


EVALUATION: Final = "evaluation.json"
"""The file of a run folder with an evaluation of its own, beside that of the training."""


@dataclass(frozen=True)
class PlannedTraining:
    """A training that is to be finished.

    Attributes:
        name: for people.
        out: its run folder.
        arguments: of ``mmrl train``, but for the folder.
        evaluation: options of ``mmrl eval`` for an evaluation beside the training's own, which goes
            to :data:`EVALUATION`; none, if empty.
    """

    name: str
    out: Path
    arguments: list[str]
    evaluation: list[str] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        wanted = [RESULT, *([EVALUATION] if self.evaluation else [])]
        return all((self.out / name).is_file() for name in wanted)

    def check(self, status: int, log: Path) -> None:
        """Refuse the exit status of a command that failed.

        Raises:
            UserError: it did; with the last line of its log.
        """
        if status:
            raise UserError(f"{self.name} failed: {last_line(log)} (all of it: {log})")


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

    def start(
        self, arguments: list[str], log: Path, command: str = "train"
    ) -> subprocess.Popen[bytes]:
        """Begin a training; a terminal's Ctrl-C does not reach it, but :meth:`stop` does.

        Args:
            arguments: of ``mmrl train``.
            log: file for what it prints.
            command: another one of mmrl's.
        """
        with self._lock, log.open("w", encoding="utf-8") as file:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mmrl", command, *arguments],
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

    def run(self, arguments: list[str], log: Path, command: str = "train") -> int:
        """As :meth:`start`, to the end; the exit status."""
        process = self.start(arguments, log, command)
        process.wait()
        return self.end(process)

    def finish(self, one: PlannedTraining) -> None:
        """Train; one that was interrupted is resumed, and one that has a result is kept.

        Raises:
            UserError: it failed; with the last line of its log.
        """
        one.out.parent.mkdir(parents=True, exist_ok=True)
        log = one.out.with_name(f"{one.out.name}.log")
        if not (one.out / RESULT).is_file():
            is_begun = any((one.out / "checkpoints").glob("step_*"))
            own = [*one.arguments, f"--out={one.out}"]
            one.check(self.run([f"--resume={one.out}"] if is_begun else own, log), log)
        if one.evaluation and not one.is_done:
            file = one.out / EVALUATION
            log = log.with_suffix(".evaluation.log")
            own = [str(one.out), *one.evaluation, f"--json={file.absolute()}"]
            one.check(self.run(own, log, "eval"), log)

    def stop(self) -> None:
        """Ask all of them to save a checkpoint and end, and no more to begin."""
        self.stopped = True
        for process in list(self._running):
            if process.poll() is None:
                ask_to_end(process)


def finish_all(
    planned: Sequence[PlannedTraining], jobs: int, done: Callable[[PlannedTraining], str]
) -> None:
    """Have trainings finish, so many at once, in processes of their own; the first error, or a
    signal, ends all, each after a last checkpoint.

    Args:
        planned: them.
        jobs: how many run side by side.
        done: gives the line that is printed when one has finished.

    Raises:
        UserError: one failed.
        KeyboardInterrupt: by a signal.
    """
    trainings = Trainings(jobs)
    with ProgressBar("trainings", len(planned)) as bar:

        def finish(one: PlannedTraining) -> None:
            trainings.finish(one)
            bar.console.print(done(one), highlight=False)
            bar.advance()

        with graceful_stop("the checkpoints of all trainings", trainings.stop) as stop:
            try:
                _in_parallel(finish, planned, jobs)
            except UserError:
                stop.raise_if_asked()
                raise


def _in_parallel(
    work: Callable[[PlannedTraining], None], items: Sequence[PlannedTraining], jobs: int
) -> None:
    """Do the work, so many at once; the first error ends it."""
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


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
