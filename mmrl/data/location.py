"""Where a dataset is: a Minari id under Minari's own folder, or a path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from mmrl.errors import UserError
from mmrl.files import is_file, is_folder
from mmrl.optional_packages import needed_for

DATA: Final = "data"
"""Minari's folder for what a dataset holds."""
METADATA: Final = "metadata.json"
MAIN: Final = "main_data.hdf5"
_ID: Final = re.compile(r"([-_\w][-_\w/]*/)?[-_\w]+-v\d+")


@dataclass(frozen=True)
class Place:
    """Where a dataset is, or will be.

    Attributes:
        name: as it was given.
        path: its folder, which holds ``data``.
        dataset_id: what Minari calls it.
    """

    name: str
    path: Path
    dataset_id: str

    @property
    def data(self) -> Path:
        """The folder with ``metadata.json`` and ``main_data.hdf5``."""
        return self.path / DATA

    @property
    def collecting(self) -> Path:
        """The folder with the parts of a dataset that is not complete."""
        return self.path / ".collecting"

    @property
    def metadata(self) -> Path:
        """The file that describes the dataset."""
        return self.data / METADATA

    @property
    def main(self) -> Path:
        """The file with the episodes."""
        return self.data / MAIN


def minari_module(name: str) -> Any:
    """A module of Minari.

    Raises:
        UserError: it is not installed.
    """
    with needed_for("a dataset", "data"):
        import_module("h5py")
        return import_module(name)


def find_place(name: str) -> Place:
    """Where the dataset of that name is, whether it exists or not.

    A name that begins with ``.``, ``/`` or ``~`` is a path, and so is one whose folder exists;
    others are Minari's ids, such as ``gotolocal/expert-v0``, kept under the environment variable
    ``MINARI_DATASETS_PATH`` or ``~/.minari/datasets``.

    Raises:
        UserError: it is neither; or Minari is not installed.
    """
    path = Path(name).expanduser()
    if (
        name.startswith((".", "/", "~"))
        or ("/" in name and is_folder(path.parent))
        or is_folder(path)
    ):
        folder = path.resolve()
        if folder.name == DATA and is_file(folder / METADATA):
            folder = folder.parent
        plain = re.sub(r"[^-_\w]", "_", folder.name)
        return Place(name, folder, plain if _ID.fullmatch(plain) else f"{plain}-v0")
    if not _ID.fullmatch(name):
        raise UserError(
            f"dataset {name!r}: neither a Minari id, such as gotolocal/expert-v0, nor a path in a "
            f"folder that exists, such as ./{name or 'expert'}"
        )
    root: Path = minari_module("minari.storage.datasets_root_dir").get_dataset_path()
    return Place(name, root / name, name)
