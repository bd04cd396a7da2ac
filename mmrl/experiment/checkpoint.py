"""Checkpoints: folders of plain data, whole or not there, and known to be unaltered.

A checkpoint holds ``weights.safetensors``; everything else in ``state.json`` and its arrays in
``state.npz``, see :mod:`mmrl.experiment.plain_data`; and the SHA-256 of the three in
``manifest.json``. Nothing in it is unpickled.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mmrl.arrays import read_npz
from mmrl.errors import UserError
from mmrl.experiment.plain_data import Tree, check_plain, decode, encode, round_trip
from mmrl.experiment.renamed import rename_weights
from mmrl.files import as_os_error, atomic_folder
from mmrl.schema import Count, FileError, Schema, check_regular, parse_json, read_content, read_json
from mmrl.text_output import shortened

__all__ = [
    "Checkpoint", "DamagedCheckpointError", "Tree", "check_checkpoint", "check_plain",
    "put_weights", "read_checkpoint", "round_trip", "weights_checksum", "weights_of",
    "write_checkpoint",
]  # fmt: skip

MANIFEST: Final = "manifest.json"
WEIGHTS: Final = "weights.safetensors"
STATE: Final = "state.json"
ARRAYS: Final = "state.npz"
ENCODING: Final = 2
"""Of states, see :mod:`mmrl.experiment.plain_data`."""
_BY_PATH: Final = 1
_LARGEST_STATE: Final = 2**31  # bytes
_UNREADABLE: Final = (
    OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError,
    RuntimeError, SafetensorError,
)  # fmt: skip


class DamagedCheckpointError(UserError):
    """A checkpoint that is not what was written."""


class _Manifest(Schema):
    """What ``manifest.json`` holds."""

    steps: Count
    sha256: dict[str, str]
    encoding: int = _BY_PATH


@dataclass(frozen=True)
class Checkpoint:
    """What a training needs to be resumed.

    Attributes:
        steps: environment steps so far.
        weights: tensors by name.
        state: all the rest, plain data.
        source: the folder that it was read from, for errors; or what else it is.
    """

    steps: int
    weights: dict[str, Tensor]
    state: Tree
    source: str = field(default="a new checkpoint", compare=False)


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint into a folder, which appears, or is replaced, when all is on the disk.

    Raises:
        WriteError: it cannot be written; what was there is as it was.
        UserError: a state that is not plain data.
    """
    tree, arrays = encode(checkpoint.state)
    state = json.dumps(tree)
    contiguous = {name: one.detach().contiguous() for name, one in checkpoint.weights.items()}
    with atomic_folder(folder) as draft:
        try:
            save_file(contiguous, draft / WEIGHTS)
        except SafetensorError as error:
            raise as_os_error(error) from error
        np.savez(draft / ARRAYS, **cast("Any", arrays))
        (draft / STATE).write_text(state, encoding="utf-8")
        sums = {name: _checksum(draft / name) for name in (WEIGHTS, STATE, ARRAYS)}
        manifest = {"steps": checkpoint.steps, "encoding": ENCODING, "sha256": sums}
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def check_checkpoint(folder: Path) -> int:
    """Make sure that a checkpoint is what was written; the environment steps that it is of.

    Raises:
        DamagedCheckpointError: a file is missing, was cut or altered.
    """
    return _checked(folder).steps


def _checked(folder: Path) -> _Manifest:
    for name in (MANIFEST, WEIGHTS, STATE, ARRAYS):
        if not (folder / name).exists():
            raise DamagedCheckpointError(f"{folder} is damaged: {name} is missing")
    try:
        manifest = read_json(folder / MANIFEST, _Manifest)
        for name in (WEIGHTS, STATE, ARRAYS):
            check_regular(folder / name)
            if _checksum(folder / name) != manifest.sha256.get(name):
                raise DamagedCheckpointError(f"{folder} is damaged: {name} is not what was written")
    except (FileError, OSError) as error:
        raise DamagedCheckpointError(f"{folder} is damaged: {error}") from error
    return manifest


def weights_checksum(folder: Path) -> str:
    """The SHA-256 of a checkpoint's weights, which identifies a model.

    Raises:
        DamagedCheckpointError: as :func:`check_checkpoint`.
    """
    return _checked(folder).sha256[WEIGHTS]


def read_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in a folder.

    Raises:
        DamagedCheckpointError: a file is missing, was cut or altered.
    """
    manifest, file = _checked(folder), folder / STATE
    if manifest.encoding not in (_BY_PATH, ENCODING):
        raise UserError(
            f"{folder}: a checkpoint of encoding {manifest.encoding}: this version of mmrl reads "
            f"up to {ENCODING}; install the one that wrote it"
        )
    try:
        arrays = read_npz(folder / ARRAYS)
        tree = parse_json(read_content(file, _LARGEST_STATE), str(file))
        decoded = decode if manifest.encoding == ENCODING else _decode_by_path
        weights = load_file(folder / WEIGHTS)
        return Checkpoint(manifest.steps, weights, decoded(tree, arrays), str(folder))
    except FileError as error:
        raise DamagedCheckpointError(f"{folder} is damaged: {error}") from error
    except _UNREADABLE as error:
        why = shortened(f"{type(error).__name__}: {error}")
        raise DamagedCheckpointError(f"{folder} is damaged: {why}") from error


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of a module, each once, whatever the number of its names."""
    return dict(module.named_parameters()) | dict(module.named_buffers())


def put_weights(
    module: nn.Module, weights: dict[str, Tensor], *, optional: tuple[str, ...] = ()
) -> None:
    """Give a module weights as :func:`weights_of` one like it gave them.

    Args:
        module: whose parameters and buffers are set, in their own precision.
        weights: by name.
        optional: beginnings of names that may be missing; those weights stay as they are.

    Raises:
        UserError: they are another module's, or not finite; nothing was changed.
    """
    own = weights_of(module)
    weights = rename_weights(weights, own)
    own = {k: one for k, one in own.items() if k in weights or not k.startswith(optional)}
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
    for name, _ in module.named_parameters():
        if name in own and not bool(weights[name].isfinite().all()):
            raise UserError(f"the weights {name} have numbers that are not finite: damaged")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(weights[name])


def _decode_by_path(tree: Any, arrays: dict[str, NDArray[Any]]) -> Tree:
    """The state of a checkpoint of the first encoding, where arrays were named by their paths,
    and tuples and numpy's scalars written as lists and numbers.
    """
    if isinstance(tree, dict):
        if set(tree) == {"$tensor"}:
            return torch.from_numpy(arrays[tree["$tensor"]])
        if set(tree) == {"$array"}:
            return arrays[tree["$array"]]
        return {key: _decode_by_path(value, arrays) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_decode_by_path(value, arrays) for value in tree]
    return tree


def _checksum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
