"""Text encoders of transformers: any text model or text tower by name, folder or package.

Shapes: U distinct instructions, L ids, D width.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.errors import UserError
from mmrl.models.encoders.base import TextEncoder
from mmrl.models.encoders.hub import Pooled, load_tower, stages_of
from mmrl.preprocessing.hub import id_offset

_FIXED_LENGTH: Final = ("siglip_text_model", "siglip2_text_model")
"""Models that were trained on sentences padded to their longest length, without a mask."""


class HubTextEncoder(TextEncoder):
    """A text encoder of transformers: one token for each token id, or one for the sentence.

    Ids have 0 for padding, as :class:`~mmrl.preprocessing.text.PretrainedTokenizer` makes them, and
    are given to the model as its own tokenizer's. SigLIP reads sentences padded to its longest
    length, without a mask, as it was trained.

    Args:
        tower: takes ``input_ids`` and ``attention_mask``, gives ``last_hidden_state``. In the names
            of weights it is ``bert``, whatever its family.
        pooled: True or "mean" for one token, the mean of all; "model" for the model's own pooling,
            such as CLIP's at the end of the sentence.

    Raises:
        UserError: a model without a pooling of its own.
    """

    def __init__(self, tower: nn.Module, *, pooled: Pooled = False) -> None:
        config: Any = tower.config
        embedding: Any = tower.get_input_embeddings()  # type: ignore[operator]
        offset = id_offset(config)
        super().__init__(int(config.hidden_size), int(embedding.num_embeddings) + offset)
        self.bert = tower
        self.config = config
        self.pooled = pooled
        self._offset = offset
        self._padding = int(getattr(config, "pad_token_id", None) or 0)
        self._fixed = config.model_type in _FIXED_LENGTH
        if pooled == "model":
            self._check_pooling()

    @property
    def positions(self) -> int | None:
        """The longest sentence that it can read, in tokens; None for any."""
        for name, module in self.bert.named_modules():
            if "position_embedding" in name and isinstance(module, nn.Embedding):
                before = module.padding_idx  # RoBERTa counts from the id of padding on
                return module.num_embeddings - (0 if before is None else before + 1)
        return None

    def stages(self) -> list[nn.Module]:
        """The embeddings, then each layer of the transformer."""
        return stages_of(self.bert)

    def encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`TextEncoder.encode`, K = L, or 1 if pooled."""
        output = self._read(ids, mask)
        values: Tensor = output.last_hidden_state[:, : ids.shape[1]]
        if not self.pooled:
            return values, mask
        there = mask.any(1, keepdim=True)
        if self.pooled == "model":
            return output.pooler_output.unsqueeze(1), there
        counted = mask.unsqueeze(2)
        mean = (values * counted).sum(1, keepdim=True) / counted.sum(1, keepdim=True).clamp_min(1)
        return mean, there

    def _read(self, ids: Tensor, mask: Tensor) -> Any:
        """The tower's output for ids with 0 as padding."""
        own = (ids - self._offset).masked_fill(~mask, self._padding)
        if self._fixed:
            longest = self.positions or ids.shape[1]
            return self.bert(input_ids=functional.pad(own, (0, longest - ids.shape[1]),
                                                      value=self._padding))  # fmt: skip
        attended = mask.long()
        attended[:, 0] = 1  # attention needs one token, even of an empty sentence
        return self.bert(input_ids=own, attention_mask=attended)

    def _check_pooling(self) -> None:
        was_training = self.bert.training
        with torch.no_grad():
            output = self.bert.eval()(input_ids=torch.full((1, 1), self._padding))
        self.bert.train(was_training)
        if getattr(output, "pooler_output", None) is None:
            raise UserError(
                f"pooled: model: a {self.config.model_type} has no pooling of its own; use "
                "pooled: mean, or leave it out for a token for each word"
            )


def pretrained_text(name: str, *, weights: bool = True, pooled: Pooled = False) -> HubTextEncoder:
    """A text model, or the text tower of an image–text model.

    Args:
        name: as transformers takes it, or a packaged model.
        weights: load them; otherwise only the configuration, and weights are random.
        pooled: as of :class:`HubTextEncoder`.

    Raises:
        OSError, ValueError, RuntimeError, SafetensorError, UserError: as
            :func:`~mmrl.models.encoders.hub.load_tower`.
    """
    return HubTextEncoder(load_tower(name, "text", weights=weights, pooled=pooled), pooled=pooled)
