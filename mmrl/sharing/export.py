"""Export of runs: a run folder that acts like the original, without what only training needs.

An exported folder holds the configuration, what is known of the environment, the preprocessing, one
checkpoint of weights, the result, a model card and, where the environment can be shown, a GIF. It
is a run folder like any other: ``mmrl eval``, ``watch``, ``clip`` and :func:`mmrl.load_agent` open
it. It cannot be resumed.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from mmrl.contract import EVAL_SEED_START
from mmrl.env_sets import short_name
from mmrl.errors import UserError
from mmrl.evaluation.player import EpisodePlayer
from mmrl.experiment.checkpoint import Checkpoint
from mmrl.experiment.run import RESULT, Run, Status
from mmrl.files import atomic_folder
from mmrl.models.saved_encoders import ENCODERS
from mmrl.preprocessing import speech, text
from mmrl.registry import find_agent
from mmrl.sharing.card import CARD, PREVIEW, model_card
from mmrl.sharing.locate import open_run
from mmrl.sharing.onnx import write_onnx
from mmrl.sharing.target import check_target
from mmrl.text_output import shortened
from mmrl.viz.clips import clips_gif, draw_clip

_KEPT_OF_TASKS: Final = ("task", "recipe")
_OF_THIS_MACHINE: Final = ("run", "checkpoint", "command", "machine", "threads")
"""Entries of a result that say where it was measured; they may hold names of folders and people."""
_EPISODES: Final = 2  # in the GIF
_FRAMES: Final = 48  # of each
Log = Callable[[str], None]


def export_run(
    run: str | os.PathLike[str] | Run,
    folder: str | os.PathLike[str],
    *,
    half: bool = False,
    onnx: bool = False,
    preview: bool = True,
    licence: str | None = None,
    result: str | os.PathLike[str] | None = None,
    force: bool = False,
    trust_code: bool = False,
    log: Log = print,
) -> Path:
    """Write what acts of a run into a folder of its own, with a model card, as ``mmrl export``.

    Args:
        run: the run folder, its name, or what :func:`mmrl.train` returned.
        folder: to write, whole or not at all.
        half: matrices as float16, which are half as large and read as float32.
        onnx: the policy also as an ONNX graph, see :mod:`mmrl.sharing.onnx`.
        preview: play episodes for a GIF.
        licence: for the card, by its name on the hub, such as mit.
        result: a file of ``mmrl eval --json``; that of the training, if None.
        force: replace the folder, if it is an exported run or a dataset.
        trust_code: import code that the run names; see :mod:`mmrl.trust`.
        log: takes lines on what is left out.

    Returns:
        The folder.

    Raises:
        UserError: no such run, one that depends on files outside of it, a folder that exists, or a
            policy that cannot be a graph.
        WriteError: the folder cannot be written; what was there is as it was.
    """
    opened = run if isinstance(run, Run) else open_run(run, trust_code=trust_code)
    target = Path(folder)
    if target.exists() and target.samefile(opened.path):
        raise UserError(f"{target} is the run itself: give another folder")
    check_target(target, force=force)
    _check_whole(opened)
    checkpoint = _for_inference(opened)
    if half:
        checkpoint = replace(checkpoint, weights=half_precision(checkpoint.weights))
    file = opened.path / RESULT if result is None else Path(result)
    found = read_result(file)
    if found is None and result is not None:
        raise UserError(f"--result {file}: there is no such file")
    if found is None:
        log(f"the card has no results: {opened.path} was not evaluated; see --result")
    with atomic_folder(target) as draft:
        exported = _write_run(opened, checkpoint, found, draft)
        if onnx:
            log(write_onnx(exported, draft))
        has_preview = preview and "env" in opened.config and _write_preview(exported, log)
        try:
            card = model_card(
                exported, checkpoint, found, name=target.name, licence=licence,
                has_preview=has_preview, is_rounded=half and result is None,
            )  # fmt: skip
        except (LookupError, TypeError, ValueError) as error:
            raise UserError(f"{file} is no result of an evaluation: {error!r}") from error
        (draft / CARD).write_text(card, encoding="utf-8")
    return target


def read_result(file: Path) -> dict[str, Any] | None:
    """The result of an evaluation without what it says of the machine; None where there is none.

    Raises:
        UserError: it cannot be read.
    """
    if not file.is_file():
        return None
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} cannot be read: {error}") from error
    if not isinstance(read, dict):
        raise UserError(f"{file} is no result of an evaluation")
    return {key: value for key, value in read.items() if key not in _OF_THIS_MACHINE}


def _check_whole(run: Run) -> None:
    """Make sure that a run needs no other folder.

    Raises:
        UserError: its agent has goal images of a painter.
    """
    painter = (run.config.get("model") or {}).get("goal_image")
    if painter:
        raise UserError(
            f"{run.path}: its agent is shown goal images by the painter {painter}, which is not "
            "part of the run: agents with goal images cannot be exported"
        )


def _for_inference(run: Run) -> Checkpoint:
    """The newest checkpoint without what only training needs, as far as that is known."""
    checkpoint = run.read_checkpoint()
    if "env" not in run.config:
        state = {key: checkpoint.state[key] for key in _KEPT_OF_TASKS if key in checkpoint.state}
        return replace(checkpoint, state=state)
    agent = find_agent(run.config.get("agent", "ppo"))
    reduce = getattr(agent, "for_inference", None)
    return checkpoint if reduce is None else reduce(checkpoint)


def half_precision(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with matrices in half precision. Vectors stay: biases, scales and running
    statistics are few, and rounding them costs most; counts may be too large for it.

    Raises:
        UserError: a matrix has a number that is too large for it.
    """
    small = {
        name: one.half() if one.is_floating_point() and one.ndim > 1 else one
        for name, one in weights.items()
    }
    wrong = [n for n, one in small.items() if one.is_floating_point() and not one.isfinite().all()]
    if wrong:
        largest = torch.finfo(torch.float16).max
        raise UserError(f"--half: {wrong[0]} has numbers above {largest:.0f}: leave --half out")
    return small


def _write_run(run: Run, checkpoint: Checkpoint, result: dict[str, Any] | None, draft: Path) -> Run:
    """The run folder without its card."""
    exported = Run.create(draft, {**run.config, "out": draft.name}, run.env_info)
    for name in (text.FILE, speech.FILE):
        if (run.path / name).is_file():
            shutil.copyfile(run.path / name, draft / name)
    for file in sorted((run.path / ENCODERS).rglob("*.json")):
        copy = draft / file.relative_to(run.path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    exported.save_checkpoint(checkpoint)
    if result is not None:
        exported.save_result(result)
    exported.set_status(Status.EXPORTED)
    return exported


def _write_preview(run: Run, log: Log) -> bool:
    """Write a GIF of the agent's first held-out episodes; False where that is impossible."""
    try:
        actor = find_agent(run.config.get("agent", "ppo")).load(run, "cpu")
        seeds = range(EVAL_SEED_START, EVAL_SEED_START + _EPISODES)
        place = (run.config["env"], run.config.get("env_args", {}))
        with _quiet(), EpisodePlayer(*place) as player:
            clips = [draw_clip(player.play(actor, seed=seed), _FRAMES) for seed in seeds]
        (run.path / PREVIEW).write_bytes(clips_gif(clips))
    except Exception as error:  # a GIF is for people: the agent does not need it
        reason = shortened(error) or "no images"
        log(f"no {PREVIEW}: {short_name(run.config['env'])} cannot be shown: {reason}")
        return False
    return True


@contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings of the environment, which the evaluation has given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
