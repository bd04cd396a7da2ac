"""BERT text encoders (Devlin et al., 2019), trained from scratch or pretrained."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

from mmrl.compat import import_transformers
from mmrl.models.encoders.base import TextEncoder, Vocabulary, size_of
from mmrl.preprocessing.hub import load_pretrained, model_from_config
from mmrl.preprocessing.text import PADDING

_LARGER_WORDS: Final = 10.0


class BertEncoder(TextEncoder):
    """A BERT text encoder of transformers: one token for each token id.

    Args:
        bert: takes ``input_ids`` and ``attention_mask``, gives ``last_hidden_state``.
    """

    def __init__(self, bert: nn.Module) -> None:
        config: Any = bert.config
        super().__init__(int(config.hidden_size), int(config.vocab_size))
        self.bert = bert
        self.config = config

    def stages(self) -> list[nn.Module]:
        """The embeddings, then each layer of the transformer."""
        bert: Any = self.bert
        layers = next(part for part in bert.modules() if isinstance(part, nn.ModuleList))
        return [bert.embeddings, *layers]

    def encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`TextEncoder.encode`, K = L."""
        values: Tensor = self.bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return values, mask


def small_bert(
    vocabulary: Vocabulary, *, width: int = 64, layers: int = 2, heads: int = 4, length: int = 64
) -> BertEncoder:
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
    return BertEncoder(bert)


def pretrained_bert(name: str, *, weights: bool = True) -> BertEncoder:
    """A model of BERT's family by hub name or local path.

    Args:
        name: as transformers takes it.
        weights: load them; otherwise only the configuration, and weights are random.

    Raises:
        OSError, ValueError: it is neither in the cache nor reachable, in transformers' words.
        UserError: it needs code of its own or pickled weights, which are never run.
    """
    if weights:
        return BertEncoder(load_pretrained("AutoModel", name))
    return BertEncoder(model_from_config(bert_config(name)))


def bert_config(name: str) -> Any:
    """The configuration of a model of BERT's family; the most common ones need no file.

    Raises:
        OSError, ValueError, UserError: as :func:`pretrained_bert`.
    """
    transformers = import_transformers()
    known = {
        "bert-base-uncased": transformers.BertConfig,
        "bert-large-uncased": lambda: transformers.BertConfig(
            hidden_size=1024,
            num_hidden_layers=24,
            num_attention_heads=16,
            intermediate_size=4096,
        ),
        "distilbert-base-uncased": transformers.DistilBertConfig,
    }
    if name in known:
        return known[name]()
    return load_pretrained("AutoConfig", name)
