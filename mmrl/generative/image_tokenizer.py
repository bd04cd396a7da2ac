"""Pictures → codes of their patches, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn

from mmrl.errors import UserError
from mmrl.generative.patch_tokenizer import PatchTokenizer
from mmrl.generative.quantiser import FiniteScalars

_WAVES: Final = 3
_APART: Final = 1.5  # steps, at the least, between patches that are not alike
_APART_WEIGHT: Final = 3.0
_ALIKE: Final = 0.1  # patches no pixel of which differs by more, of 2
_COMPARED: Final = 256  # patches, each with each


class ImageTokenizer(PatchTokenizer):
    """Codes by finite scalar quantisation (Mentzer et al., 2023), of any pictures.

    Args:
        image_size: height and width of the pictures; multiples of the patch.
        patch: pixels a side.
        levels: of the quantiser, whose product is the number of codes.
        hidden: width of the layers of encoder and decoder.
        layers: of each.

    Raises:
        UserError: sizes or levels that cannot be.
    """

    def __init__(
        self,
        image_size: Sequence[int],
        *,
        patch: int = 8,
        levels: Sequence[int] = (8, 5, 5, 5),
        hidden: int = 256,
        layers: int = 2,
    ) -> None:
        super().__init__(image_size, patch)
        if hidden < 1 or layers < 1:
            raise UserError(f"hidden={hidden}, layers={layers}: must be at least 1")
        try:
            self.quantiser = FiniteScalars(levels)
        except ValueError as error:
            raise UserError(str(error)) from error
        self.codes = self.quantiser.codes
        self.recipe = {
            "image_size": list(self.image_size),
            "patch": patch,
            "levels": list(levels),
            "hidden": hidden,
            "layers": layers,
        }
        pixels = 3 * patch * patch
        self.encoder = _perceptron(pixels, hidden, len(levels), layers)
        self.decoder = nn.Sequential(
            Waves(), _perceptron(Waves.outputs(len(levels)), hidden, pixels, layers)
        )

    def _ids(self, patches: Tensor) -> Tensor:
        return self.quantiser.ids(self.encoder(patches))

    def _pixels(self, ids: Tensor) -> Tensor:
        pixels: Tensor = self.decoder(self.quantiser.values(ids))
        return pixels

    def loss(self, images: Tensor) -> dict[str, Tensor]:
        """What is to become small.

        Args:
            images: uint8 [B, 3, h, w], multiples of the patch, such as single patches.

        Returns:
            ``pixels``, how far they are from what they were (mean of the square and of the size
            of the difference, in units of half their range); ``together``, by how many steps
            patches that are not alike lie too near each other to have codes of their own; and
            ``loss``, of both.
        """
        patches = self._cut(images).flatten(0, 1)
        inner = self.encoder(patches)
        difference = self.decoder(self.quantiser(inner)) - patches
        pixels = difference.square().mean() + difference.abs().mean()
        together = self._together(patches[:_COMPARED], inner[:_COMPARED])
        return {"loss": pixels + _APART_WEIGHT * together, "pixels": pixels, "together": together}

    def _together(self, patches: Tensor, inner: Tensor) -> Tensor:
        steps = self.quantiser.steps(inner)
        differ = torch.cdist(patches, patches, p=torch.inf) > _ALIKE
        lack = (_APART - torch.cdist(steps, steps, p=torch.inf)).relu()
        return (lack * differ).sum() / differ.sum().clamp_min(1)


class Waves(nn.Module):
    """Numbers from -1 to 1, beside them their sines and cosines: so a small step can matter much
    (Mildenhall et al., 2020).
    """

    @staticmethod
    def outputs(inputs: int) -> int:
        """How many numbers become of so many."""
        return inputs * (1 + 2 * _WAVES)

    def forward(self, values: Tensor) -> Tensor:
        """Float [..., D] → float [..., 7 · D]."""
        rates = 2.0 ** torch.arange(_WAVES, device=values.device) * (math.pi / 2)
        angles = (values.unsqueeze(-1) * rates).flatten(-2)
        return torch.cat([values, angles.sin(), angles.cos()], -1)


def _perceptron(inputs: int, hidden: int, outputs: int, layers: int) -> nn.Sequential:
    widths = [inputs, *[hidden] * layers]
    inner = [
        part
        for before, after in pairwise(widths)
        for part in (nn.Linear(before, after), nn.LayerNorm(after), nn.GELU())
    ]
    return nn.Sequential(*inner, nn.Linear(hidden, outputs))
