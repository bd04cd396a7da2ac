"""Folders to write: one that exists is replaced only where nothing else than an export is lost."""

from __future__ import annotations

from pathlib import Path

from mmrl.data.location import DATA, METADATA
from mmrl.errors import UserError
from mmrl.experiment.run import Run, Status


def check_target(target: Path, *, force: bool) -> None:
    """Make sure that writing a folder loses nothing.

    Args:
        target: the folder.
        force: whether an exported run or a dataset may be replaced.

    Raises:
        UserError: it exists, or the folder that it is to be in does not.
    """
    if not target.absolute().parent.is_dir():
        raise UserError(f"{target}: its folder does not exist")
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not force:
        raise UserError(f"{target} exists already: give another folder, or --force to replace it")
    if not is_exported(target) and not is_dataset(target):
        raise UserError(
            f"{target} is neither an exported run nor a dataset: --force replaces nothing else"
        )


def is_exported(folder: Path) -> bool:
    """Whether a folder is one of ``mmrl export`` of a run."""
    return Run(folder, {}).status is Status.EXPORTED


def is_dataset(folder: Path) -> bool:
    """Whether a folder is a Minari dataset."""
    return (folder / DATA / METADATA).is_file()
