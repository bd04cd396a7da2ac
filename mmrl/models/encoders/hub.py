"""Towers: the text or the vision transformer (or ConvNet) of a pretrained model of transformers.

A name is a text model, a vision model, or an image–text model such as CLIP, which has a tower of
each; :func:`load_tower` takes the one that an encoder needs, and :func:`stages_of` cuts it into
stages that can be frozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from safetensors import SafetensorError
from torch import nn

from mmrl.compat import import_transformers
from mmrl.errors import UserError
from mmrl.preprocessing.hub import (
    load_weights,
    model_from_config,
    model_path,
    pretrained_config,
    tower_config,
)
from mmrl.text_output import shortened

Pooled = bool | Literal["mean", "model"]
"""One token instead of all: True or "mean" for their mean, "model" for the model's own pooling."""
Tower = Literal["text", "vision"]
UNREADABLE: Final = (OSError, ValueError, RuntimeError, SafetensorError)
"""What a model that cannot be loaded raises, besides UserError."""
_POOLER: Final = "pooler"


def check_pooled(pooled: object, known: Sequence[bool | str]) -> None:
    """Check the option ``pooled`` of an encoder.

    Raises:
        UserError: it is none of those that are known.
    """
    if pooled not in known:
        names = ", ".join(str(one).lower() for one in known)
        raise UserError(f"pooled={pooled!r}: give one of {names}")


def first_line(error: BaseException) -> str:
    """The beginning of what an error says, on one line."""
    return shortened((str(error).splitlines() or [repr(error)])[0])


def load_tower(name: str, tower: Tower, *, weights: bool = True, pooled: Pooled = False) -> Any:
    """One tower of a pretrained model; of an encoder–decoder such as T5, the encoder.

    Args:
        name: hub name, folder, or packaged model.
        tower: which one.
        weights: load them; otherwise only the configuration, and weights are random.
        pooled: "model" needs the weights of the model's own pooling.

    Raises:
        UserError: it has no such tower, lacks weights, needs code of its own or pickled weights.
        OSError, ValueError, RuntimeError, SafetensorError: it is neither in the cache nor
            reachable, or damaged, in transformers' words.
    """
    check_pooled(pooled, (False, True, "mean", "model"))
    path = model_path(name)
    config = pretrained_config(path)
    own = tower_config(config, tower)
    if not weights:
        model = model_from_config(own, _class_for(own))
    else:
        model = load_weights(
            path, _class_for(config), optional=None if pooled == "model" else _POOLER
        )
        if own is not config:
            model = getattr(model, f"{tower}_model", None)
            if model is None:
                raise UserError(f"{name} ({config.model_type}) has no {tower} tower")
    if tower == "text" and hasattr(model, "decoder"):
        model = model.get_encoder()
    _check_kind(name, model, tower)
    return model


def _class_for(config: Any) -> str:
    """The class of transformers that loads an encoder: without its decoder, where there is one;
    the tower's own, where it is known by no other name, as SigLIP's text tower.
    """
    transformers = import_transformers()
    encoders = transformers.MODEL_FOR_TEXT_ENCODING_MAPPING
    if hasattr(config, "num_decoder_layers") and type(config) in encoders:
        return "AutoModelForTextEncoding"
    own = type(config).__name__.removesuffix("Config") + "Model"
    is_known = type(config) in transformers.MODEL_MAPPING or not hasattr(transformers, own)
    return "AutoModel" if is_known else own


def _check_kind(name: str, model: Any, tower: Tower) -> None:
    takes_pixels = getattr(model, "main_input_name", "") == "pixel_values"
    if takes_pixels != (tower == "vision"):
        what = "reads no text" if tower == "text" else "sees no images"
        raise UserError(f"{name} is a {model.config.model_type}, which {what}")


def stages_of(tower: nn.Module) -> list[nn.Module]:
    """The parts of a tower from the input to the output: what comes before its blocks, then each
    block; what comes after them, such as the last norm, is part of the last one.

    Blocks are the largest list of layers. Embeddings are before them, wherever they are registered,
    since MPNet's relative positions are used in every layer.
    """
    path = _path_of_blocks(tower)
    front: list[nn.Module] = []
    back: list[nn.Module] = []
    module = tower
    for name in path:
        side = front
        own = list(module.parameters(recurse=False))
        if own:
            front.append(nn.ParameterList(own))
        for key, child in module.named_children():
            if key == name:
                side = back
            else:
                (front if isinstance(child, nn.Embedding) else side).append(child)
        module = module.get_submodule(name)
    *blocks, last = module.children()
    return [_joined(front), *blocks, _joined([last, *back])]


def _joined(parts: list[nn.Module]) -> nn.Module:
    return parts[0] if len(parts) == 1 else nn.ModuleList(parts)


def _path_of_blocks(tower: nn.Module) -> list[str]:
    """The attributes that lead to the largest list of layers; the outermost of nested ones."""
    best: list[str] = []
    most = 0
    outside: list[str] = []
    for name, module in tower.named_modules():
        if any(name.startswith(f"{one}.") for one in outside):
            continue
        if isinstance(module, nn.ModuleList) and len(module):
            outside.append(name)
            size = sum(weight.numel() for weight in module.parameters())
            if size > most:
                best, most = name.split("."), size
    if not best:
        raise UserError(f"{type(tower).__name__} has no list of layers, and cannot be an encoder")
    return best
