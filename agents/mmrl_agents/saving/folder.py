"""Folders of plain data in which algorithms, policies and replay buffers are saved.

A folder holds a checkpoint (see :mod:`mmrl.experiment.checkpoint`) and a JSON file that describes
it. stable-baselines3's own files are pickles, which run whatever code is in them: they are
refused here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NoReturn

from mmrl import __version__
from mmrl.errors import UserError
from mmrl.files import WriteError, atomic_folder
from mmrl.models.config import ModelConfig
from mmrl.trust import check

ALGORITHM: Final = "algorithm.json"
POLICY: Final = "policy.json"
REPLAY: Final = "replay.json"
CHECKPOINT: Final = "checkpoint"


def check_code(model: Any, file: Path, *, trust_code: bool) -> None:
    """Make sure that the code that a saved model names may be imported.

    Raises:
        UntrustedCodeError: it may not.
    """
    check(code_of(model), file, trust_code=trust_code)


def code_of(model: Any) -> dict[str, Any]:
    """A model's configuration as plain data: entries of it may name code."""
    return asdict(model) if isinstance(model, ModelConfig) else {}


def as_folder(path: Any) -> Path:
    """The folder in which something is saved.

    Raises:
        UserError: it is an open file.
    """
    if not isinstance(path, str | Path):
        raise UserError(
            f"{type(path).__name__}: what mmrl saves is a folder, so give the path of one"
        )
    path = Path(path)
    return path.with_suffix("") if path.suffix == ".zip" else path


def find_folder(path: Any, file: str) -> Path | None:
    """The folder in which something was saved; None where there is none, or ``path`` is a file.

    Args:
        path: as the user gives it.
        file: that describes it.
    """
    if not isinstance(path, str | Path) or Path(path).is_file():
        return None
    folder = as_folder(path)
    return folder if (folder / file).is_file() else None


def refuse_pickle(path: Any, what: str, load: str, save: str) -> NoReturn:
    """Raise the error of a path that is no folder of ours.

    Args:
        path: as the user gave it.
        what: should be there.
        load: the function that reads a file of stable-baselines3.
        save: the method that then writes a folder.
    """
    if isinstance(path, str | Path):
        files = [one for one in map(Path, (path, f"{path}.zip", f"{path}.pkl")) if one.is_file()]
        if not files:
            raise UserError(f"there is no saved {what} in {path}: mmrl saves it as a folder")
        name = str(files[0])
    else:
        name = f"this {type(path).__name__}"
    raise UserError(
        f"{name} is not a folder that mmrl saved; as a file of stable-baselines3 it would be "
        "unpickled, which runs whatever code is in it. If you trust where it comes from, "
        f"{load}({name!r}, trust_pickle=True) reads it, and {save}(FOLDER) writes it as plain data"
    )


@contextmanager
def new_folder(path: Any, file: str, about: Mapping[str, Any]) -> Iterator[Path]:
    """An empty folder to write into; it takes the place of ``path`` when the block ends well.

    Args:
        path: of the folder.
        file: that describes it.
        about: the description.

    Raises:
        UserError: there is something else, or it cannot be written.
    """
    folder = as_folder(path)
    if folder.exists() and not (folder / file).is_file() and not _is_empty(folder):
        raise UserError(f"{folder} exists and is something else: nothing was overwritten")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(folder, error) from error
    with atomic_folder(folder) as draft:
        yield draft
        (draft / file).write_text(
            json.dumps({**about, "mmrl": __version__}, indent=2) + "\n", encoding="utf-8"
        )


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
