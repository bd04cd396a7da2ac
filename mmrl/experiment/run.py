"""A run folder: configuration, status, event files, checkpoints and result of one training.

``status.json`` holds the status of the training: it is ``starting`` until the first step is taken,
``training`` until it is ``finished``, has ``failed`` or was ``interrupted``. Once a step was taken
the folder is never removed; while it holds no checkpoint, the same command begins in it again. A
folder of ``mmrl export`` is ``exported``: it acts like the run, and cannot be resumed.
"""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from mmrl.errors import UserError
from mmrl.experiment.checkpoint import (
    STATE,
    Checkpoint,
    DamagedCheckpointError,
    check_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from mmrl.experiment.config import flat
from mmrl.experiment.env_info import EnvInfo
from mmrl.experiment.lock import RunLock
from mmrl.experiment.renamed import announce, rename_keys
from mmrl.files import DRAFT, WriteError, is_file, remove_drafts, write_atomically, write_json
from mmrl.machine import release_memory
from mmrl.models.config import complete
from mmrl.preprocessing.pipeline import Preprocessing
from mmrl.records import EPISODES_FOLDER
from mmrl.schema import FileError, Schema, convert, parse_json, read_content, read_yaml
from mmrl.trust import check, sign
from mmrl.yaml_text import to_yaml

CONFIG: Final = "config.yaml"
RESULT: Final = "result.json"
STATUS: Final = "status.json"
_CHECKPOINT: Final = re.compile(r"step_(\d+)")


class Status(StrEnum):
    """The status of a training."""

    STARTING = "starting"
    TRAINING = "training"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    EXPORTED = "exported"


class _StatusFile(Schema):
    """What ``status.json`` holds."""

    status: Status
    since: str = ""
    why: str | None = None


class Run:
    """A run folder that exists.

    Attributes:
        path: the folder.
        events: where TensorBoard's files go: the folder itself, whose name they are shown under.
        records: where episode records go, see :mod:`mmrl.records`.
        checkpoints: where checkpoints go, folders ``step_<steps>``.
        config: the resolved configuration.
        begun_again: whether an earlier training, of which nothing is left, has begun here.
    """

    def __init__(
        self,
        path: Path,
        config: dict[str, Any],
        *,
        begun_again: bool = False,
        trust_code: bool = False,
    ) -> None:
        self.path = path
        self.events = path
        self.records = path / EPISODES_FOLDER
        self.checkpoints = path / "checkpoints"
        self.config = config
        self.begun_again = begun_again
        self._trust_code = trust_code
        self._before = self._status_file()
        self._env_info: EnvInfo | None = None

    @classmethod
    def create(
        cls, path: str | Path, config: dict[str, Any], env_info: EnvInfo | None = None
    ) -> Run:
        """Make a new run folder and write the configuration into it; or take one that is empty, or
        whose training has left no checkpoint.

        Args:
            path: the folder.
            config: the resolved configuration.
            env_info: what is known of the environment, which is kept beside it.

        Raises:
            UserError: it holds something else, or cannot be written.
            LockedError: another process trains in it.
        """
        path = Path(path)
        run = cls(path, config, begun_again=path.exists())
        run._env_info = env_info
        if run.begun_again:
            run._check_unused()
        try:
            run.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"run folder {path} cannot be written: {error.strerror or error}"
            ) from error
        for place in (path, run.checkpoints):
            remove_drafts(place)
        run.set_status(Status.STARTING)
        run.write_config()
        return run

    @classmethod
    def open(cls, path: str | Path, *, trust_code: bool = False) -> Run:
        """The run in a folder.

        Args:
            path: the folder.
            trust_code: import code that its configuration names, wherever it is; see
                :mod:`mmrl.trust`.

        Raises:
            UserError: there is none, or its configuration cannot be read.
            UntrustedCodeError: it names code that is not trusted.
        """
        path = Path(path)
        file = path / CONFIG
        if not is_file(file):
            raise UserError(f"{path} is no run folder: it has no {CONFIG}")
        config = read_yaml(file, dict[str, Any])
        if not {"env", "task"} & config.keys():
            raise UserError(f"{file} is no configuration of a training: it names no env or task")
        check(config, file, trust_code=trust_code)
        for key in ("env", "task", "agent"):
            convert(config.get(key, ""), str, f"{file}: {key}")
        config, renamed = rename_keys(config)
        announce(renamed, str(path))
        if isinstance(config.get("model"), dict):
            config["model"] = complete(config["model"])
        return cls(path, config, trust_code=trust_code)

    @property
    def status(self) -> Status | None:
        """The status of its training; None for older folders, which have no such file."""
        try:
            plain = parse_json(self._status_file(), STATUS)
            return convert(plain, _StatusFile, STATUS).status
        except FileError:
            return None

    def set_status(self, status: Status, why: str | None = None) -> None:
        """Write the status of the training.

        Args:
            status: now.
            why: the error, of a failed training.

        Raises:
            WriteError: it cannot be written.
        """
        now = datetime.now().astimezone().isoformat(timespec="microseconds")
        reason = {} if why is None else {"why": why}
        write_json(self.path / STATUS, {"status": status, "since": now, **reason})

    def end(self, status: Status, why: str | None = None) -> None:
        """Write how the training has ended; or remove the folder where it has not begun, and
        leave it as it was where an earlier training was to be resumed and was not.

        A full disk is no error here: the reason for the end matters more.
        """
        if self.status is Status.STARTING and not self._newest_first():
            shutil.rmtree(self.path, ignore_errors=True)
        elif self._status_file() != self._before:
            try:
                self.set_status(status, why)
            except WriteError as error:
                warnings.warn(str(error), stacklevel=2)

    def _status_file(self) -> bytes:
        try:
            return read_content(self.path / STATUS)
        except FileError:
            return b""

    def check_resumable(self) -> None:
        """Refuse a folder of ``mmrl export``.

        Raises:
            UserError: it is one.
        """
        if self.status is Status.EXPORTED:
            raise UserError(
                f"{self.path} was exported, without what resuming needs (optimiser, environments): "
                f"begin a training like it by 'mmrl {'fit' if 'task' in self.config else 'train'} "
                f"--config {self.path / CONFIG} --out …'"
            )

    def lock(self) -> RunLock:
        """For a ``with`` block in which no other process may write into the folder."""
        return RunLock(self.path)

    def save_checkpoint(self, checkpoint: Checkpoint, keep: int = 3) -> Path:
        """Write a checkpoint as a folder that appears when all of it is on the disk.

        Where the disk is full, the oldest checkpoints make room for it, the newest whole one
        excepted.

        Args:
            checkpoint: what to write; a whole one of the same steps is left as it is.
            keep: how many of the newest to keep, with this one.

        Raises:
            WriteError: it cannot be written; the newest of the others is as it was.
        """
        target = self.checkpoints / f"step_{checkpoint.steps}"
        if not _is_whole(target):
            self._make_room(lambda: write_checkpoint(target, checkpoint))
            release_memory()
        for old in self._newest_first()[keep:]:
            shutil.rmtree(old, ignore_errors=True)
        return target

    def _make_room(self, write: Callable[[], None]) -> None:
        """Write, and remove one old checkpoint after the other while the disk is full."""
        while True:
            try:
                return write()
            except WriteError as error:
                found = self._newest_first()
                newest = next((path for path in found if _is_whole(path)), None)
                spare = [path for path in found if path != newest]
                if not error.disk_is_full or not spare:
                    raise
                warnings.warn(f"{error}: {spare[-1].name} is removed to make room", stacklevel=3)
                shutil.rmtree(spare[-1], ignore_errors=True)

    def resume(self, config: dict[str, Any], env_info: EnvInfo | None = None) -> None:
        """Get the folder ready for a training that resumes with this configuration, which is
        written by :meth:`begin`, when it is known to fit; what a process that was killed as it
        wrote has left is removed.
        """
        for place in (self.path, self.checkpoints):
            remove_drafts(place)
        self.config = config
        self._env_info = env_info

    @property
    def env_info(self) -> EnvInfo | None:
        """What was learned of the environment before training; None in runs of earlier versions.

        Raises:
            UserError: the file cannot be read.
        """
        return self._env_info or EnvInfo.load(self.path)

    def begin(self) -> None:
        """Set the status to ``training``, and write the present configuration.

        Raises:
            WriteError: it cannot be written.
        """
        self.write_config()
        self.set_status(Status.TRAINING)

    def write_config(self) -> None:
        """Write the configuration where it is another one than in the file, and sign the code that
        it names; and what is known of the environment.

        Raises:
            WriteError: it cannot be written.
        """
        text, file = to_yaml(self.config), self.path / CONFIG
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            write_atomically(file, text)
            sign(self.config, self.path)
        if self._env_info is not None and EnvInfo.load(self.path) != self._env_info:
            self._env_info.save(self.path)

    def _check_unused(self) -> None:
        """Make sure that nothing is lost if a training begins here.

        Raises:
            UserError: something would be.
        """
        if not self.path.is_dir():
            raise UserError(f"run folder {self.path} is a file; give another --out")
        self.lock().check()
        if self._newest_first():
            raise UserError(
                f"run folder {self.path} exists already; nothing was overwritten. Give another "
                f"--out, or resume its training by --resume {self.path}"
            )
        left = {one.name for one in self.path.iterdir() if not one.name.startswith(DRAFT)}
        if self.status is None and left - {self.checkpoints.name}:
            raise UserError(
                f"run folder {self.path} exists already; nothing was overwritten. "
                "Give another --out, or remove it"
            )

    def newest_checkpoint(self) -> Path:
        """The whole checkpoint with the most steps; damaged ones are skipped with a warning.

        Raises:
            UserError: there is none.
        """
        return self._newest()

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is one, be it whole or damaged."""
        return bool(self._newest_first())

    def newest_steps(self) -> int:
        """The steps of :meth:`newest_checkpoint`.

        Raises:
            UserError: there is none.
        """
        found = _CHECKPOINT.fullmatch(self.newest_checkpoint().name)
        return int(found[1]) if found else 0

    def read_checkpoint(self) -> Checkpoint:
        """What is in :meth:`newest_checkpoint`.

        Raises:
            UserError: there is none.
            UntrustedCodeError: it names code that is not trusted.
        """
        folder = self._newest()
        checkpoint = read_checkpoint(folder)
        state = convert(checkpoint.state, dict[str, Any], str(folder / STATE))
        recipe = convert(state.get("recipe", {}), dict[str, Any], f"{folder / STATE}: recipe")
        check(recipe, self.checkpoints, trust_code=self._trust_code, signature=self.path)
        return checkpoint

    def _newest(self) -> Path:
        damaged = []
        for path in self._newest_first():
            try:
                check_checkpoint(path)
            except DamagedCheckpointError as error:
                damaged.append(str(error))
            else:
                if damaged:
                    warnings.warn(f"{'; '.join(damaged)}: using {path.name}", stacklevel=3)
                return path
        raise UserError(
            f"{self.path} has no whole checkpoint: {'; '.join(damaged)}"
            if damaged
            else f"{self.path} has no checkpoint yet{self._standing()}"
        )

    def _standing(self) -> str:
        status = self.status
        if status is None:
            return ""
        return f" (its training is {status}): call the command that began it again"

    def _newest_first(self) -> list[Path]:
        """The folders of checkpoints, whole or not."""
        found = {
            int(match[1]): path
            for path in self.checkpoints.glob("step_*")
            if (match := _CHECKPOINT.fullmatch(path.name))
        }
        return [found[steps] for steps in sorted(found, reverse=True)]

    def save_preprocessing(self, preprocessing: Preprocessing) -> None:
        """Keep the preprocessing that the model is trained with."""
        preprocessing.save(self.path)

    def save_result(self, result: dict[str, Any]) -> Path:
        """Write the result of the evaluation."""
        target = self.path / RESULT
        write_json(target, result)
        return target

    def flat_config(self) -> dict[str, Any]:
        """The configuration by dotted names; only the chosen agent's section."""
        return flat(self.config)


def _is_whole(folder: Path) -> bool:
    try:
        check_checkpoint(folder)
    except DamagedCheckpointError:
        return False
    return True
