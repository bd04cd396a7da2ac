"""A small BERT (Devlin et al., 2019), trained from scratch."""

from __future__ import annotations

from typing import Final

import torch

from mmrl.compat import import_transformers
from mmrl.models.encoders.base import Vocabulary, size_of
from mmrl.models.encoders.hub_text import HubTextEncoder
from mmrl.preprocessing.text import PADDING

_LARGER_WORDS: Final = 10.0


def small_bert(
    vocabulary: Vocabulary, *, width: int = 64, layers: int = 2, heads: int = 4, length: int = 64
) -> HubTextEncoder:
    """A small BERT for CPUs, trained from scratch.

    Word embeddings are initialised larger than BERT's, which are small beside those of positions
    and types: so a policy distinguishes sentences from the first update on.

    Args:
        vocabulary: ids are below this, or the words by their ids.
        width, layers, heads: of the transformer.
        length: the longest sentence, in tokens.
    """
    transformers = import_transformers()
    config = transformers.BertConfig(
        vocab_size=size_of(vocabulary),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=length,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=PADDING,
    )
    bert = transformers.BertModel(config, add_pooling_layer=False)
    with torch.no_grad():
        bert.embeddings.word_embeddings.weight.mul_(_LARGER_WORDS)
    return HubTextEncoder(bert)
