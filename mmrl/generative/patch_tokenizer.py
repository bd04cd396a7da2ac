"""What turns each patch of a picture into a code, and each code into a patch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.errors import UserError

_AT_ONCE: Final = 512  # pictures


class PatchTokenizer(nn.Module):
    """Each patch of a picture becomes one of finitely many codes, whatever lies around it, and each
    code a patch.

    Where patches are the tiles of a grid world, a code is a tile.

    Args:
        image_size: height and width of the pictures; multiples of the patch.
        patch: pixels a side.

    Attributes:
        image_size: as above.
        grid: rows and columns of patches.
        codes: how many there are.
        recipe: the arguments, as plain data.

    Raises:
        UserError: sizes that cannot be.
    """

    codes: int
    recipe: dict[str, Any]

    def __init__(self, image_size: Sequence[int], patch: int) -> None:
        super().__init__()
        height, width = (int(side) for side in image_size)
        check_patch(height, width, patch)
        self.image_size, self.patch = (height, width), patch
        self.grid = height // patch, width // patch

    @abstractmethod
    def loss(self, images: Tensor) -> dict[str, Tensor]:
        """What is to become small, ``loss``, and its parts.

        Args:
            images: uint8 [B, 3, h, w], multiples of the patch, such as single patches.
        """

    @abstractmethod
    def _ids(self, patches: Tensor) -> Tensor:
        """Patches as :meth:`_cut` makes them, float [..., 3 · patch²] → codes int64 [...]."""

    @abstractmethod
    def _pixels(self, ids: Tensor) -> Tensor:
        """Codes int64 [B] → their patches, float [B, 3 · patch²], from -1 to 1."""

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """The codes of pictures, row by row.

        Args:
            images: uint8 [B, 3, H, W].

        Returns:
            int64 [B, rows · columns], 0 to ``codes - 1``.

        Raises:
            UserError: pictures of another size.
        """
        size = tuple(images.shape[-2:])
        if size != self.image_size:
            raise UserError(
                f"pictures of {size[0]} × {size[1]} pixels: this tokenizer was fitted for "
                f"{self.image_size[0]} × {self.image_size[1]}"
            )
        return torch.cat([self._ids(self._cut(one)) for one in images.split(_AT_ONCE)])

    @torch.no_grad()
    def decode(self, ids: Tensor) -> Tensor:
        """Codes int64 [B, rows · columns] → pictures uint8 [B, 3, H, W]."""
        codes, which = ids.unique(return_inverse=True)  # few are different
        patches = self.decode_patches(codes)[which].unflatten(1, self.grid)
        return patches.permute(0, 3, 1, 4, 2, 5).reshape(len(ids), 3, *self.image_size)

    @torch.no_grad()
    def encode_patches(self, patches: Tensor) -> Tensor:
        """The codes of single patches, uint8 [B, 3, patch, patch] → int64 [B]."""
        parts = patches.split(_AT_ONCE * self.grid[0] * self.grid[1])
        return torch.cat([self._ids(self._cut(one))[:, 0] for one in parts])

    @torch.no_grad()
    def decode_patches(self, ids: Tensor) -> Tensor:
        """Codes int64 [B] → single patches, uint8 [B, 3, patch, patch]."""
        pixels = (self._pixels(ids) + 1) * 127.5
        return pixels.round().clamp(0, 255).byte().view(-1, 3, self.patch, self.patch)

    def _cut(self, images: Tensor) -> Tensor:
        """The patches of pictures, float32 [B, K, 3 · patch²], from -1 to 1."""
        patches = functional.unfold(images.float(), self.patch, stride=self.patch)
        return patches.transpose(1, 2) / 127.5 - 1


def check_patch(height: int, width: int, patch: int) -> None:
    """Refuse pictures that are not whole patches.

    Raises:
        UserError: they are not.
    """
    if patch < 1 or height % patch or width % patch:
        raise UserError(
            f"patch={patch}: pictures of {height} × {width} pixels cannot be cut into patches of "
            f"{patch} × {patch}"
        )
