"""Descriptions of pretrained encoders beside saved weights, so that loading needs nothing else.

Weights of a run, a policy or a model hold those of its pretrained encoders, trained or frozen. What
is missing to build these encoders again is the configuration of each, and its image preprocessing:
:func:`save_encoders` writes both, and within :func:`saved_encoders` models are built from them,
with random weights that are then replaced. The folder or hub name that an encoder came from is not
needed any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from torch import nn

from mmrl.contract import IMAGE, INSTRUCTION
from mmrl.models.config import EncoderConfig
from mmrl.models.encoders.base import Encoder, TextEncoder
from mmrl.models.encoders.image_base import ImageEncoder
from mmrl.models.encoders.kinds import is_hub_model
from mmrl.models.model import MultimodalModel
from mmrl.preprocessing.image_processor import ProcessedImages, save_steps
from mmrl.preprocessing.text import FILE, PretrainedTokenizer, Tokenizer, load_tokenizer

ENCODERS: Final = "encoders"
"""The folder of the descriptions, each under its observation key."""
_KEYS: Final = ((TextEncoder, INSTRUCTION), (ImageEncoder, IMAGE))
_place: ContextVar[Path | None] = ContextVar("place", default=None)


def save_encoders(module: nn.Module, folder: Path) -> None:
    """Write the descriptions of encoders that are models of transformers, ours from scratch among
    them; nothing where there are none.

    Args:
        module: a model, or what holds one, such as a policy; or a module with a single encoder of
            its kind, such as a painter.
        folder: in which they are, in :data:`ENCODERS`.
    """
    for model in module.modules():
        if isinstance(model, MultimodalModel):
            for key, encoder in model.encoders.items():
                _save(encoder, folder / ENCODERS / key)
            return
    for one in module.modules():
        kind = next((key for kind, key in _KEYS if isinstance(one, kind)), None)
        if kind is not None:
            _save(one, folder / ENCODERS / kind)


def save_tokenizer(module: nn.Module, folder: Path) -> None:
    """Write the tokenizer of sentences of a module, if it is that of a model of transformers; a
    vocabulary of words is kept elsewhere.

    Args:
        module: with an attribute ``tokenizer`` somewhere.
        folder: in which its files are.
    """
    found = (getattr(one, "tokenizer", None) for one in module.modules())
    tokenizer = next((one for one in found if isinstance(one, PretrainedTokenizer)), None)
    if tokenizer is not None:
        tokenizer.save(folder)


def _save(encoder: Any, folder: Path) -> None:
    while isinstance(getattr(encoder, "encoder", None), Encoder):  # frames, goals, projections
        encoder = encoder.encoder
    config = getattr(encoder, "config", None)
    if config is None:
        return
    config.save_pretrained(folder)
    if isinstance(getattr(encoder, "normalizer", None), ProcessedImages):
        save_steps(encoder.normalizer.steps, folder)


@contextmanager
def saved_encoders(folder: Path) -> Iterator[None]:
    """A block in which models are built with random weights, their pretrained encoders from the
    descriptions in a folder, and their tokenizers from its files; where it has none, as in earlier
    versions, from their own names.
    """
    token = _place.set(folder)
    try:
        yield
    finally:
        _place.reset(token)


def resolve(
    table: Mapping[str, EncoderConfig], pretrained: bool
) -> tuple[dict[str, EncoderConfig], bool]:
    """The encoders to build now, and whether their weights are loaded.

    Args:
        table: as they are configured, by observation key.
        pretrained: whether weights are loaded outside of :func:`saved_encoders`.
    """
    folder = _place.get()
    if folder is None:
        return dict(table), pretrained
    place = folder / ENCODERS
    found = {
        key: replace(row, name=str(place / key))
        for key, row in table.items()
        if (place / key).is_dir() and is_hub_model(key, row)
    }
    return {**table, **found}, False


def resolve_name(key: str, name: str, pretrained: bool = True) -> tuple[str, bool]:
    """As :func:`resolve`, of an encoder that is built alone.

    Args:
        key: the observation key of what it encodes.
        name: of the encoder.
        pretrained: as there.
    """
    table, pretrained = resolve({key: EncoderConfig(name)}, pretrained)
    return table[key].name, pretrained


def saved_tokenizer() -> Tokenizer | None:
    """The tokenizer that was saved in the folder of :func:`saved_encoders`; None outside of such a
    block, or where there is none.

    Raises:
        UserError: it cannot be read.
    """
    folder = _place.get()
    is_there = folder is not None and (folder / FILE).is_file()
    return load_tokenizer(folder) if folder is not None and is_there else None
