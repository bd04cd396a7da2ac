"""Export, push and pull of runs and datasets, as the commands of these names do it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmrl.errors import UserError
from mmrl.experiment.run import Run
from mmrl.sharing.datasets import export_dataset
from mmrl.sharing.export import export_run
from mmrl.sharing.hub import DATASET, MODEL
from mmrl.sharing.hub import pull as pull_repository
from mmrl.sharing.hub import push as push_folder
from mmrl.sharing.locate import find_run_folder, names_dataset
from mmrl.sharing.names import parse_hub_name
from mmrl.sharing.target import is_exported

Named = str | os.PathLike[str]


def export(
    what: Named | Run,
    folder: Named,
    *,
    half: bool = False,
    onnx: bool = False,
    preview: bool = True,
    licence: str | None = None,
    result: Named | None = None,
    force: bool = False,
    trust_code: bool = False,
    log: Callable[[str], None] = print,
) -> Path:
    """Write a run or a dataset into a folder of its own, with a card for the hub.

    A run becomes a run folder without what only training needs; see :mod:`mmrl.sharing.export`.

    Args:
        what: a run folder, its name, what :func:`mmrl.train` returned; or a dataset.
        folder: to write, whole or not at all.
        half: weights of a run as float16, half as large.
        onnx: the policy of a run also as an ONNX graph.
        preview: play episodes of a run for a GIF.
        licence: for the card, by its name on the hub, such as mit.
        result: of a run: a file of ``mmrl eval --json``; that of the training, if None.
        force: replace the folder, if it is an exported run or a dataset.
        trust_code: import code that a run names; see :mod:`mmrl.trust`.
        log: takes lines on what is left out.

    Returns:
        The folder.

    Raises:
        UserError: there is no such run or dataset, options that it cannot have, or the folder
            exists.
        WriteError: the folder cannot be written; what was there is as it was.
    """
    if isinstance(what, Run) or not names_dataset(what):
        return export_run(
            what, folder, half=half, onnx=onnx, preview=preview, licence=licence, result=result,
            force=force, trust_code=trust_code, log=log,
        )  # fmt: skip
    if half or onnx or result is not None:
        raise UserError(f"{os.fspath(what)} is a dataset: half, onnx and result are for runs")
    return export_dataset(os.fspath(what), Path(folder), licence=licence, force=force)


def push(
    what: Named | Run, name: str, *, private: bool = False, trust_code: bool = False, **options: Any
) -> str:
    """Upload a run or a dataset to the hub, exported first, if it is not.

    Args:
        what: as of :func:`export`; a folder of :func:`export` is uploaded as it is.
        name: user/name of the repository, made if there is none.
        private: make a new repository private.
        trust_code: as of :func:`export`.
        options: half, onnx, preview, licence, result and log of :func:`export`.

    Returns:
        The address of the repository.

    Raises:
        UserError: as :func:`export`, options for what is exported already, or the hub refuses.
    """
    target = parse_hub_name(name)
    is_dataset = not isinstance(what, Run) and names_dataset(what)
    if not is_dataset:
        path = what.path if isinstance(what, Run) else find_run_folder(what)
        if is_exported(path):
            if set(options) - {"log"}:
                raise UserError(f"{path} is exported already: give options to 'mmrl export'")
            return push_folder(path, target, private=private)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / target.repo.partition("/")[2]
        exported = export(what, folder, trust_code=trust_code, **options)
        return push_folder(exported, target, kind=DATASET if is_dataset else MODEL, private=private)


def pull(
    name: str, folder: Named | None = None, *, dataset: bool = False, force: bool = False
) -> Path:
    """Download a run or a dataset of the hub into a folder of its own.

    Args:
        name: user/name, or user/name@revision.
        folder: to write; one of its name in the working directory, if None.
        dataset: whether it is a dataset.
        force: replace the folder, if it is an exported run or a dataset.

    Returns:
        The folder.

    Raises:
        UserError: there is none, the hub cannot be reached, or the folder exists.
        WriteError: the folder cannot be written; what was there is as it was.
    """
    repository = parse_hub_name(name)
    target = None if folder is None else Path(folder)
    return pull_repository(repository, target, kind=DATASET if dataset else MODEL, force=force)
