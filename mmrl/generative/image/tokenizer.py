"""Image tokenizers: images → a grid of discrete codes, one a patch, and back.

Notable:

- A code depends on its own patch alone, so that in grid worlds a code is a tile, wherever it is.
- :class:`ImageTokenizer` quantises by finite scalar quantisation (:class:`FiniteScalars`, Mentzer
  et al., 2023): no codebook to collapse, no commitment loss; instead, different patches are pushed
  apart by a margin, so that rare ones keep codes of their own.
- :class:`PatchTokenizer` is the interface, which :mod:`mmrl.generative.image.color` implements too.

Axes: B images, K patches of an image row by row, D numbers of a code.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.errors import UserError
from mmrl.preprocessing.image import channels_first

_AT_ONCE: Final = 512  # images


class PatchTokenizer(nn.Module):
    """Interface of tokenizers that encode each patch on its own.

    Args:
        image_size: height and width of the images; multiples of the patch.
        patch: pixels a side.

    Attributes:
        image_size: as above.
        grid: rows and columns of patches.
        codes: how many there are.
        recipe: the arguments, as plain data.

    Raises:
        UserError: images that are no multiple of the patch.
    """

    codes: int
    recipe: dict[str, Any]

    def __init__(self, image_size: Sequence[int], patch: int) -> None:
        super().__init__()
        height, width = (int(side) for side in image_size)
        check_tiling(height, width, patch)
        self.image_size, self.patch = (height, width), patch
        self.grid = height // patch, width // patch

    @abstractmethod
    def loss(self, images: Tensor) -> dict[str, Tensor]:
        """The training loss, ``loss``, and its parts.

        Args:
            images: uint8 [B, h, w, 3], multiples of the patch, such as single patches.
        """

    @abstractmethod
    def _ids(self, patches: Tensor) -> Tensor:
        """Patches as of :meth:`_cut`, float [..., 3 · patch²] → codes int64 [...]."""

    @abstractmethod
    def _pixels(self, ids: Tensor) -> Tensor:
        """Codes int64 [B] → their patches, float [B, 3 · patch²], from -1 to 1."""

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """The codes of images, row by row.

        Args:
            images: uint8 [B, H, W, 3].

        Returns:
            int64 [B, rows · columns], 0 to ``codes - 1``.

        Raises:
            UserError: images of another size.
        """
        size = tuple(images.shape[1:3])
        if size != self.image_size:
            raise UserError(
                f"images of {size[0]} × {size[1]} pixels: this tokenizer was fitted for "
                f"{self.image_size[0]} × {self.image_size[1]}"
            )
        return torch.cat([self._ids(self._cut(one)) for one in images.split(_AT_ONCE)])

    @torch.no_grad()
    def decode(self, ids: Tensor) -> Tensor:
        """Codes int64 [B, rows · columns] → images uint8 [B, H, W, 3]."""
        codes, which = ids.unique(return_inverse=True)  # each decoded once
        patches = self.decode_patches(codes)[which].unflatten(1, self.grid)
        return patches.transpose(2, 3).reshape(len(ids), *self.image_size, 3)

    @torch.no_grad()
    def encode_patches(self, patches: Tensor) -> Tensor:
        """The codes of single patches, uint8 [B, patch, patch, 3] → int64 [B]."""
        parts = patches.split(_AT_ONCE * self.grid[0] * self.grid[1])
        return torch.cat([self._ids(self._cut(one))[:, 0] for one in parts])

    @torch.no_grad()
    def decode_patches(self, ids: Tensor) -> Tensor:
        """Codes int64 [B] → single patches, uint8 [B, patch, patch, 3]."""
        pixels = ((self._pixels(ids) + 1) * 127.5).round().clamp(0, 255).byte()
        return pixels.view(-1, 3, self.patch, self.patch).movedim(1, -1)

    def _cut(self, images: Tensor) -> Tensor:
        """The patches of images, float32 [B, K, 3 · patch²], from -1 to 1."""
        pixels = channels_first(images).float()
        patches = functional.unfold(pixels, self.patch, stride=self.patch)
        return patches.transpose(1, 2) / 127.5 - 1


def check_tiling(height: int, width: int, patch: int) -> None:
    """Refuse images that patches do not tile.

    Raises:
        UserError: they do not.
    """
    if patch < 1 or height % patch or width % patch:
        raise UserError(
            f"patch={patch}: images of {height} × {width} pixels cannot be cut into patches of "
            f"{patch} × {patch}"
        )


class FiniteScalars(nn.Module):
    """Finite scalar quantisation: each of D numbers is rounded to one of a few levels, and every
    combination of levels is a code.

    Args:
        levels: how many each number has, D of them, at least 2 each.

    Attributes:
        codes: how many there are, the product of the levels.

    Raises:
        ValueError: no levels, or fewer than 2 of one.
    """

    _levels: Tensor
    _places: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        if not levels or min(levels) < 2:
            raise ValueError(f"levels={list(levels)}: must be whole numbers, each at least 2")
        self.codes = prod(levels)
        places = [prod(levels[k + 1 :]) for k in range(len(levels))]
        self.register_buffer("_levels", torch.tensor(levels), persistent=False)
        self.register_buffer("_places", torch.tensor(places), persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """Quantise numbers, float [..., D] → the nearest levels, evenly spread from -1 to 1.

        The gradient passes straight through the rounding (Bengio et al., 2013).
        """
        squashed = values.float().tanh()
        rounded = self._values(self._steps(squashed))
        return squashed + (rounded - squashed).detach()

    def ids(self, values: Tensor) -> Tensor:
        """Any numbers, float [..., D] → codes int64 [...]."""
        return (self._steps(values.float().tanh()) * self._places).sum(-1)

    def values(self, ids: Tensor) -> Tensor:
        """Codes int64 [...] → the levels that they stand for, float32 [..., D]."""
        return self._values(ids.unsqueeze(-1) // self._places % self._levels)

    def steps(self, values: Tensor) -> Tensor:
        """Numbers, float [..., D] → their positions before rounding, float [..., D], in steps from
        one level to the next.
        """
        return values.float().tanh() * (self._levels - 1) / 2

    def _steps(self, squashed: Tensor) -> Tensor:
        """Which level is nearest, int64 [..., D], counted from 0."""
        return ((squashed + 1) / 2 * (self._levels - 1)).round().long()

    def _values(self, steps: Tensor) -> Tensor:
        return 2 * steps / (self._levels - 1) - 1


_WAVES: Final = 3
_MARGIN: Final = 1.5  # steps, at least, between different patches
_MARGIN_WEIGHT: Final = 3.0
_SIMILAR: Final = 0.1  # patches whose pixels all differ by no more, of 2
_COMPARED: Final = 256  # patches, pairwise


class ImageTokenizer(PatchTokenizer):
    """An autoencoder of patches with finite scalar quantisation, for any images.

    Args:
        image_size: height and width of the images; multiples of the patch.
        patch: pixels a side.
        levels: of the quantiser, whose product is the number of codes.
        hidden: width of the layers of encoder and decoder.
        layers: of each.

    Raises:
        UserError: sizes or levels out of range.
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
        """Reconstruction and separation.

        Args:
            images: uint8 [B, h, w, 3], multiples of the patch, such as single patches.

        Returns:
            ``pixels``, mean squared plus mean absolute reconstruction error, in units of half the
            range; ``together``, a hinge on the distance between codes of different patches, in
            steps; and ``loss``, their weighted sum.
        """
        patches = self._cut(images).flatten(0, 1)
        inner = self.encoder(patches)
        difference = self.decoder(self.quantiser(inner)) - patches
        pixels = difference.square().mean() + difference.abs().mean()
        together = self._together(patches[:_COMPARED], inner[:_COMPARED])
        return {"loss": pixels + _MARGIN_WEIGHT * together, "pixels": pixels, "together": together}

    def _together(self, patches: Tensor, inner: Tensor) -> Tensor:
        steps = self.quantiser.steps(inner)
        differ = torch.cdist(patches, patches, p=torch.inf) > _SIMILAR
        lack = (_MARGIN - torch.cdist(steps, steps, p=torch.inf)).relu()
        return (lack * differ).sum() / differ.sum().clamp_min(1)


class Waves(nn.Module):
    """Fourier features of numbers from -1 to 1 (Mildenhall et al., 2020)."""

    @staticmethod
    def outputs(inputs: int) -> int:
        """How many features so many numbers have."""
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
