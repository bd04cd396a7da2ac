"""A run folder: configuration, event files, checkpoints and result of one training."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

from mmrl.errors import UserError
from mmrl.files import write_atomically, write_json
from mmrl.preprocessing.inputs import Preprocessing

CONFIG: Final = "config.yaml"
RESULT: Final = "result.json"
_CHECKPOINT: Final = re.compile(r"step_(\d+)\.zip")


class Run:
    """A run folder that exists.

    Attributes:
        path: the folder.
        events: where TensorBoard's files go: the folder itself, whose name they are shown under.
        checkpoints: where checkpoints go, ``step_<steps>.zip``.
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
        if not isinstance(config, dict) or "env" not in config:
            raise UserError(f"{file} is no configuration of a training: it names no env")
        return cls(path, config)

    def save_checkpoint(self, save: Callable[[str], Any], steps: int) -> Path:
        """Write a checkpoint; one of the same name is replaced only by a whole new one.

        Args:
            save: writes to the path that it is given.
            steps: environment steps so far.
        """
        target = self.checkpoints / f"step_{steps}.zip"
        with tempfile.TemporaryDirectory(dir=self.checkpoints) as folder:
            draft = Path(folder) / target.name
            save(str(draft))
            os.replace(draft, target)
        return target

    def discard_unless_trained(self) -> None:
        """Remove the folder again if training failed before there was anything to keep."""
        if not list(self.checkpoints.iterdir()):
            shutil.rmtree(self.path)

    def newest_checkpoint(self) -> Path:
        """The checkpoint with the most steps.

        Raises:
            UserError: there is none.
        """
        found = {
            int(match[1]): path
            for path in self.checkpoints.glob("*.zip")
            if (match := _CHECKPOINT.fullmatch(path.name))
        }
        if not found:
            raise UserError(f"{self.path} has no checkpoint yet")
        return found[max(found)]

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
        return dict(_flatten(self.config))


def _flatten(section: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in section.items():
        if isinstance(value, dict):
            pairs += _flatten(value, f"{prefix}{key}.")
        else:
            pairs.append((prefix + key, value))
    return pairs
