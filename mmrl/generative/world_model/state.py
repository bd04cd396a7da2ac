"""The world model's values: training batches, the state of an imagined episode, its steps.

Axes: B sequences, T steps, K tokens of an image, L tokens of an instruction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor

from mmrl.generative.world_model.spatial_memory import MemoryState
from mmrl.generative.world_model.transformer import Cache


class Batch(NamedTuple):
    """B segments of T steps from episodes.

    Attributes:
        ids: tokens before the first and after every step, int64 [B, T + 1, K].
        newest, before: what the spatial memory holds of the places that come into view with each
            step, int64 [B, T, K]; see
            :class:`~mmrl.generative.world_model.spatial_memory.MemoryState`.
        motions: of the view, by number, int64 [B, T].
        actions: int64 [B, T].
        rewards: float32 [B, T].
        ends: whether the step terminated the episode, bool [B, T].
        mask: bool [B, T]; False for padding after an episode's last step.
        words: token ids of the instructions, integers [B, L].
    """

    ids: Tensor
    newest: Tensor
    before: Tensor
    motions: Tensor
    actions: Tensor
    rewards: Tensor
    ends: Tensor
    mask: Tensor
    words: Tensor


class RelabelledSteps(NamedTuple):
    """N steps, each with an instruction that may not be its episode's own.

    Attributes:
        ids: tokens after the step, int64 [N, K].
        newest: as in a :class:`Batch`, int64 [N, K].
        actions: int64 [N].
        words: token ids of the instructions, integers [N, L].
        achieved: whether the step achieved the instruction, bool [N].
    """

    ids: Tensor
    newest: Tensor
    actions: Tensor
    words: Tensor
    achieved: Tensor


class State(NamedTuple):
    """The state of B imagined episodes.

    Attributes:
        ids: tokens of the present images, int64 [B, K].
        memory: of the places around.
        cache: of the transformer.
        words: token ids of the instructions, integers [B, L].
        ended: whose episode has ended, bool [B].
    """

    ids: Tensor
    memory: MemoryState
    cache: Cache
    words: Tensor
    ended: Tensor

    @classmethod
    def of(cls, leaves: Iterable[Tensor]) -> State:
        """The state of the tensors that :meth:`leaves` returned."""
        ids, newest, before, *layers, known, words, ended = leaves
        half = len(layers) // 2
        cache = Cache(tuple(layers[:half]), tuple(layers[half:]), known)
        return cls(ids, MemoryState(newest, before), cache, words, ended)

    def leaves(self) -> list[Tensor]:
        """All tensors; the first axis of each is B."""
        cache = (*self.cache.keys, *self.cache.values, self.cache.known)
        return [self.ids, *self.memory, *cache, self.words, self.ended]

    def rows(self, rows: Tensor) -> State:
        """A copy of some of the episodes, by their numbers, int64 [R]."""
        return State.of(one[rows] for one in self.leaves())

    def put(self, rows: Tensor, others: State) -> None:
        """Replace some of the episodes, by their numbers, int64 [R], by R others, in place."""
        for one, other in zip(self.leaves(), others.leaves(), strict=True):
            one[rows] = other


class ImaginedStep(NamedTuple):
    """T steps of B imagined episodes.

    Attributes:
        ids: tokens of the images after each step, int64 [B, T, K].
        rewards: float32 [B, T]; 0 once an episode has ended.
        ends: bool [B, T]; True from the end of the episode on.
    """

    ids: Tensor
    rewards: Tensor
    ends: Tensor
