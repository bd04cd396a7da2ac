"""A run folder: configuration, event files, checkpoints and result of one training."""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path
from typing import Any, Final

import yaml

from mmrl.errors import UserError
from mmrl.experiment.checkpoint import (
    Checkpoint,
    DamagedCheckpointError,
    check_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from mmrl.files import remove_drafts, write_atomically, write_json
from mmrl.preprocessing.inputs import Preprocessing

CONFIG: Final = "config.yaml"
RESULT: Final = "result.json"
_CHECKPOINT: Final = re.compile(r"step_(\d+)")


class Run:
    """A run folder that exists.

    Attributes:
        path: the folder.
        events: where TensorBoard's files go: the folder itself, whose name they are shown under.
        checkpoints: where checkpoints go, folders ``step_<steps>``.
        config: the resolved configuration.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self.events = path
        self.checkpoints = path / "checkpoints"
        self.config = config

    @classmethod
    def create(cls, path: str | Path, config: dict[str, Any]) -> Run:
        """Make a new run folder and write the configuration into it.

        Raises:
            UserError: it exists already, or cannot be written.
        """
        path = Path(path)
        if path.exists():
            raise UserError(
                f"run folder {path} exists already; nothing was overwritten. "
                "Give another --out, or remove it"
            )
        run = cls(path, config)
        try:
            run.checkpoints.mkdir(parents=True)
            write_atomically(path / CONFIG, yaml.safe_dump(config, sort_keys=False))
        except OSError as error:
            raise UserError(
                f"run folder {path} cannot be written: {error.strerror or error}"
            ) from error
        return run

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """The run in a folder.

        Raises:
            UserError: there is none, or its configuration cannot be read.
        """
        path = Path(path)
        file = path / CONFIG
        if not file.is_file():
            raise UserError(f"{path} is no run folder: it has no {CONFIG}")
        try:
            config = yaml.safe_load(file.read_text())
        except (OSError, yaml.YAMLError) as error:
            raise UserError(f"{file} cannot be read: {error}") from error
        if not isinstance(config, dict) or not {"env", "task"} & config.keys():
            raise UserError(f"{file} is no configuration of a training: it names no env or task")
        return cls(path, config)

    def save_checkpoint(self, checkpoint: Checkpoint, keep: int = 3) -> Path:
        """Write a checkpoint as a folder that appears when all of it is on the disk.

        Args:
            checkpoint: what to write; a whole one of the same steps is left as it is.
            keep: how many of the newest to keep, with this one.

        Raises:
            UserError: it cannot be written; the older ones are as they were.
        """
        target = self.checkpoints / f"step_{checkpoint.steps}"
        if not _is_whole(target):
            write_checkpoint(target, checkpoint)
        for old in self._newest_first()[keep:]:
            shutil.rmtree(old, ignore_errors=True)
        return target

    def resume(self, config: dict[str, Any]) -> None:
        """Make the folder ready for a training that goes on, with this configuration from now on;
        what a process that was killed while it wrote has left is removed.
        """
        remove_drafts(self.checkpoints)
        if config != self.config:
            write_atomically(self.path / CONFIG, yaml.safe_dump(config, sort_keys=False))
            self.config = config

    def discard_unless_trained(self) -> None:
        """Remove the folder again if training failed before there was anything to keep."""
        if not self._newest_first():
            shutil.rmtree(self.path)

    def newest_checkpoint(self) -> Path:
        """The whole checkpoint with the most steps; damaged ones are passed over with a warning.

        Raises:
            UserError: there is none.
        """
        return self._newest()

    def read_checkpoint(self) -> Checkpoint:
        """What is in :meth:`newest_checkpoint`.

        Raises:
            UserError: there is none.
        """
        return read_checkpoint(self._newest())

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
            else f"{self.path} has no checkpoint yet"
        )

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


def flat(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration by dotted names."""
    return dict(_flatten(config))


def _flatten(section: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in section.items():
        if isinstance(value, dict):
            pairs += _flatten(value, f"{prefix}{key}.")
        else:
            pairs.append((prefix + key, value))
    return pairs
