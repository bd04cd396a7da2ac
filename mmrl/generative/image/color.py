"""Factored colours: a tokenizer whose codes are pairs of a shape and a colour.

So that a painter generalises to things in colours that they never had:

1. :func:`find_factors` finds, unsupervised, which patches are one shape in several colours (a
   bilinear model of style and content, Tenenbaum and Freeman, 2000).
2. :class:`ColorTokenizer` encodes a patch as a pair of the two, also pairs that never occurred.
3. :func:`meanings_of` finds which colour each word refers to, by correlation over scenes
   (cross-situational learning, Siskind, 1996).
4. :class:`ColorNames` anonymises colours: "the first colour" instead of "red" (Hermann et al.,
   2015), so that nothing is learned of one colour alone.

Axes: D patches, S shapes, C colours, B examples, K patches of an image, L words, W words asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mmrl.errors import UserError
from mmrl.generative.image.tokenizer import ImageTokenizer, PatchTokenizer
from mmrl.preprocessing.text import split_words

Numbers = NDArray[np.float64]

_LEAST: Final = 3  # patches of one shape: any two differ by some colour
_OFF: Final = 4.0  # bytes that a patch may be off its shape
_ALIKE: Final = 16.0  # bytes between two estimates of one colour
_TRIED: Final = 3  # the colours farthest from each
_ROUNDS: Final = 8


@dataclass(frozen=True)
class Factors:
    """Patches as ``grounds[shape] + covers[shape] ⊗ colors[color]``, in bytes.

    Attributes:
        grounds: what a shape shows whatever its colour, [S, pixels, 3].
        covers: how much of the colour it shows in each pixel, [S, pixels], at least about 0.
        colors: [C, 3], at least one.
        colored: as many shapes, the first ones, have a colour; the others cover nothing.
        shape: which shape each of the patches has, int64 [D].
        color: which colour, int64 [D]; 0 where it has none.
    """

    grounds: Numbers
    covers: Numbers
    colors: Numbers
    colored: int
    shape: NDArray[np.int64]
    color: NDArray[np.int64]


def find_factors(patches: NDArray[np.uint8]) -> Factors:
    """Factor patches into shapes and colours, unsupervised.

    Patches of one shape differ by ``cover ⊗ (one colour - another)``: a matrix of rank one, pixels
    × channels, whose pixels have all the same sign. Three patches and more that differ so are taken
    for one shape; a patch that would belong to two of these is the ground that both stand on. The
    colours of all shapes are then laid over each other, up to scale and shift, which a cover and a
    ground can make up for; and everything is fitted by alternating least squares.

    Args:
        patches: different ones, uint8 [D, p, p, 3].
    """
    pixels = patches.reshape(len(patches), -1, 3).astype(np.float64)
    groups = _disjoint(_alike(pixels))
    shape = np.full(len(pixels), -1)
    for number, group in enumerate(groups):
        shape[group] = number
    alone = np.flatnonzero(shape < 0)
    shape[alone] = len(groups) + np.arange(len(alone))
    color, colors = _palette([_hues(pixels[group]) for group in groups])
    assigned = np.zeros(len(pixels), np.int64)
    for group, found in zip(groups, color, strict=True):
        assigned[group] = found
    return _fitted(pixels, shape, assigned, colors, len(groups))


def _alike(pixels: Numbers) -> list[list[int]]:
    """Sets of patches that differ by nothing but some colour, the largest first."""
    found = {
        group
        for first in range(len(pixels))
        for group in _alike_to(pixels - pixels[first], first)
        if len(group) >= _LEAST
    }
    return [list(group) for group in sorted(found, key=lambda one: (-len(one), one))]


def _alike_to(apart: Numbers, first: int) -> set[tuple[int, ...]]:
    """The sets that hold one patch, by how far the others are from it, [D, pixels, 3]."""
    axes = np.linalg.eigh(apart.swapaxes(1, 2) @ apart)[1][:, :, -1]  # colours, [D, 3]
    covers = np.einsum("dpc,dc->dp", apart, axes)
    size = np.linalg.norm(covers, axis=1)
    is_flat = np.abs(apart - covers[:, :, None] * axes[:, None]).max((1, 2)) <= _OFF
    covers *= np.sign(covers.sum(1, keepdims=True))
    candidates = np.flatnonzero(is_flat & (covers.min(1) >= -_OFF) & (size > _OFF))
    groups = set()
    for other in candidates[candidates != first].tolist():
        cover = covers[other] / size[other]
        along = np.einsum("p,dpc->dc", cover, apart)
        off = np.abs(apart - cover[:, None] * along[:, None]).max((1, 2))
        groups.add(tuple(np.flatnonzero(off <= _OFF).tolist()))
    return groups


def _disjoint(groups: list[list[int]]) -> list[list[int]]:
    """Sets that share no more than single patches, which are taken out of them."""
    kept: list[list[int]] = []
    for group in groups:
        shared = [len(set(group) & set(other)) for other in kept]
        if max(shared, default=0) <= 1 and len(group) - sum(shared) >= _LEAST:
            kept.append(group)
    times = np.bincount([one for group in kept for one in group] or [0])
    single = [[one for one in group if times[one] == 1] for group in kept]
    return [group for group in single if len(group) >= _LEAST]


def _hues(patches: Numbers) -> Numbers:
    """How patches [n, pixels, 3] of one shape look where its colour covers most, [n, 3]: if all of
    a pixel is covered there, the colours themselves.
    """
    centred = patches - patches.mean(0)
    cover = np.linalg.svd(centred.swapaxes(0, 1).reshape(patches.shape[1], -1))[0][:, 0]
    cover *= np.sign(cover.sum())
    best = cover.argmax()
    along = np.einsum("p,npc->nc", cover, centred) * cover[best]
    mean: Numbers = patches[:, best].mean(0)
    return mean + along


def _palette(hues: list[Numbers]) -> tuple[list[NDArray[np.int64]], Numbers]:
    """Which colour each of the patches of each shape has, and the colours, [C, 3]."""
    colors = np.zeros((0, 3))
    assigned = []
    for one in hues:
        moved = _laid_over(one, colors)
        gaps = np.linalg.norm(moved[:, None] - colors[None], axis=2)
        nearest = gaps.argmin(1) if len(colors) else np.zeros(len(one), np.int64)
        is_new = gaps.min(1, initial=np.inf) > _ALIKE
        nearest[is_new] = len(colors) + np.arange(is_new.sum())
        colors = np.concatenate([colors, moved[is_new]])
        assigned.append(nearest)
    return assigned, colors if len(colors) else np.zeros((1, 3))


def _laid_over(hues: Numbers, colors: Numbers) -> Numbers:
    """The hues of a shape, [n, 3], scaled and shifted so that most of them are known colours; as
    they are if fewer than three can be.
    """
    gaps = np.linalg.norm(hues[:, None] - hues[None], axis=2)
    pairs = [
        (one, two) for one, each in enumerate(gaps) for two in each.argsort()[-_TRIED:].tolist()
    ]
    best, most = hues, (_LEAST - 1, 0.0)
    for (one, two), (a, b) in product(pairs, permutations(range(len(colors)), 2)):
        scale = np.linalg.norm(colors[b] - colors[a]) / max(gaps[one, two], 1.0)
        moved = colors[a] + scale * (hues - hues[one])
        if np.linalg.norm(moved[two] - colors[b]) > _ALIKE:
            continue
        off = np.linalg.norm(moved[:, None] - colors[None], axis=2).min(1)
        fit = (int((off <= _ALIKE).sum()), -float(np.minimum(off, _ALIKE).sum()))
        if fit > most:
            best, most = moved, fit
    return best


def _fitted(
    pixels: Numbers,
    shape: NDArray[np.int64],
    color: NDArray[np.int64],
    colors: Numbers,
    colored: int,
) -> Factors:
    """Grounds, covers and colours by alternating least squares; the first ``colored`` shapes have
    colours.
    """
    grounds = np.zeros((shape.max() + 1, *pixels.shape[1:]))
    covers = np.zeros(grounds.shape[:2])
    for _ in range(_ROUNDS):
        for number in range(len(grounds)):
            mine = pixels[shape == number]
            mean, middle = mine.mean(0), colors[color[shape == number]].mean(0)
            if number < colored:
                apart = colors[color[shape == number]] - middle
                covers[number] = np.einsum("npc,nc->p", mine - mean, apart) / (apart**2).sum()
            grounds[number] = mean - covers[number, :, None] * middle
        for number in range(len(colors)):
            mine = (color == number) & (shape < colored)
            if mine.any():
                rest, cover = pixels[mine] - grounds[shape[mine]], covers[shape[mine]]
                colors[number] = np.einsum("npc,np->c", rest, cover) / (cover**2).sum()
    return Factors(grounds, covers, colors, colored, shape, color)


class ColorTokenizer(PatchTokenizer):
    """A tokenizer whose codes are pairs of a shape and a colour.

    A patch is decoded as ``ground + cover ⊗ color``: the first two are its shape's, the last is its
    colour's. A patch is encoded as its nearest decoded code, so that pairs which never occurred are
    encoded and decoded as well as any other. ``shape · colors + color`` is the code of a coloured
    patch; after these come the shapes without a colour.

    Args:
        image_size: height and width of the images; multiples of the patch.
        patch: pixels a side.
        colored: how many shapes have a colour.
        plain: how many have none.
        colors: how many there are.

    Raises:
        UserError: sizes out of range.
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
        """A tokenizer of the shapes and colours of :func:`find_factors`."""
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
        """As :meth:`PatchTokenizer.loss`: mean squared plus mean absolute reconstruction error, in
        units of half the range.
        """
        patches = self._cut(images).flatten(0, 1)
        with torch.no_grad():
            ids = self._ids(patches)
        difference = self._decoded()[ids] - patches
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
        """Which colours images of codes int64 [B, K] show: bool [B, C]."""
        has_color = ids < self.colored * self.colors
        shown = functional.one_hot(ids % self.colors, self.colors).bool()
        return (shown & has_color.unsqueeze(2)).any(1)

    def _ids(self, patches: Tensor) -> Tensor:
        return torch.cdist(patches, self._decoded()).argmin(-1)

    def _pixels(self, ids: Tensor) -> Tensor:
        return self._decoded()[ids]

    def _decoded(self) -> Tensor:
        """The patch of every code, float [codes, 3 · patch²]."""
        color = self.palette[:, :, None] * self.covers[:, None, None]  # [colored, colors, 3, p²]
        colored = self.grounds[: self.colored, None] + color
        return torch.cat([colored.flatten(0, 1), self.grounds[self.colored :]]).flatten(1)


def build_image_tokenizer(recipe: dict[str, Any]) -> PatchTokenizer:
    """The tokenizer of a recipe, with new weights."""
    return ColorTokenizer(**recipe) if "colors" in recipe else ImageTokenizer(**recipe)


_NONE: Final = -1


class ColorNames(nn.Module):
    """Anonymises colours: in an example, the first colour that its sentence mentions is named 0,
    the next one 1, and all others get the remaining names at random.

    A model of sentences and images under such names is equivariant to colours, as readers of
    anonymised entities are to entities (Hermann et al., 2015): what it learned of keys holds for
    keys of any colour.

    Args:
        words: ids of the words for colours.
        meanings: the number of each word's colour.
        colors: how many there are.
        vocabulary: ids of words are below this; names follow.
    """

    _colors: Tensor

    def __init__(
        self, words: Sequence[int], meanings: Sequence[int], colors: int, vocabulary: int
    ) -> None:
        super().__init__()
        table = torch.full((vocabulary,), _NONE)
        table[list(words)] = torch.tensor(list(meanings))
        self.colors, self.vocabulary = colors, vocabulary
        self.register_buffer("_colors", table, persistent=False)

    def draw(self, sentences: Tensor, generator: torch.Generator) -> Tensor:
        """Draw the name of each colour in each sentence.

        Args:
            sentences: ids, integers [B, L].
            generator: on the CPU, the only source of randomness.

        Returns:
            A permutation for each, int64 [B, C]: at c, the name of colour c.
        """
        color = self._colors[sentences.long()]
        never = color.shape[1]
        place = torch.arange(never, device=color.device).expand_as(color)
        first = torch.full((len(color), self.colors + 1), never, device=color.device)
        first.scatter_reduce_(1, torch.where(color == _NONE, self.colors, color), place, "amin")
        noise = torch.rand((len(color), self.colors), generator=generator)
        return (first[:, :-1] + noise.to(color.device)).argsort(1).argsort(1)

    def renamed(self, sentences: Tensor, names: Tensor) -> Tensor:
        """Sentences with names for their colour words; ``vocabulary`` is the id of name 0.

        Args:
            sentences: ids, integers [B, L].
            names: as :meth:`draw` returns them.
        """
        color = self._colors[sentences.long()]
        called = self.vocabulary + names.gather(1, color.clamp_min(0))
        return torch.where(color == _NONE, sentences, called.to(sentences.dtype))


_LEAST_CORRELATION: Final = 0.5


def meanings_of(
    words: Sequence[str], sentences: Sequence[str], shown: NDArray[np.bool_]
) -> dict[str, int]:
    """Which of C things each word refers to: the one whose presence in images correlates most with
    the word's presence in their sentences (cross-situational learning, Siskind, 1996).

    Args:
        words: W of them.
        sentences: of N images.
        shown: which things are in each, bool [N, C].

    Raises:
        UserError: words with a correlation below 0.5 to everything.
    """
    in_sentences = [set(split_words(sentence)) for sentence in sentences]
    mentioned = np.array([[word in one for word in words] for one in in_sentences])
    correlation = _correlation(mentioned.astype(np.float64), shown.astype(np.float64))
    best = correlation.max(1)
    lost = [word for word, r in zip(words, best, strict=True) if r < _LEAST_CORRELATION]
    if lost:
        raise UserError(
            f"named: nothing that the images show goes with {', '.join(map(repr, lost))}"
        )
    return dict(zip(words, correlation.argmax(1).tolist(), strict=True))


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the columns of [N, A] and [N, B], [A, B]; 0 where one does not vary."""
    one, other = one - one.mean(0), other - other.mean(0)
    sizes = np.linalg.norm(one, axis=0)[:, None] * np.linalg.norm(other, axis=0)
    return np.divide(one.T @ other, sizes, out=np.zeros_like(sizes), where=sizes > 0)
