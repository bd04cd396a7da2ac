"""Loggers: where the numbers of a training go, beside TensorBoard's event files.

``logger: [csv, jsonl]`` in a configuration names them. Nothing is sent anywhere unless a service is
named. To add one, give a dotted path to a class like :class:`Logger`, or name it in the group
``mmrl.loggers`` of entry points::

    class Printed:
        def __init__(self, folder, config, steps):
            self.name = folder.name

        def log(self, scalars, step):
            print(self.name, step, scalars)

        def close(self):
            pass
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, Self

from mmrl.errors import UserError, unknown
from mmrl.registry import LOGGERS as ENTRY_POINTS
from mmrl.registry import find_offered, is_offered
from mmrl.text_output import shortened
from mmrl.trust import import_trusted

TENSORBOARD: Final = "tensorboard"
"""May be named, too: its event files are always written."""


class Logger(Protocol):
    """Takes the numbers of one training.

    Args:
        folder: the run folder.
        config: the configuration, by dotted names.
        steps: of the checkpoint that the training is resumed from: what was logged after it will be
            logged again; None for a new training.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], steps: int | None) -> None: ...

    def log(self, scalars: Mapping[str, float], step: int) -> None:
        """Log numbers by their names, such as ``rollout/success_rate``.

        Args:
            scalars: of an update, or of the evaluation at the end (``eval/…``).
            step: environment steps of an agent, gradient steps of ``mmrl fit``.
        """
        ...

    def close(self) -> None:
        """Have all of it written."""
        ...


class NamedLogger(NamedTuple):
    """A logger that has a name.

    Attributes:
        path: of its class.
        package: that it needs, as a module and for pip.
    """

    path: str
    package: str | None = None


LOGGERS: Final = {
    "csv": NamedLogger("mmrl.loggers.files.CsvLogger"),
    "jsonl": NamedLogger("mmrl.loggers.files.JsonlLogger"),
    "mlflow": NamedLogger("mmrl.loggers.services.MlflowLogger", "mlflow"),
    "trackio": NamedLogger("mmrl.loggers.services.TrackioLogger", "trackio"),
    "wandb": NamedLogger("mmrl.loggers.services.WandbLogger", "wandb"),
}


def logger_names(given: str | Sequence[str] | None) -> list[str]:
    """The loggers that a configuration names, each once, without TensorBoard.

    Args:
        given: one, several with commas between, or a list.
    """
    names = given.split(",") if isinstance(given, str) else given or ()
    return [name for name in dict.fromkeys(one.strip() for one in names) if name != TENSORBOARD]


def check_loggers(given: str | Sequence[str] | None) -> None:
    """Refuse loggers that there are not; none is imported.

    Raises:
        UserError: an unknown name, or one whose package is not installed.
    """
    for name in logger_names(given):
        known = LOGGERS.get(name)
        if known is None and not is_offered(ENTRY_POINTS, name):
            raise unknown("logger", name, [*LOGGERS, TENSORBOARD])
        if known is not None and known.package and find_spec(known.package) is None:
            raise UserError(f"logger {name!r} needs a package: pip install {known.package}")


def open_loggers(
    given: str | Sequence[str] | None,
    folder: Path,
    config: Mapping[str, Any],
    steps: int | None = None,
) -> Loggers:
    """The loggers that a configuration names.

    Args:
        given: the names, see :func:`logger_names`.
        folder, config, steps: as of :class:`Logger`.

    Raises:
        UserError: there is none of that name, or it cannot be opened.
    """
    loggers = Loggers()
    for name in logger_names(given):
        make = _find(name)
        try:
            loggers.opened[name] = make(folder, config, steps)
        except Exception as error:  # of any kind, from another package
            loggers.close()
            raise UserError(
                f"logger {name!r} cannot be opened: {shortened(f'{type(error).__name__}: {error}')}"
            ) from error
    return loggers


def _find(name: str) -> Callable[[Path, Mapping[str, Any], int | None], Logger]:
    check_loggers(name)
    if name in LOGGERS:
        module, _, attribute = LOGGERS[name].path.rpartition(".")
        return getattr(import_trusted(module), attribute)
    return find_offered(ENTRY_POINTS, name, "logger", LOGGERS)


class Loggers:
    """Several loggers as one. One that fails is warned about once, and the training continues.

    Attributes:
        opened: by name.
    """

    def __init__(self) -> None:
        self.opened: dict[str, Logger] = {}
        self._failed: set[str] = set()

    def __enter__(self) -> Self:
        """For a ``with`` block, after which they are closed."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def log(self, scalars: Mapping[str, float], step: int) -> None:
        """As :meth:`Logger.log`."""
        for name, logger in self.opened.items():
            self._try(name, partial(logger.log, scalars, step))

    def close(self) -> None:
        """As :meth:`Logger.close`; nothing happens the second time."""
        opened, self.opened = self.opened, {}
        for name, logger in opened.items():
            self._try(name, logger.close)

    def _try(self, name: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # a full disk, a network that is down, any error of a package
            if name not in self._failed:
                self._failed.add(name)
                reason = shortened(f"{type(error).__name__}: {error}")
                warnings.warn(f"logger {name!r}: {reason}; the training continues", stacklevel=4)
