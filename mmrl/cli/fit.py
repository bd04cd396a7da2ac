"""``mmrl fit``: trains a generator or an embedding from examples, and writes a run folder."""

from __future__ import annotations

import argparse
import time
from contextlib import nullcontext
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Final

from jsonargparse import ActionConfigFile

from mmrl.arguments.parser import Parser
from mmrl.arguments.resuming import as_argument, changes, check_code, named_run, source_of
from mmrl.device import find_device
from mmrl.errors import UserError
from mmrl.loggers import check_loggers
from mmrl.recipes import CONFIG_HELP, with_config_files
from mmrl.schema import convert
from mmrl.text_output import printable
from mmrl.training import TASKS, find_config, find_task
from mmrl.training.config import FitConfig

if TYPE_CHECKING:
    from mmrl.experiment.run import Run
    from mmrl.training.task import Evaluation

_NOT_THE_TASK: Final = {"config", "resume", "allow_changes", "trust_code"}
_CHANGEABLE: Final = frozenset(one.name for one in fields(FitConfig)) - {"seed"}
"""Keys that can change when a fit is resumed: all but the seed, the data and the module."""
_HELP: Final = """\
usage: mmrl fit TASK [options]

Train a generator or an embedding from examples. TASK is one of:
{tasks}
or a dotted path to your own mmrl.training.task.Task.

'mmrl fit TASK --help' explains its options. The run folder holds the configuration, TensorBoard's
event files with losses, held-out metrics and samples, checkpoints, and result.json.

  mmrl collect mmrl/GoToLocal-v0 --episodes 2000 --by expert --out data/go-to-local
  mmrl fit captioner --data data/go-to-local --out runs/captioner
  mmrl fit captioner --resume runs/captioner                         continue after an interrupt
  mmrl fit captioner --resume runs/captioner --steps 6000 --allow-changes        train for longer
"""


def run(arguments: list[str]) -> int:
    """Fit what the arguments ask for."""
    if not arguments or arguments[0] in ("-h", "--help"):
        lines = "\n".join(f"  {name:<13}{task.summary}" for name, task in TASKS.items())
        print(_HELP.format(tasks=lines), end="")
        return 0
    name, *rest = with_config_files(arguments)
    resumed = named_run(rest)
    config, resolved, allow_changes = _parse(name, rest, resumed)
    check(config)
    import torch

    from mmrl.experiment.ending import ending
    from mmrl.experiment.run import Run
    from mmrl.models.saved_encoders import saved_encoders
    from mmrl.training.trainer import fit

    torch.manual_seed(config.seed)
    with nullcontext() if resumed is None else saved_encoders(resumed.path):
        task = find_task(name).prepare(config)
    if resumed is None:
        folder = Run.create(config.out, resolved)
    else:
        folder = resumed
        _check_resume(folder, config, resolved, allow_changes=allow_changes)
    with folder.lock():
        if resumed is not None:
            folder.resume({**resolved, "out": folder.config["out"]})
        print(f"fitting {name} for {config.steps:,} steps → {folder.path}")
        started = time.monotonic()
        with ending(folder, f"mmrl fit {name} --resume {folder.path}"):
            evaluation = fit(task, config, folder, resume=resumed is not None)
    print(f"fitted in {time.monotonic() - started:.0f} s")
    print(report(evaluation))
    print(f"see it: tensorboard --logdir {folder.path.parent}")
    return 0


def report(evaluation: Evaluation) -> str:
    """The metrics and some samples, for the terminal."""
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in evaluation.metrics.items())
    samples = (f"  {printable(one, breaks=True)}" for one in evaluation.samples[:6])
    return "\n".join([f"held out: {metrics}", *samples])


def parse(name: str, arguments: list[str], resumed: Run | None) -> tuple[Any, dict[str, Any]]:
    """The task's configuration, and the same as plain values."""
    config, resolved, _ = _parse(name, arguments, resumed)
    return config, resolved


def _parse(
    name: str, arguments: list[str], resumed: Run | None
) -> tuple[Any, dict[str, Any], bool]:
    """As :func:`parse`; and whether a configuration that is resumed may change."""
    config, summary = find_config(name)
    parser = Parser(
        prog=f"mmrl fit {name}",
        usage=f"mmrl fit {name} --out OUT [options]",
        description=f"{summary[0].upper()}{summary[1:]}.",
    )
    parser.add_argument("--config", action=ActionConfigFile, help=CONFIG_HELP)
    parser.add_argument("--resume", type=str | None, default=None, help="run folder to resume")
    parser.add_argument(
        "--allow-changes",
        type=bool,
        default=False,
        help="resume with other steps, learning rate, or the like",
    )
    parser.add_argument("--task", type=str, default=name, help=argparse.SUPPRESS)
    parser.add_class_arguments(config)
    if resumed is not None:
        arguments = [as_argument(resumed), *arguments]
    parsed = parser.parse_args(arguments)
    if parsed.task != name:
        raise UserError(f"this configuration is of 'mmrl fit {parsed.task}', not {name}")
    plain = parser.plain_values(parsed)
    resolved = {key: value for key, value in plain.items() if key not in _NOT_THE_TASK}
    check_code(parsed, resolved)
    names = resolved.keys() - {"task"}
    convert({name: resolved[name] for name in names}, config, source_of(parsed))
    objects = parser.instantiate_classes(parsed)
    options = {name: one for name, one in vars(objects).items() if name in names}
    return config(**options), {"task": name, **resolved}, parsed.allow_changes


def check(config: FitConfig) -> None:
    """Refuse what cannot work before anything is written.

    Raises:
        UserError: impossible numbers, no such precision or device.
    """
    from mmrl.models.model import PRECISIONS  # here: help is printed without torch

    for name in ("steps", "batch_size", "evaluate_every", "keep_checkpoints"):
        if getattr(config, name) < 1:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 1")
    for name in ("seed", "checkpoint_every", "weight_decay"):
        if getattr(config, name) < 0:
            raise UserError(f"{name}={getattr(config, name)}: must be at least 0")
    for name in ("learning_rate", "max_grad_norm"):
        if getattr(config, name) <= 0:
            raise UserError(f"{name}={getattr(config, name)}: must be above 0")
    if not 0 <= config.label_smoothing < 1:
        raise UserError(f"label_smoothing={config.label_smoothing}: must be 0 to below 1")
    if config.precision not in PRECISIONS:
        raise UserError(f"precision {config.precision!r}: choose from {', '.join(PRECISIONS)}")
    check_loggers(config.logger)
    find_device(config.device)


def _check_resume(
    run: Run, config: FitConfig, resolved: dict[str, Any], *, allow_changes: bool
) -> None:
    """Make sure that a fit can be resumed; nothing in its folder is changed.

    Raises:
        UserError: the configuration has changed and changes are not allowed, or the seed, the data
            or the module have; or there is no checkpoint.
    """
    plain = [one for one in fields(config) if one.default is not MISSING]
    differences = changes(run, resolved, {one.name: one.default for one in plain})
    fixed = [line for line in differences if line.partition(":")[0] not in _CHANGEABLE]
    if fixed or (differences and not allow_changes):
        hint = (
            "Begin a new run with another --out"
            if fixed
            else "If that is meant, add --allow-changes"
        )
        raise UserError(
            f"{run.path} was fitted with another configuration; nothing was changed:\n  "
            + "\n  ".join(fixed or differences)
            + f"\n{hint}"
        )
    run.newest_checkpoint()
