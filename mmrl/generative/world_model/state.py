"""What a world model learns from, where its dreams stand, and what it dreams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor

from mmrl.generative.world_model.spatial_memory import Seen
from mmrl.generative.world_model.transformer import Cache


class Batch(NamedTuple):
    """B pieces of T steps from episodes.

    Attributes:
        ids: tokens before the first and after every step, int64 [B, T + 1, K].
        newest, before: what was last seen, and before that, of the places that come into view
            with each step, int64 [B, T, K]; see
            :class:`~mmrl.generative.world_model.spatial_memory.Seen`.
        motions: of the view, int64 [B, T].
        actions: int64 [B, T].
        rewards: float32 [B, T].
        ends: whether the episode is over, bool [B, T].
        there: bool [B, T]; steps that are not there stand at the end and do not count.
        words: token ids of the instructions, integers [B, L].
    """

    ids: Tensor
    newest: Tensor
    before: Tensor
    motions: Tensor
    actions: Tensor
    rewards: Tensor
    ends: Tensor
    there: Tensor
    words: Tensor


class RelabelledSteps(NamedTuple):
    """N steps, each with an instruction that its episode might have been asked.

    Attributes:
        ids: tokens after the step, int64 [N, K].
        newest: as of a :class:`Batch`, int64 [N, K].
        actions: int64 [N].
        words: token ids of the instructions, integers [N, L].
        done: whether the step carries the instruction out, bool [N].
    """

    ids: Tensor
    newest: Tensor
    actions: Tensor
    words: Tensor
    done: Tensor


class State(NamedTuple):
    """Where B dreams stand.

    Attributes:
        ids: tokens of the present images, int64 [B, K].
        seen: what is remembered of the places around.
        cache: of the transformer.
        words: token ids of the instructions, integers [B, L].
        over: whose episode has ended, bool [B].
    """

    ids: Tensor
    seen: Seen
    cache: Cache
    words: Tensor
    over: Tensor

    @classmethod
    def of(cls, leaves: Iterable[Tensor]) -> State:
        """The state of the tensors that :meth:`leaves` gave."""
        ids, newest, before, *layers, known, words, over = leaves
        half = len(layers) // 2
        cache = Cache(tuple(layers[:half]), tuple(layers[half:]), known)
        return cls(ids, Seen(newest, before), cache, words, over)

    def leaves(self) -> list[Tensor]:
        """All tensors; the first axis of each is B."""
        cache = (*self.cache.keys, *self.cache.values, self.cache.known)
        return [self.ids, *self.seen, *cache, self.words, self.over]

    def rows(self, rows: Tensor) -> State:
        """Some of the dreams, by their numbers, int64 [R]; copies."""
        return State.of(one[rows] for one in self.leaves())

    def put(self, rows: Tensor, others: State) -> None:
        """Replace some of the dreams, by their numbers, int64 [R], by R others, in place."""
        for one, other in zip(self.leaves(), others.leaves(), strict=True):
            one[rows] = other


class ImaginedStep(NamedTuple):
    """N steps of B dreams.

    Attributes:
        ids: tokens of the images after each step, int64 [B, N, K].
        rewards: float32 [B, N]; 0 once an episode is over.
        ends: bool [B, N]; True from the end of the episode on.
    """

    ids: Tensor
    rewards: Tensor
    ends: Tensor
