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

from mmrl.models.config import EncoderConfig
from mmrl.models.encoders.base import Encoder
from mmrl.models.encoders.kinds import is_hub_model
from mmrl.models.model import MultimodalModel
from mmrl.preprocessing.image_processor import ProcessedImages, save_steps

ENCODERS: Final = "encoders"
"""The folder of the descriptions, each under its observation key."""
_place: ContextVar[Path | None] = ContextVar("place", default=None)


def save_encoders(module: nn.Module, folder: Path) -> None:
    """Write the descriptions of encoders that are models of transformers, ours from scratch among
    them; nothing where there are none.

    Args:
        module: a model, or what holds one, such as a policy.
        folder: in which they are, in :data:`ENCODERS`.
    """
    for model in module.modules():
        if isinstance(model, MultimodalModel):
            for key, encoder in model.encoders.items():
                _save(encoder, folder / ENCODERS / key)
            return


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
    descriptions in a folder; where it has none, as in earlier versions, from their own names.
    """
    token = _place.set(folder / ENCODERS)
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
    place = _place.get()
    if place is None:
        return dict(table), pretrained
    found = {
        key: replace(row, name=str(place / key))
        for key, row in table.items()
        if (place / key).is_dir() and is_hub_model(key, row)
    }
    return {**table, **found}, False
