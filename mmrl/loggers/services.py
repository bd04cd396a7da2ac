"""Trackers of experiments: Trackio, MLflow and Weights & Biases, where they are installed.

Trackio and MLflow keep their files on this machine unless their own variables, such as
``TRACKIO_SPACE_ID`` and ``MLFLOW_TRACKING_URI``, name a server; Weights & Biases sends to its
server, or keeps files by ``WANDB_MODE=offline``. What the packages report about their own use is
switched off.

A resumed training continues its run: the name is kept as ``logger.json`` in the run folder.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from mmrl.files import write_json

PROJECT: Final = "mmrl"
"""Where the services keep runs, unless their own variables name another project."""
FILE: Final = "logger.json"
_QUIET: Final = {
    "DO_NOT_TRACK": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
}
_LONGEST: Final = 500  # characters of a parameter of MLflow


class TrackioLogger:
    """Trackio's run of the folder's name.

    Args:
        folder, config, steps: as of :class:`mmrl.loggers.Logger`.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], steps: int | None) -> None:
        self._run = _import("trackio").init(
            project=os.environ.get("TRACKIO_PROJECT", PROJECT),
            name=_name(folder, steps),
            config=dict(config),
            resume="allow",
            embed=False,
        )

    def log(self, scalars: Mapping[str, float], step: int) -> None:
        """As :meth:`mmrl.loggers.Logger.log`."""
        self._run.log(dict(scalars), step=step)

    def close(self) -> None:
        """As :meth:`mmrl.loggers.Logger.close`."""
        self._run.finish()


class MlflowLogger:
    """MLflow's run of the folder's name.

    Args:
        folder, config, steps: as of :class:`mmrl.loggers.Logger`.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], steps: int | None) -> None:
        mlflow = _import("mlflow")
        self._client = mlflow.MlflowClient()
        self._metric = mlflow.entities.Metric
        project = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        experiment = self._client.get_experiment_by_name(project)
        where = experiment.experiment_id if experiment else self._client.create_experiment(project)
        name = _name(folder, steps)
        found = self._client.search_runs([where], f"attributes.run_name = '{name}'", max_results=1)
        run = found[0] if found else self._client.create_run(where, run_name=name)
        self._id = run.info.run_id
        if not found:
            for key, value in config.items():
                self._client.log_param(self._id, key, str(value)[:_LONGEST])

    def log(self, scalars: Mapping[str, float], step: int) -> None:
        """As :meth:`mmrl.loggers.Logger.log`."""
        now = round(1000 * time.time())
        self._client.log_batch(
            self._id, [self._metric(name, value, now, step) for name, value in scalars.items()]
        )

    def close(self) -> None:
        """As :meth:`mmrl.loggers.Logger.close`."""
        self._client.set_terminated(self._id)


class WandbLogger:
    """The run of Weights & Biases of the folder's name. It ignores what a resumed training logs
    again.

    Args:
        folder, config, steps: as of :class:`mmrl.loggers.Logger`.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], steps: int | None) -> None:
        name = _name(folder, steps)
        self._run = _import("wandb").init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=name,
            name=name,
            config=dict(config),
            dir=folder,
            resume="allow",
        )

    def log(self, scalars: Mapping[str, float], step: int) -> None:
        """As :meth:`mmrl.loggers.Logger.log`."""
        self._run.log(dict(scalars), step=step)

    def close(self) -> None:
        """As :meth:`mmrl.loggers.Logger.close`."""
        self._run.finish()


def _import(package: str) -> Any:
    """A service's package, which reports nothing about its use."""
    for variable, value in _QUIET.items():
        os.environ.setdefault(variable, value)
    return import_module(package)


def _name(folder: Path, steps: int | None) -> str:
    """The name of the run: the folder's and a random number, kept where a training is resumed."""
    file = folder / FILE
    if steps is not None and file.is_file():
        return str(json.loads(file.read_text(encoding="utf-8"))["name"])
    name = f"{folder.resolve().name}-{secrets.token_hex(4)}"
    write_json(file, {"name": name})
    return name
