"""Episodes as a world model reads them: tokens, and the spatial memory along them.

Episodes are tokenized once (:func:`read_tokens`), the memory is run over whole episodes once
(:func:`read_memory`), and training draws segments of both (:func:`make_batch`).

Axes: E episodes, S steps of all of them end to end, B segments, T steps, K tokens of an image,
L tokens of an instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl.data import Episode
from mmrl.errors import UserError
from mmrl.generative.image.tokenizer import ImageTokenizer
from mmrl.generative.world_model.model import WorldModel
from mmrl.generative.world_model.simulator import KnownTokens, codes_of
from mmrl.generative.world_model.spatial_memory import Motion, find_motions
from mmrl.generative.world_model.state import Batch
from mmrl.preprocessing.text import Tokenizer

_AT_ONCE: Final = 256
_TOGETHER: Final = 64
_COMPARED: Final = 1_500  # steps by which motions are found


@dataclass(frozen=True)
class TokenEpisodes:
    """E episodes of S steps in all, end to end, as in :class:`mmrl.data.Columns`.

    Attributes:
        starts: int64 [E + 1]; episode k has the tokens from ``starts[k] + k`` on.
        ids: int64 [S + E, K].
        actions: int64 [S].
        rewards: float32 [S].
        ends: whether the step terminated the episode, bool [S].
        words: token ids of the instructions, int32 [E, L].
    """

    starts: NDArray[np.int64]
    ids: Tensor
    actions: Tensor
    rewards: Tensor
    ends: Tensor
    words: Tensor

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps of each episode, int64 [E]."""
        return np.diff(self.starts)

    def transitions(self) -> tuple[Tensor, Tensor]:
        """The tokens before and after each step, int64 [S, K] each."""
        first = torch.zeros(len(self.ids), dtype=torch.bool)
        first[torch.from_numpy(self.starts[:-1] + np.arange(len(self)))] = True
        last = torch.roll(first, -1)
        return self.ids[~last], self.ids[~first]

    def select(self, keep: Sequence[int]) -> TokenEpisodes:
        """Some of the episodes, by their numbers."""
        chosen = np.asarray(keep, np.int64)
        spans = [np.arange(self.starts[k], self.starts[k + 1]) for k in chosen]
        frames = [np.arange(self.starts[k] + k, self.starts[k + 1] + k + 1) for k in chosen]
        steps = torch.from_numpy(np.concatenate(spans))
        starts = np.concatenate([[0], np.cumsum(self.lengths[chosen])]).astype(np.int64)
        return TokenEpisodes(
            starts,
            self.ids[torch.from_numpy(np.concatenate(frames))],
            self.actions[steps],
            self.rewards[steps],
            self.ends[steps],
            self.words[torch.from_numpy(chosen)],
        )

    def segments(self, rows: NDArray[np.int64], first: NDArray[np.int64], steps: int) -> Segments:
        """Segments of ``steps`` steps, from ``first`` on, of the episodes ``rows``; beyond an
        episode's end they are padded with its last image.
        """
        times = np.arange(steps + 1)
        lengths = self.lengths[rows]
        at = np.minimum(first[:, None] + times, lengths[:, None])
        frames = torch.from_numpy(at + (self.starts[rows] + rows)[:, None])
        mask = torch.from_numpy(first[:, None] + times[:-1] < lengths[:, None])
        last = np.minimum(at[:, :-1], lengths[:, None] - 1)
        at_steps = torch.from_numpy(last + self.starts[rows][:, None])
        return Segments(frames, at_steps, mask)


@dataclass(frozen=True)
class Segments:
    """Indices of B segments into :class:`TokenEpisodes`.

    Attributes:
        frames: int64 [B, T + 1].
        steps: int64 [B, T].
        mask: which of the steps are no padding, bool [B, T].
    """

    frames: Tensor
    steps: Tensor
    mask: Tensor


def read_tokens(
    rollouts: Sequence[Episode], images: ImageTokenizer, tokenizer: Tokenizer
) -> TokenEpisodes:
    """Tokenize episodes: images by all of the image tokenizer's codes, and instructions.

    Args:
        rollouts: the episodes.
        images: tokenizer of images.
        tokenizer: of instructions.

    Raises:
        UserError: images of another size than the tokenizer's, or actions that are not discrete.
    """
    check(rollouts[0], images)
    ends = np.concatenate([_end(one) for one in rollouts])
    return TokenEpisodes(
        np.concatenate([[0], np.cumsum([len(one) for one in rollouts])]).astype(np.int64),
        torch.cat([codes_of(images, one.images) for one in rollouts]),
        torch.from_numpy(np.concatenate([one.actions for one in rollouts])),
        torch.from_numpy(np.concatenate([one.rewards for one in rollouts])).float(),
        torch.from_numpy(ends),
        torch.from_numpy(np.stack([tokenizer.encode(one.instruction) for one in rollouts])),
    )


def check(rollout: Episode, images: ImageTokenizer) -> None:
    """Check that a tokenizer and a world model can read an episode.

    Raises:
        UserError: they cannot.
    """
    size = rollout.images.shape[1:3]
    if tuple(size) != tuple(images.image_size):
        raise UserError(
            f"the image tokenizer was fitted for images of {list(images.image_size)} pixels, and "
            f"these have {list(size)}: fit one to them by 'mmrl fit tokenizer'"
        )
    if rollout.actions.dtype.kind not in "iu" or rollout.actions.ndim != 1:
        raise UserError(
            f"actions of shape {list(rollout.actions.shape)} and type {rollout.actions.dtype}: a "
            "world model takes Discrete ones"
        )


def motions_of(episodes: TokenEpisodes, images: KnownTokens, seed: int) -> list[Motion]:
    """The motions of the view that explain the episodes' steps; see :func:`find_motions`."""
    before, after = episodes.transitions()
    chosen = np.random.default_rng(seed).permutation(len(before))[:_COMPARED]
    rows = torch.from_numpy(chosen)
    return find_motions(before[rows], after[rows], images.grid, images.codes)


@dataclass(frozen=True)
class MemoryReads:
    """What the spatial memory holds of the places that come into view with each step; see
    :class:`mmrl.generative.world_model.state.Batch`.

    Attributes:
        newest, before: int64 [S, K].
        motions: int64 [S].
    """

    newest: Tensor
    before: Tensor
    motions: Tensor


def read_memory(episodes: TokenEpisodes, model: WorldModel) -> MemoryReads:
    """Run the spatial memory along whole episodes."""
    count, width = len(episodes.actions), episodes.ids.shape[1]
    newest = torch.empty(count, width, dtype=torch.int64)
    before, motions = torch.empty_like(newest), torch.empty(count, dtype=torch.int64)
    order = np.argsort(episodes.lengths, kind="stable")
    for rows in np.array_split(order, max(1, len(order) // _AT_ONCE)):
        first, lengths = np.zeros(len(rows), np.int64), episodes.lengths[rows]
        segments = episodes.segments(rows, first, int(lengths.max()))
        ids, actions = episodes.ids[segments.frames], episodes.actions[segments.steps]
        reads, _ = model.read_memory(ids, actions, torch.from_numpy(lengths))
        where = segments.steps[segments.mask]
        for target, values in zip((newest, before, motions), reads, strict=True):
            target[where] = values[segments.mask]
    return MemoryReads(newest, before, motions)


def make_batch(
    episodes: TokenEpisodes,
    memory: MemoryReads,
    rows: NDArray[np.int64],
    first: NDArray[np.int64],
    steps: int,
) -> Batch:
    """A batch of ``steps`` steps, from ``first`` on, of the episodes ``rows``."""
    segments = episodes.segments(rows, first, steps)
    return Batch(
        ids=episodes.ids[segments.frames],
        newest=memory.newest[segments.steps],
        before=memory.before[segments.steps],
        motions=memory.motions[segments.steps],
        actions=episodes.actions[segments.steps],
        rewards=episodes.rewards[segments.steps],
        ends=episodes.ends[segments.steps],
        mask=segments.mask,
        words=episodes.words[torch.from_numpy(rows)],
    )


def split(episodes: TokenEpisodes, memory: MemoryReads, steps: int) -> list[Batch]:
    """All steps of episodes, in segments of ``steps``."""
    starts = [np.arange(0, length, steps) for length in episodes.lengths]
    rows = np.repeat(np.arange(len(episodes)), [len(one) for one in starts])
    first = np.concatenate(starts)
    parts = (np.split(one, range(_TOGETHER, len(one), _TOGETHER)) for one in (rows, first))
    return [make_batch(episodes, memory, some, at, steps) for some, at in zip(*parts, strict=True)]


def _end(rollout: Episode) -> NDArray[np.bool_]:
    ends = np.zeros(len(rollout), np.bool_)
    ends[-1] = rollout.terminated
    return ends
