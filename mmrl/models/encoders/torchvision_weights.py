"""Weights of torchvision's models: from torch's cache or the network, checked before they are read.

A cached file may have been put there by anybody, and a pickle can run code: only the file that
torchvision publishes is read, and of it nothing but tensors.
"""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final
from urllib.parse import urlparse

import torch
from safetensors.torch import load_file
from torch import Tensor

from mmrl.compat import import_torchvision
from mmrl.errors import UserError
from mmrl.schema import check_regular
from mmrl.text_output import shortened

_HASH: Final = torch.hub.HASH_REGEX  # in a file's name: the beginning of the SHA-256 of its content
_KNOWN: Final = (OSError, EOFError, LookupError, ValueError, RuntimeError, UnpicklingError)
"""What is raised for weights that are damaged, and handled."""
_SUFFIXES: Final = (".safetensors", ".pth", ".pt", ".bin")


def read_weights(name: str, weights: str) -> dict[str, Tensor]:
    """Weights of a model of torchvision: published ones by name, or those in a file.

    Args:
        name: of the model, such as "resnet18".
        weights: such as "IMAGENET1K_V1", or the path of a ``.safetensors``, ``.pth`` or ``.pt``.

    Raises:
        UserError, OSError, EOFError, LookupError, ValueError, RuntimeError, UnpicklingError,
            SafetensorError: as :func:`published_weights`, or a file that is damaged.
    """
    if Path(weights).suffix not in _SUFFIXES:
        return published_weights(name, weights)
    check_regular(weights)
    if Path(weights).suffix == ".safetensors":
        return load_file(weights)
    return _tensors(Path(weights).read_bytes(), weights)


def published_weights(name: str, weights: str) -> dict[str, Tensor]:
    """The weights of a model of torchvision.

    Args:
        name: of the model, such as "resnet18".
        weights: such as "IMAGENET1K_V1".

    Raises:
        UserError: a cached file is not the one that torchvision publishes.
        OSError, EOFError, LookupError, ValueError, RuntimeError, UnpicklingError: there are no such
            weights, they are out of reach, or damaged.
    """
    url = address(name, weights)
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    found = _HASH.search(file.name)
    prefix = found[1] if found else ""
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(file), prefix or None)
    content = file.read_bytes()
    digest = sha256(content).hexdigest()
    if not digest.startswith(prefix):
        raise UserError(
            f"{file} is not the file of torchvision's weights {weights} of {name}: its SHA-256 "
            f"begins with {digest[: len(prefix)]}, not {prefix}. Remove it, and put the file of "
            f"{url} there, or leave model.image_weights empty"
        )
    return _tensors(content, file)


def _tensors(content: bytes, file: object) -> dict[str, Tensor]:
    """What torch saved, of which nothing but tensors is read."""
    try:
        state: Any = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except _KNOWN:
        raise
    except Exception as error:  # of any kind, for bits in the wrong place of a pickle
        raise ValueError(f"{file} is damaged: {shortened(error)}") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]  # as training scripts save it
    if not isinstance(state, dict):
        raise ValueError(f"{file} holds no weights, but a {type(state).__name__}")
    return state


def address(name: str, weights: str) -> str:
    """Where torchvision publishes weights.

    Raises:
        LookupError: it has no such weights.
    """
    known: Any = import_torchvision().models.get_model_weights(name)
    return str(known.verify(weights).url)
