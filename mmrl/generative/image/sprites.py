"""Sprite painter: a name, such as "purple key", and a style → a small image with transparency.

A conditional variational autoencoder (Kingma and Welling, 2014; Sohn et al., 2015). The name is a
bag of words; what it leaves open is the latent, a style that all sprites of a theme share.

Axes: B sprites, S pixels a side, W words of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmrl.errors import UserError
from mmrl.preprocessing.image import channels_first
from mmrl.preprocessing.text import split_words

_ARTICLES: Final = ("a", "an", "the")


class SpritePainter(nn.Module):
    """p(image | name, style), and a recognition model q(style | image, name) for training.

    Args:
        names: of all training images; their words are the vocabulary.
        size: pixels a side.
        style: dimensions of the latent.
        hidden: width of the layers.

    Raises:
        UserError: numbers out of range.
    """

    def __init__(
        self, names: Sequence[str], size: int = 16, *, style: int = 4, hidden: int = 256
    ) -> None:
        super().__init__()
        if not names or min(size, style, hidden) < 1:
            raise UserError(
                f"names={list(names)}, size={size}, style={style}, hidden={hidden}: must be some, "
                "and at least 1"
            )
        self.names, self.size, self.style = tuple(names), size, style
        self.words = tuple(sorted({word for name in names for word in split_words(name)}))
        pixels = 4 * size * size
        self.encoder = _perceptron(pixels + len(self.words), hidden, 2 * style)
        self.decoder = _perceptron(style + len(self.words), hidden, pixels)

    @property
    def recipe(self) -> dict[str, Any]:
        """Its arguments, as plain data."""
        hidden: Any = self.decoder[0]
        return {
            "names": list(self.names),
            "size": self.size,
            "style": self.style,
            "hidden": int(hidden.out_features),
        }

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    def loss(self, images: Tensor, names: Tensor, weight: float) -> dict[str, Tensor]:
        """The negative evidence lower bound.

        Args:
            images: uint8 [B, S, S, 4], red, green, blue and opacity.
            names: as :meth:`read` returns them, float [B, W].
            weight: of ``style``.

        Returns:
            ``pixels``, the reconstruction error where images are opaque; ``style``, the KL
            divergence of styles from a normal distribution, in nats; ``loss``, their weighted sum.
        """
        real = channels_first(images).float().flatten(1) / 255
        mean, log_variance = self.encoder(torch.cat([real * 2 - 1, names], 1)).chunk(2, 1)
        drawn = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        made = self._paint(drawn, names)
        pixels = _difference(made, real.unflatten(1, made.shape[1:]))
        style = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2
        return {"loss": pixels + weight * style, "pixels": pixels, "style": style}

    @torch.no_grad()
    def paint(self, names: Sequence[str], styles: Tensor) -> NDArray[np.uint8]:
        """Paint sprites, uint8 [B, S, S, 4].

        Args:
            names: B of them; articles are ignored.
            styles: float [B, style], such as :meth:`styles` draws.

        Raises:
            UserError: words or names outside the vocabulary, which are named.
        """
        made = self._paint(styles.to(self.device), self.read(names))
        return (made * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()

    def styles(self, count: int, seed: int) -> Tensor:
        """Random styles, float32 [count, style]."""
        return torch.randn(count, self.style, generator=torch.Generator().manual_seed(seed))

    def read(self, names: Sequence[str]) -> Tensor:
        """Bags of words of B names, float32 [B, W].

        Raises:
            UserError: as :meth:`paint`.
        """
        known = {frozenset(split_words(name)) for name in self.names}
        rows = []
        for name in names:
            words = {word for word in split_words(name) if word not in _ARTICLES}
            strange = sorted(words - set(self.words))
            if strange or words not in known:
                what = ", ".join(map(repr, strange)) or f"{name!r} as a name"
                raise UserError(
                    f"the painter of sprites does not know {what}; it paints: "
                    f"{', '.join(self.names)}"
                )
            rows.append([float(word in words) for word in self.words])
        return torch.tensor(rows, device=self.device)

    def _paint(self, styles: Tensor, names: Tensor) -> Tensor:
        """Float [B, 4, S, S], 0 to 1."""
        made: Tensor = self.decoder(torch.cat([styles, names], 1))
        return made.sigmoid().unflatten(1, (4, self.size, self.size))


def _difference(made: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference of opacity, and of colour where the real image is opaque."""
    opaque = real[:, 3:]
    color = (made[:, :3] - real[:, :3]).abs() * opaque
    return color.sum(1).mean() + (made[:, 3:] - opaque).abs().mean()


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.GELU(),
        nn.Linear(hidden, hidden),
        nn.LayerNorm(hidden),
        nn.GELU(),
        nn.Linear(hidden, outputs),
    )
