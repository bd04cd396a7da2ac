"""Cross-attention: each modality is queried by all others (Vaswani et al., 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor, nn

from mmrl.models.fusion.base import Fusion, some_tokens
from mmrl.models.module_table import ModuleTable
from mmrl.models.tokens import Tokens, TokensShape


class Reader(nn.Module):
    """Attention over the tokens of one modality, with a query from the others.

    Tokens on a grid have learned position embeddings. A learned null token is always there to
    attend to, so that an empty mask is no special case.

    Args:
        shape: of the tokens.
        features: width of query and result.
        heads: of the attention; ``features`` is a multiple.
    """

    def __init__(self, shape: TokensShape, features: int, heads: int) -> None:
        super().__init__()
        self.project = nn.Linear(shape.width, features)
        places = prod(shape.grid) if shape.grid else 1
        self.position = nn.Parameter(torch.randn(places, features) * 0.02)
        self.nothing = nn.Parameter(torch.randn(1, 1, features) * 0.02)
        self.attention = nn.MultiheadAttention(features, heads, batch_first=True)

    def forward(self, query: Tensor, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """Attend to tokens.

        Args:
            query: float [B, F].
            tokens: of the modality.

        Returns:
            The result float [B, F], and the attention weights of the tokens float [B, L], averaged
            over the heads; the rest to 1 is the null token's.
        """
        kept = torch.where(tokens.mask.unsqueeze(-1), tokens.values, 0)
        memory = self.project(kept) + self.position
        memory = torch.cat([self.nothing.expand(query.shape[0], 1, -1), memory], dim=1)
        hidden = torch.cat([tokens.mask.new_zeros(query.shape[0], 1), ~tokens.mask], dim=1)
        read, weights = self.attention(
            query.unsqueeze(1), memory, memory, key_padding_mask=hidden, need_weights=True
        )
        return read.squeeze(1), weights[:, 0, 1:]


class CrossAttentionFusion(Fusion):
    """relu(W [r₁; r₂; …; q₁; q₂; …] + b): rᵢ is read from the tokens of modality i by a query made
    of the means qⱼ of all others.

    Args:
        shapes, features: as :class:`Fusion`.
        heads: of the attention, a divisor of ``features``; the largest of 4, 2 and 1, if None.

    Raises:
        ValueError: another number of heads.
    """

    def __init__(
        self, shapes: Mapping[str, TokensShape], features: int, *, heads: int | None = None
    ) -> None:
        super().__init__(shapes, features)
        heads = heads or next(one for one in (4, 2, 1) if features % one == 0)
        if heads < 1 or features % heads:
            raise ValueError(f"heads={heads} must divide features={features}")
        self.summaries = ModuleTable({k: nn.Linear(s.width, features) for k, s in shapes.items()})
        self.readers = ModuleTable({k: Reader(s, features, heads) for k, s in shapes.items()})
        self.mix = nn.Linear(2 * len(shapes) * features, features)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """The tokens of the modalities that are there, by name → float [B, F]; of a missing one
        nothing is read, and it asks for nothing.
        """
        return torch.relu(self.mix(torch.cat(self._read(tokens)[0], dim=1)))

    def attention(self, tokens: Mapping[str, Tokens]) -> dict[str, Tensor]:
        """As :meth:`Fusion.attention`; the rest to 1 is that of the null token."""
        return self._read(tokens)[1]

    def _read(self, tokens: Mapping[str, Tokens]) -> tuple[list[Tensor], dict[str, Tensor]]:
        nothing = some_tokens(tokens, list(self.readers)).zeros(self.features)
        asked = {
            name: layer(tokens[name].mean()) if name in tokens else nothing
            for name, layer in self.summaries.items()
        }
        everything = torch.stack(list(asked.values())).sum(0)
        read, weights = [], {}
        for name, reader in self.readers.items():
            if name not in tokens:
                read.append(nothing)
                continue
            vector, weights[name] = reader(everything - asked[name], tokens[name])
            read.append(vector)
        return [*read, *asked.values()], weights
