"""A shared embedding of images and sentences, trained contrastively (CLIP, Radford et al., 2021).

Notable: the heads are not linear. :class:`EmbeddingHead` binds what a token shows to where it is
before it pools, so that "a box on the left, a ball on the right" has another embedding than the
other way round; and the loss leaves out false negatives (``neutral``), of which small worlds have
many.

Axes: B pairs, D numbers of an embedding, P places of a grid, H hidden units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mmrl.contract import IMAGE, INSTRUCTION
from mmrl.models.model import MultimodalModel
from mmrl.models.tokens import Tokens, TokensShape
from mmrl.preprocessing.image import channels_first


class SharedEmbedding(nn.Module):
    """Encoders of a model, and for each modality a head onto the unit sphere.

    Args:
        model: whose encoders are used; its fusion is not.
        width: of the embeddings.
        hidden: width of the heads' layers.
    """

    def __init__(self, model: MultimodalModel, width: int = 128, hidden: int = 256) -> None:
        super().__init__()
        self.model = model
        encoders: dict[str, Any] = dict(model.encoders.items())
        self.heads = nn.ModuleDict(
            {name: EmbeddingHead(one.shape, width, hidden) for name, one in encoders.items()}
        )
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.log_scale.device

    def forward(
        self, observation: Mapping[str, Tensor] | Sequence[str], images: Tensor | None = None
    ) -> dict[str, Tensor]:
        """What :class:`mmrl.models.model.MultimodalModel` takes → unit vectors float32 [B, width],
        by modality.
        """
        if not isinstance(observation, Mapping):
            observation = self.model.observe(observation, images)
        with self.model.autocast(self.device):
            tokens = self.model.encode(observation)
            embedded = {name: self.heads[name](one) for name, one in tokens.items()}
        return {name: functional.normalize(one.float(), dim=1) for name, one in embedded.items()}

    @torch.no_grad()
    def of_images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Images uint8 [B, H, W, 3] → unit vectors float32 [B, width]."""
        pixels = torch.from_numpy(images).to(self.device)
        if self.model.encoders[IMAGE].channels_first:
            pixels = channels_first(pixels)
        return self({IMAGE: pixels})[IMAGE].cpu().numpy()

    @torch.no_grad()
    def of_sentences(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """B sentences → unit vectors float32 [B, width]."""
        return self(sentences)[INSTRUCTION].cpu().numpy()

    def loss(
        self,
        first: Tensor,
        second: Tensor,
        *,
        label_smoothing: float = 0.0,
        neutral: Tensor | None = None,
    ) -> Tensor:
        """:func:`contrastive_loss` at the learned temperature, which is kept above 0.01."""
        scale = self.log_scale.clamp(max=math.log(100)).exp()
        return contrastive_loss(
            first, second, scale, label_smoothing=label_smoothing, neutral=neutral
        )


class EmbeddingHead(nn.Module):
    """Tokens → a vector: a nonlinear feature of each token and its place, then their mean.

    Before pooling, a token is bound to its place by a product with the place's own vector, as in
    holographic representations (Plate, 1995). Tokens on no grid, such as words, carry their place
    themselves: two projections of a token are multiplied. A second layer has the mean of all tokens
    as context.

    Args:
        shape: of the tokens.
        width: of the vector.
        hidden: of the layers.
    """

    def __init__(self, shape: TokensShape, width: int, hidden: int) -> None:
        super().__init__()
        places = math.prod(shape.grid) if shape.grid else 0
        self.scales = nn.Parameter(torch.randn(places, hidden)) if places else None
        self.shifts = nn.Parameter(torch.randn(places, hidden)) if places else None
        self.read = nn.Linear(shape.width, hidden)
        self.place = None if places else nn.Linear(shape.width, hidden)
        self.think = nn.Linear(hidden, hidden)
        self.compare = nn.Linear(hidden, hidden, bias=False)
        self.embed = nn.Linear(hidden, width)

    def forward(self, tokens: Tokens) -> Tensor:
        """B Tokens → float [B, width]."""
        embedded: Tensor = self.embed(tokens.map(self._features).mean())
        return embedded

    def _features(self, values: Tensor, mask: Tensor) -> Tensor:
        read = self.read(values)
        if self.scales is not None and self.shifts is not None:
            read = torch.addcmul(self.shifts.to(read), read, self.scales.to(read))
        elif self.place is not None:
            read = read * self.place(values)
        features = functional.relu(read)
        context = Tokens(features, mask).mean().unsqueeze(1)
        return functional.relu(self.think(features) + self.compare(context))


def contrastive_loss(
    first: Tensor,
    second: Tensor,
    scale: Tensor | float,
    *,
    label_smoothing: float = 0.0,
    neutral: Tensor | None = None,
) -> Tensor:
    """Symmetric InfoNCE (van den Oord et al., 2018): row b of one belongs to row b of the other.

    Args:
        first, second: unit vectors float [B, D].
        scale: one over the temperature.
        label_smoothing: share of the target that is spread over all rows.
        neutral: bool [B, B], True where a row of the first fits one of the second as well, which is
            then no negative of it; the diagonal is ignored.
    """
    similar = scale * first @ second.T
    if neutral is None:
        neutral = torch.zeros_like(similar, dtype=torch.bool)
    others = neutral & ~torch.eye(len(first), dtype=torch.bool, device=first.device)
    there = _cross_entropy(similar, others, label_smoothing)
    back = _cross_entropy(similar.T, others.T, label_smoothing)
    return (there + back) / 2


def _cross_entropy(similar: Tensor, neutral: Tensor, label_smoothing: float) -> Tensor:
    """With the diagonal as target, over all classes that are not neutral."""
    logs = similar.masked_fill(neutral, -torch.inf).log_softmax(1)
    loss = -logs.diagonal()
    if label_smoothing:
        spread = -logs.masked_fill(neutral, 0).sum(1) / (~neutral).sum(1)
        loss = (1 - label_smoothing) * loss + label_smoothing * spread
    return loss.mean()
