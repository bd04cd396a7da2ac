"""Checkpoints: folders of plain data, whole or not there, and known to be unaltered.

A checkpoint holds ``weights.safetensors``; everything else as a tree of plain values in
``state.json`` and of arrays in ``state.npz``; and the SHA-256 of the three in ``manifest.json``.
Nothing in it is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mmrl.errors import UserError
from mmrl.files import atomic_folder

Tree = Any
"""None, bools, numbers, strings, arrays and tensors, and lists and dictionaries of these."""

MANIFEST: Final = "manifest.json"
WEIGHTS: Final = "weights.safetensors"
STATE: Final = "state.json"
ARRAYS: Final = "state.npz"
_ARRAY: Final = "$array"
_TENSOR: Final = "$tensor"


class DamagedCheckpointError(UserError):
    """A checkpoint that is not what was written."""


@dataclass(frozen=True)
class Checkpoint:
    """What a training needs to go on.

    Attributes:
        steps: environment steps so far.
        weights: tensors by name.
        state: all the rest.
    """

    steps: int
    weights: dict[str, Tensor]
    state: Tree


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint into a folder, which appears, or is replaced, when all is on the disk.

    Raises:
        WriteError: it cannot be written; what was there is as it was.
        UserError: a state that is not plain data.
    """
    arrays: dict[str, NDArray[Any]] = {}
    state = json.dumps(_detached(checkpoint.state, "", arrays))
    contiguous = {name: one.detach().contiguous() for name, one in checkpoint.weights.items()}
    with atomic_folder(folder) as draft:
        try:
            save_file(contiguous, draft / WEIGHTS)
        except SafetensorError as error:  # it is how safetensors says that the disk is full
            raise OSError(str(error)) from error
        np.savez(draft / ARRAYS, **cast("Any", arrays))
        (draft / STATE).write_text(state)
        sums = {name: _checksum(draft / name) for name in (WEIGHTS, STATE, ARRAYS)}
        manifest = {"steps": checkpoint.steps, "sha256": sums}
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def check_checkpoint(folder: Path) -> int:
    """Make sure that a checkpoint is what was written; the environment steps that it is of.

    Raises:
        DamagedCheckpointError: a file is missing, was cut or altered.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        for name in (WEIGHTS, STATE, ARRAYS):
            if _checksum(folder / name) != manifest["sha256"][name]:
                raise DamagedCheckpointError(f"{folder} is damaged: {name} is not what was written")
        return int(manifest["steps"])
    except FileNotFoundError as error:
        raise DamagedCheckpointError(
            f"{folder} is damaged: {Path(error.filename).name} is missing"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpointError(f"{folder} is damaged: {error!r}") from error


def weights_checksum(folder: Path) -> str:
    """The SHA-256 of a checkpoint's weights, by which models are told apart.

    Raises:
        DamagedCheckpointError: as :func:`check_checkpoint`.
    """
    check_checkpoint(folder)
    return str(json.loads((folder / MANIFEST).read_text())["sha256"][WEIGHTS])


def read_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in a folder.

    Raises:
        DamagedCheckpointError: a file is missing, was cut or altered.
    """
    steps = check_checkpoint(folder)
    try:
        with np.load(folder / ARRAYS, allow_pickle=False) as file:
            arrays = dict(file)
        state = _attached(json.loads((folder / STATE).read_text()), arrays)
        return Checkpoint(steps, load_file(folder / WEIGHTS), state)
    except (
        OSError, ValueError, KeyError, TypeError, SafetensorError, zipfile.BadZipFile
    ) as error:  # fmt: skip
        raise DamagedCheckpointError(f"{folder} is damaged: {error!r}") from error


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of a module, each once, whatever the number of its names."""
    return dict(module.named_parameters()) | dict(module.named_buffers())


def put_weights(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Give a module weights as :func:`weights_of` one like it gave them.

    Raises:
        UserError: they are another module's; nothing was changed.
    """
    own = weights_of(module)
    wrong = [
        f"{name} is missing" if name not in weights
        else f"{name} is unknown" if name not in own
        else f"{name} is {list(weights[name].shape)}, not {list(own[name].shape)}"
        for name in sorted(own.keys() | weights.keys())
        if name not in own or name not in weights or own[name].shape != weights[name].shape
    ]  # fmt: skip
    if wrong:
        raise UserError(
            f"these weights are of another model: {'; '.join(wrong[:3])}"
            + (f"; and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(weights[name])


def _detached(tree: Tree, path: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """The tree with its arrays moved into ``arrays``, their paths in their places."""
    if isinstance(tree, dict):
        for key in tree:
            if not isinstance(key, str):
                raise UserError(f"state {path}: keys are strings, got {key!r}")
        return {key: _detached(value, f"{path}{key}/", arrays) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_detached(value, f"{path}{k}/", arrays) for k, value in enumerate(tree)]
    if isinstance(tree, Tensor):
        arrays[path.rstrip("/")] = tree.detach().cpu().numpy()
        return {_TENSOR: path.rstrip("/")}
    if isinstance(tree, np.ndarray):
        if tree.dtype.hasobject:
            raise UserError(f"state {path}: an array of objects is not plain data")
        arrays[path.rstrip("/")] = tree
        return {_ARRAY: path.rstrip("/")}
    if isinstance(tree, np.generic):
        return tree.item()
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise UserError(
        f"state {path}: {type(tree).__name__} is not plain data: give numbers, strings, arrays, "
        "and lists and dictionaries of these"
    )


def _attached(tree: Any, arrays: dict[str, NDArray[Any]]) -> Tree:
    """The inverse of :func:`_detached`."""
    if isinstance(tree, dict):
        if set(tree) == {_TENSOR}:
            return torch.from_numpy(arrays[tree[_TENSOR]])
        if set(tree) == {_ARRAY}:
            return arrays[tree[_ARRAY]]
        return {key: _attached(value, arrays) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_attached(value, arrays) for value in tree]
    return tree


def _checksum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
