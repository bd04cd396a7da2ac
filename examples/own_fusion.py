"""A fusion of your own, named by its dotted path: attention of the sentence over image regions.

    cd examples
    mmrl train --env mmrl/OpenDoorColorStrict-v0 --steps 100000 --out runs/own \
        --model.fusion own_fusion.WhereAndWhat --model.fusion-args "{sharpness: 2.0}"

A fusion turns the tokens of all modalities into one vector of features, float [B, F]. It is given
their shapes, by observation key, and has to accept that a modality is missing from a batch.
Shapes: B batch, L tokens of a modality, D their width, F features.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmrl.contract import IMAGE
from mmrl.models.fusion.base import Fusion, Readout, with_blanks
from mmrl.models.module_table import ModuleTable
from mmrl.models.tokens import Tokens, TokensShape


class WhereAndWhat(Fusion):
    """The other modalities ask; the image answers with its tokens and with where they are.

    With a query q, the sum of the readouts of all modalities but the image: attention
    a = softmax(sharpness · qᵀ kₗ) over the image's L tokens, and features
    relu(W [a; Σ aₗ vₗ; q]): where it is, what is there, and what was asked for.

    Args:
        shapes: of each modality's tokens, by observation key; the image's lie on a grid.
        features: F.
        sharpness: larger values attend to fewer tokens.

    Raises:
        ValueError: no image tokens on a grid.
    """

    def __init__(
        self, shapes: Mapping[str, TokensShape], features: int, sharpness: float = 1.0
    ) -> None:
        super().__init__(shapes, features)
        image = shapes.get(IMAGE)
        if image is None or image.grid is None:
            raise ValueError(f"where_and_what needs an {IMAGE!r} whose tokens lie on a grid")
        self.shapes, self.sharpness = dict(shapes), sharpness
        places = image.grid[0] * image.grid[1]
        others = {key: shape for key, shape in shapes.items() if key != IMAGE}
        self.readouts = ModuleTable({key: Readout(one, features) for key, one in others.items()})
        self.keys = nn.Linear(image.width, features)
        self.values = nn.Linear(image.width, features)
        self.mix = nn.Linear(places + 2 * features, features)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tensor:
        """Tokens by observation key, of which some may be missing → features float [B, F]."""
        whole = with_blanks(tokens, self.shapes)  # zeros for what is missing
        query_BF = torch.stack(
            [readout.linear(whole[key]) for key, readout in self.readouts.items()]
        ).sum(0)
        image_BLD = whole[IMAGE].values
        scores_BL = torch.einsum("blf,bf->bl", self.keys(image_BLD), query_BF)
        where_BL = (self.sharpness * scores_BL / self.features**0.5).softmax(1)
        what_BF = torch.einsum("bl,blf->bf", where_BL, self.values(image_BLD))
        return torch.relu(self.mix(torch.cat([where_BL, what_BF, query_BF], dim=1)))
