"""Text encoders by name: ours, and every model of BERT's family in transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mmrl.errors import UserError
from mmrl.models.encoders.base import TextEncoder, Vocabulary
from mmrl.models.encoders.bert import pretrained_bert, small_bert
from mmrl.models.encoders.others import build_other, is_of_others
from mmrl.models.encoders.words import BagOfWords, WordCNN, WordGRU, WordVectors
from mmrl.preprocessing.hub import PACKAGED, hub_cache, model_path

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
        kwargs: arguments of ours.

    Raises:
        UserError: no such model can be loaded, or arguments that do not fit.
    """
    if name in TEXT_ENCODERS:
        try:
            return TEXT_ENCODERS[name](vocabulary, length=length, **kwargs)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"model.text_args {kwargs} do not fit {name}: {error}") from error
    if is_of_others(name):
        return build_other(
            "text", name, TextEncoder, TEXT_ENCODERS, kwargs, vocabulary, length=length
        )
    if kwargs:
        raise UserError(f"{name} takes no model.text_args, got {', '.join(kwargs)}")
    try:
        return pretrained_bert(model_path(name), weights=pretrained)
    except (OSError, ValueError) as error:
        ours = ", ".join((*TEXT_ENCODERS, *PACKAGED))
        raise UserError(
            f"text encoder {name!r} is neither ours ({ours}), nor a local folder with config.json "
            f"and model.safetensors, nor cached in {hub_cache()}, nor reachable "
            f"({str(error).splitlines()[0]}). Offline: text: minilm, or such a folder"
        ) from error
