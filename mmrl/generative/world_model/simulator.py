"""A learned simulator: a world model with its tokenizers, from images and sentences to images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmrl.errors import UserError
from mmrl.generative.image.tokenizer import ImageTokenizer
from mmrl.generative.world_model.model import WorldModel
from mmrl.generative.world_model.state import ImaginedStep, State
from mmrl.models.encoders.dedup import distinct_rows
from mmrl.preprocessing.text import Tokenizer, WordTokenizer

_AT_ONCE: Final = 256


class KnownTokens(nn.Module):
    """A vocabulary of those codes of an image tokenizer that the data has, and an unknown token.

    Args:
        images: the tokenizer, which is not trained.
        used: which of its codes are known, in ascending order.

    Attributes:
        codes: tokens are below this; the last one is unknown, and decoded as the first.
        grid: rows and columns of an image's tokens.
        image_size: height and width of the images.
    """

    used: Tensor

    def __init__(self, images: ImageTokenizer, used: Sequence[int]) -> None:
        super().__init__()
        self.images = images.requires_grad_(False)
        self.codes, self.grid, self.image_size = len(used) + 1, images.grid, images.image_size
        self.register_buffer("used", torch.tensor(used), persistent=False)

    def encode(self, images: Tensor) -> Tensor:
        """Images uint8 [B, H, W, 3] → tokens int64 [B, K], row by row."""
        return self.renumber(self.images.encode(images))

    def decode(self, ids: Tensor) -> Tensor:
        """Tokens int64 [B, K] → images uint8 [B, H, W, 3]."""
        return self.images.decode(self.used[torch.where(ids == len(self.used), 0, ids)])

    def renumber(self, codes: Tensor) -> Tensor:
        """The tokenizer's codes as tokens, int64 of any shape."""
        at = torch.searchsorted(self.used, codes.contiguous()).clamp(max=len(self.used) - 1)
        return torch.where(self.used[at] == codes, at, len(self.used))


class WorldSimulator(nn.Module):
    """An environment's learned simulator: :meth:`observe` real steps, :meth:`imagine` further ones.

    Args:
        model: over tokens.
        images: tokenizer of images.
        tokenizer: of instructions.
    """

    def __init__(self, model: WorldModel, images: KnownTokens, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.model, self.images, self.tokenizer = model, images, tokenizer
        images.eval()

    def train(self, mode: bool = True) -> Self:
        """As in torch; the image tokenizer stays as in evaluation."""
        super().train(mode)
        self.images.eval()
        return self

    def observe(
        self,
        images: NDArray[np.uint8],
        actions: NDArray[np.int64],
        instructions: Sequence[str],
        lengths: NDArray[np.int64] | None = None,
    ) -> State:
        """The state of B episodes after T real steps.

        Args:
            images: uint8 [B, T + 1, H, W, 3].
            actions: between them, [B, T].
            instructions: B of them.
            lengths: how many of the steps were made in each, [B]; all, if None.

        Raises:
            UserError: images of another size, unknown actions or words.
        """
        device = self.model.device
        self.check(images.shape[2:4], instructions)
        if actions.size:
            self.check_actions(int(actions.max()) + 1)
        ids = self.encode(images.reshape(-1, *images.shape[2:]))
        return self.model.observe(
            ids.view(*images.shape[:2], -1),
            torch.from_numpy(actions).long().to(device),
            self.words(instructions),
            None if lengths is None else torch.from_numpy(lengths).to(device),
        )

    def imagine(
        self,
        state: State,
        actions: NDArray[np.int64],
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> tuple[ImaginedStep, State]:
        """See :meth:`WorldModel.imagine`; actions int64 [B, N]."""
        on_device = torch.from_numpy(actions).to(self.model.device)
        return self.model.imagine(state, on_device, temperature=temperature, generator=generator)

    @torch.no_grad()
    def encode(self, images: NDArray[np.uint8]) -> Tensor:
        """Tokens, int64 [N, K], of images uint8 [N, H, W, 3]."""
        return self.images.renumber(codes_of(self.images.images, images))

    @torch.no_grad()
    def decode(self, ids: Tensor) -> NDArray[np.uint8]:
        """Images uint8 [N, H, W, 3] of tokens int64 [N, K]."""
        parts = [self.images.decode(one.to(self.model.device)) for one in ids.split(_AT_ONCE)]
        return np.ascontiguousarray(torch.cat(parts).cpu().numpy())

    def words(self, instructions: Sequence[str]) -> Tensor:
        """Token ids of instructions, int32 [B, L]."""
        rows = np.stack([self.tokenizer.encode(one) for one in instructions])
        return torch.from_numpy(rows).to(self.model.device)

    def check(self, size: Sequence[int], instructions: Sequence[str]) -> None:
        """Check that it was fitted for such images and instructions.

        Args:
            size: height and width of the images.
            instructions: some.

        Raises:
            UserError: another size, or unknown words.
        """
        fitted = self.images.image_size
        if tuple(size) != tuple(fitted):
            raise UserError(
                f"images of {list(size)} pixels: this world model's image tokenizer was fitted "
                f"for {list(fitted)}"
            )
        if self.model.text is None or not isinstance(self.tokenizer, WordTokenizer):
            return
        for one in instructions:
            try:
                self.tokenizer.ids(one)
            except ValueError as error:
                raise UserError(f"{error}. The world model was fitted without them") from error

    def check_actions(self, count: int) -> None:
        """Check that it was fitted for so many actions.

        Raises:
            UserError: it was not.
        """
        if count > self.model.actions:
            raise UserError(
                f"{count} actions: this world model was fitted for {self.model.actions}"
            )


@torch.no_grad()
def codes_of(tokenizer: ImageTokenizer, images: NDArray[np.uint8]) -> Tensor:
    """The codes, int64 [N, K], of images uint8 [N, H, W, 3]; equal patches are encoded once."""
    device = next(tokenizer.parameters()).device
    (rows, columns), side = tokenizer.grid, tokenizer.patch
    found = [torch.empty(0, rows * columns, dtype=torch.int64, device=device)]
    for start in range(0, len(images), _AT_ONCE):
        part = images[start : start + _AT_ONCE].reshape(-1, rows, side, columns, side, 3)
        patches = torch.from_numpy(np.ascontiguousarray(part.swapaxes(2, 3)))
        flat, where = distinct_rows(patches.view(-1, side * side * 3).to(device))
        codes = tokenizer.encode_patches(flat.view(-1, side, side, 3))
        found.append(codes[where].view(-1, rows * columns))
    return torch.cat(found)
