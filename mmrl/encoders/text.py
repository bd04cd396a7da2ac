"""BERT: token ids → Tokens (Devlin et al., 2019), each distinct instruction encoded once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn

from mmrl.errors import UserError
from mmrl.preprocessing.text import PADDING
from mmrl.tokens import Tokens, TokensShape
from mmrl.torchvision_compat import import_transformers


class TextEncoder(nn.Module):
    """A transformers model of BERT's family.

    A batch of observations holds few distinct instructions: each is encoded once, as long as it
    is, and its tokens are handed to every row that has it.

    Args:
        bert: takes ``input_ids`` and ``attention_mask``, gives ``last_hidden_state``.
    """

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert
        config: Any = bert.config
        self.shape = TokensShape(width=int(config.hidden_size))

    def forward(self, ids: Tensor) -> Tokens:
        """Integers [B, L], ``PADDING`` where there is no token → Tokens [B, longest, D]."""
        rows, where = distinct_rows(ids)
        longest = max(int((rows != PADDING).sum(1).max()), 1)
        rows = rows[:, :longest].long()
        mask = rows != PADDING
        values = self.bert(input_ids=rows, attention_mask=mask.long()).last_hidden_state
        # index_select, since the gradient of plain indexing adds up in no fixed order
        return Tokens(values.index_select(0, where), mask[where])


def distinct_rows(ids: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct rows of an integer matrix, and which of them each row is.

    Rows are told apart by a hash, which is much faster than sorting them; should two different
    rows ever share one, the slow way is taken.

    Args:
        ids: integers [B, L].

    Returns:
        [U, L] and int64 [B], with ``rows[where]`` equal to ``ids``.
    """
    powers = torch.full((ids.shape[1],), _ODD, device=ids.device).cumprod(0)  # modulo 2^64
    hashes = (ids.long() * powers).sum(1)
    unique, where = torch.unique(hashes, return_inverse=True)
    first = torch.full_like(unique, ids.shape[0])
    first.scatter_reduce_(0, where, torch.arange(len(ids), device=ids.device), "amin")
    rows = ids[first]
    if bool((rows[where] == ids).all()):
        return rows, where
    rows, where = torch.unique(ids, dim=0, return_inverse=True)
    return rows, where


_ODD: Final = 0x9E3779B97F4A7C15 - (1 << 64)  # as a signed 64-bit number


def small_bert(
    vocabulary: int, *, width: int = 64, layers: int = 2, heads: int = 4, length: int = 64
) -> TextEncoder:
    """A BERT to be trained from scratch, small enough for a CPU.

    Args:
        vocabulary: ids are below this.
        width, layers, heads: of the transformer.
        length: the longest sentence, in tokens.
    """
    transformers = import_transformers()
    config = transformers.BertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=length,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=PADDING,
    )
    return TextEncoder(transformers.BertModel(config, add_pooling_layer=False))


def pretrained_bert(name: str) -> TextEncoder:
    """A model of BERT's family by hub name or local path.

    Raises:
        UserError: it is neither in the cache nor to be fetched.
    """
    try:
        return TextEncoder(import_transformers().AutoModel.from_pretrained(name))
    except (OSError, ValueError) as error:
        raise UserError(
            f"text encoder {name!r} is neither ours ({', '.join(TEXT_ENCODERS)}), nor a local "
            f"folder, nor cached, nor reachable ({str(error).splitlines()[0]})"
        ) from error


TEXT_ENCODERS: Final[dict[str, Callable[..., TextEncoder]]] = {"small_bert": small_bert}
"""Our own, by name; every other name is a model of transformers."""


def build_text_encoder(name: str, vocabulary: int, length: int, **kwargs: Any) -> TextEncoder:
    """The text encoder of that name.

    Args:
        name: a key of :data:`TEXT_ENCODERS`, a hub name or a local path.
        vocabulary: ids are below this.
        length: the longest sentence, in tokens.
        kwargs: arguments of ours.

    Raises:
        UserError: no such model is to be had, or arguments that do not fit.
    """
    if name in TEXT_ENCODERS:
        try:
            return TEXT_ENCODERS[name](vocabulary, length=length, **kwargs)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"model.text_args {kwargs} do not fit {name}: {error}") from error
    if kwargs:
        raise UserError(f"{name} takes no model.text_args, got {', '.join(kwargs)}")
    return pretrained_bert(name)
