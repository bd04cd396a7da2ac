"""Patches taken apart: the same thing in several colours is one shape, the same colour on several
things is one colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_LEAST: Final = 3  # patches of one shape: any two differ by some colour
_OFF: Final = 4.0  # bytes that a patch may be off its shape
_ALIKE: Final = 16.0  # bytes between two sights of one colour
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
    """Which shapes and colours patches are made of. Nobody names any.

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
