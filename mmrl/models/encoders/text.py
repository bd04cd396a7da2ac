"""Text encoders by name: ours, and every text model of transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mmrl.errors import UserError
from mmrl.models.encoders.base import TextEncoder, Vocabulary, size_of
from mmrl.models.encoders.bert import small_bert
from mmrl.models.encoders.hub import UNREADABLE, first_line
from mmrl.models.encoders.hub_text import HubTextEncoder, pretrained_text
from mmrl.models.encoders.others import build_other, is_of_others
from mmrl.models.encoders.words import BagOfWords, WordCNN, WordGRU, WordVectors
from mmrl.preprocessing.hub import PACKAGED, download_hint, hub_cache
from mmrl.text_output import shortened

TEXT_ENCODERS: Final[dict[str, Callable[..., TextEncoder]]] = {
    "small_bert": small_bert,
    "bag_of_words": BagOfWords,
    "word_vectors": WordVectors,
    "word_gru": WordGRU,
    "word_cnn": WordCNN,
}
"""Our own, by name; those of others are found by :mod:`~mmrl.models.encoders.others`; every further
name is a packaged model such as "minilm", or one of transformers, by hub name or folder.
"""


def build_text_encoder(
    name: str, vocabulary: Vocabulary, length: int, *, pretrained: bool = True, **kwargs: Any
) -> TextEncoder:
    """The text encoder of that name.

    Args:
        name: a key of :data:`TEXT_ENCODERS`, of an entry point, a dotted path, a hub name or a
            local path.
        vocabulary: ids are below this, or the words by their ids.
        length: the longest sentence, in tokens.
        pretrained: load the weights; otherwise they are random, to be replaced later.
        kwargs: arguments of ours; of transformers' models pooled, see
            :class:`~mmrl.models.encoders.hub_text.HubTextEncoder`.

    Raises:
        UserError: no such model can be loaded, or arguments that do not fit.
    """
    if name in TEXT_ENCODERS:
        try:
            return TEXT_ENCODERS[name](vocabulary, length=length, **kwargs)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                f"model.text_args {kwargs} do not fit {name}: {shortened(error)}"
            ) from error
    if is_of_others(name):
        return build_other(
            "text", name, TextEncoder, TEXT_ENCODERS, kwargs, vocabulary, length=length
        )
    if kwargs.keys() - {"pooled"}:
        raise UserError(f"{name} takes no model.text_args but pooled, got {', '.join(kwargs)}")
    try:
        encoder = pretrained_text(name, weights=pretrained, **kwargs)
    except UNREADABLE as error:
        ours = ", ".join((*TEXT_ENCODERS, *PACKAGED))
        raise UserError(
            f"text encoder {name!r} is neither ours ({ours}), nor a local folder with config.json "
            f"and model.safetensors, nor cached in {hub_cache()}, nor reachable "
            f"({first_line(error)}). Offline: text: minilm, or such a folder{download_hint(name)}"
        ) from error
    _check_fit(name, encoder, size_of(vocabulary), length)
    return encoder


def _check_fit(name: str, encoder: HubTextEncoder, vocabulary: int, length: int) -> None:
    """Check that a model has embeddings for all ids and positions.

    Raises:
        UserError: it has not.
    """
    if vocabulary > encoder.vocabulary:
        raise UserError(
            f"text encoder {name!r} has {encoder.vocabulary} embeddings, and its tokenizer makes "
            f"{vocabulary} token ids: restore the tokenizer that the model was saved with"
        )
    longest = encoder.positions
    if longest is not None and length > longest:
        raise UserError(
            f"model.instruction_length={length}: {name} reads at most {longest} tokens; give "
            f"model.instruction_length={longest}"
        )
