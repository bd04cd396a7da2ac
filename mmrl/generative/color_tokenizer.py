"""Pictures → codes of their patches, each of a shape and a colour, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.errors import UserError
from mmrl.generative.factors import Factors
from mmrl.generative.image_tokenizer import ImageTokenizer
from mmrl.generative.patch_tokenizer import PatchTokenizer


class ColorTokenizer(PatchTokenizer):
    """Codes of patches whose shape and colour are kept apart: a code is a pair of the two, seen
    together or not.

    A patch is shown as ``ground + cover ⊗ color``: the first two its shape's, the last its
    colour's, as in bilinear models of style and content (Tenenbaum and Freeman, 2000). The code of
    a patch is the one that is shown most like it, so that a pair which was never seen is found and
    shown as well as any other. ``shape · colors + color`` is the code of one that has a colour;
    behind these come the shapes that have none.

    Args:
        image_size: height and width of the pictures; multiples of the patch.
        patch: pixels a side.
        colored: how many shapes have a colour.
        plain: how many have none.
        colors: how many there are.

    Raises:
        UserError: sizes that cannot be.
    """

    def __init__(
        self, image_size: Sequence[int], *, patch: int, colored: int, plain: int, colors: int
    ) -> None:
        super().__init__(image_size, patch)
        if min(colored, plain) < 0 or colored + plain < 1 or colors < 1:
            raise UserError(
                f"colored={colored}, plain={plain}, colors={colors}: at least one shape and one "
                "colour are needed"
            )
        self.colored, self.plain, self.colors = colored, plain, colors
        self.codes = colored * colors + plain
        self.recipe = {
            "image_size": list(self.image_size),
            "patch": patch,
            "colored": colored,
            "plain": plain,
            "colors": colors,
        }
        self.grounds = nn.Parameter(torch.zeros(colored + plain, 3, patch * patch))
        self.covers = nn.Parameter(torch.zeros(colored, patch * patch))
        self.palette = nn.Parameter(torch.zeros(colors, 3))

    @classmethod
    def from_factors(
        cls, image_size: Sequence[int], patch: int, factors: Factors
    ) -> ColorTokenizer:
        """A tokenizer of the shapes and colours that were found in patches."""
        made = cls(
            image_size,
            patch=patch,
            colored=factors.colored,
            plain=len(factors.grounds) - factors.colored,
            colors=len(factors.colors),
        )
        with torch.no_grad():
            made.grounds.copy_(torch.from_numpy(factors.grounds.swapaxes(1, 2) / 127.5 - 1))
            made.covers.copy_(torch.from_numpy(factors.covers[: factors.colored]))
            made.palette.copy_(torch.from_numpy(factors.colors / 127.5))
        return made

    def loss(self, images: Tensor) -> dict[str, Tensor]:
        """As :meth:`PatchTokenizer.loss`: how far patches are from what their codes show (mean of
        the square and of the size of the difference, in units of half their range).
        """
        patches = self._cut(images).flatten(0, 1)
        with torch.no_grad():
            ids = self._ids(patches)
        difference = self._shown()[ids] - patches
        pixels = difference.square().mean() + difference.abs().mean()
        return {"loss": pixels}

    def recolored(self, ids: Tensor, colors: Tensor) -> Tensor:
        """The codes of the same shapes in other colours.

        Args:
            ids: codes, int64 [B, K].
            colors: what becomes of each colour, int64 [B, C].
        """
        has_color = ids < self.colored * self.colors
        new = colors.gather(1, torch.where(has_color, ids % self.colors, 0))
        return torch.where(has_color, ids - ids % self.colors + new, ids)

    def in_every_color(self, ids: Tensor) -> Tensor:
        """Codes int64 [B] and those of their shapes in other colours, each once, int64 [D]."""
        every = torch.arange(self.colors, device=ids.device)[:, None].expand(-1, self.colors)
        return self.recolored(ids.expand(self.colors, -1), every).unique()

    def shows(self, ids: Tensor) -> Tensor:
        """Which colours are to be seen in pictures of codes int64 [B, K]: bool [B, C]."""
        has_color = ids < self.colored * self.colors
        seen = functional.one_hot(ids % self.colors, self.colors).bool()
        return (seen & has_color.unsqueeze(2)).any(1)

    def _ids(self, patches: Tensor) -> Tensor:
        return torch.cdist(patches, self._shown()).argmin(-1)

    def _pixels(self, ids: Tensor) -> Tensor:
        return self._shown()[ids]

    def _shown(self) -> Tensor:
        """The patch of every code, float [codes, 3 · patch²]."""
        color = self.palette[:, :, None] * self.covers[:, None, None]  # [colored, colors, 3, p²]
        colored = self.grounds[: self.colored, None] + color
        return torch.cat([colored.flatten(0, 1), self.grounds[self.colored :]]).flatten(1)


def build_image_tokenizer(recipe: dict[str, Any]) -> PatchTokenizer:
    """The tokenizer of a recipe, with new weights."""
    return ColorTokenizer(**recipe) if "colors" in recipe else ImageTokenizer(**recipe)
