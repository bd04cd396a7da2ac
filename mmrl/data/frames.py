"""Frames of datasets, and the patches that they are made of, to be learnt from and tested with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmrl.data import Episode, EpisodeDataset, open_dataset
from mmrl.data.splits import TrainingCases, check_held_out_pairs
from mmrl.errors import UserError


@dataclass(frozen=True)
class Frames:
    """Images of episodes.

    Attributes:
        learnt: uint8 [N, H, W, 3], of episodes to learn from.
        test: uint8 [M, H, W, 3], of the others.
    """

    learnt: NDArray[np.uint8]
    test: NDArray[np.uint8]


def read_frames(
    names: str | Sequence[str],
    test_share: float,
    most: int,
    held_out_pairs: bool = False,
) -> Frames:
    """The images of some datasets; the last episodes of each are for the test.

    Args:
        names: datasets of 'mmrl collect'.
        test_share: of the episodes.
        most: as many are kept of each kind, spread over all.
        held_out_pairs: leave out images to learn from whose description mentions a pair that
            their language holds out.

    Raises:
        UserError: no dataset, one with a single episode or without descriptions where they are
            needed, a language that holds nothing out, images of several sizes, or none that may be
            learnt from.
    """
    names = [names] if isinstance(names, str) else names
    if not any(names):
        raise UserError("data is empty: name a dataset that 'mmrl collect' made")
    learnt, test = [], []
    for name in names:
        rollouts = open_dataset(name)
        if len(rollouts) < 2:
            raise UserError(f"dataset {name!r} has one episode: some are needed for the test")
        first = min(max(round(len(rollouts) * (1 - test_share)), 1), len(rollouts) - 1)
        cases = _cases(rollouts) if held_out_pairs else None
        learnt += [_allowed(one, cases) for one in rollouts[:first]]
        test += [one.images for one in rollouts[first:]]
    sizes = {one.shape[1:] for one in learnt}
    if len(sizes) > 1:
        raise UserError(f"data has images of several sizes: {sorted(sizes)}")
    if not any(map(len, learnt)):
        raise UserError("every image to learn from shows a held-out pair: collect more")
    return Frames(_spread(np.concatenate(learnt), most), _spread(np.concatenate(test), most))


def _cases(rollouts: EpisodeDataset) -> TrainingCases[str]:
    check_held_out_pairs(rollouts.language)
    return TrainingCases(lambda one: (one,), rollouts.language)


def _allowed(rollout: Episode, cases: TrainingCases[str] | None) -> NDArray[np.uint8]:
    """The images of an episode that may be learnt from."""
    if cases is None:
        return rollout.images
    if not all(rollout.descriptions):
        raise UserError(
            "held_out_pairs needs images with descriptions: collect them in an environment that "
            "describes what is seen (info['description'])"
        )
    return rollout.images[[cases.allows(one) for one in rollout.descriptions]]


def patches_of(images: NDArray[np.uint8], patch: int) -> NDArray[np.uint8]:
    """The patches of images uint8 [N, H, W, 3], row by row: uint8 [N · K, patch, patch, 3]."""
    count, height, width = images.shape[:3]
    cut = images.reshape(count, height // patch, patch, width // patch, patch, 3)
    return cut.swapaxes(2, 3).reshape(-1, patch, patch, 3)


def distinct(patches: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Each different patch once, uint8 [D, p, p, 3], and how often it comes, int64 [D]."""
    flat = np.ascontiguousarray(patches).reshape(len(patches), -1)
    rows = flat.view(np.dtype((np.void, flat.shape[1]))).ravel()
    _, first, counts = np.unique(rows, return_index=True, return_counts=True)
    return patches[first], counts


def _spread(images: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    """At most so many, evenly spread."""
    if len(images) <= most:
        return images
    return images[np.linspace(0, len(images) - 1, most).round().astype(np.int64)]
