"""Hindsight relabelling of steps for the world model's outcome head, by a verifier's records."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mmrl.data import Episode
from mmrl.generative.world_model.dataset import MemoryReads, TokenEpisodes
from mmrl.generative.world_model.state import RelabelledSteps
from mmrl.language import NEUTRAL, InstructionLanguage
from mmrl.preprocessing.text import Tokenizer


class Relabelling:
    """Draws pairs of a step and an instruction, and whether the step achieved it.

    The environment's verifier has recorded which instructions each step of E episodes achieved
    first (:attr:`mmrl.data.Episode.achieved`), its own or not. With one of them as its instruction,
    an episode would have ended there with a reward, and not before; what would have followed is
    unknown and never drawn. Instructions are those that some episode had and that the verifier
    records; others, such as those of several parts, are left out. Sentences of one canonical form
    are the same. After hindsight experience replay (Andrychowicz et al., 2017).

    Args:
        rollouts: the episodes, E of them.
        tokenizer: of the instructions.
        language: theirs.

    Attributes:
        sentences: the instructions, V of them.
    """

    def __init__(
        self,
        rollouts: Sequence[Episode],
        tokenizer: Tokenizer,
        language: InstructionLanguage = NEUTRAL,
    ) -> None:
        canonical = language.canonical
        asked = {one.instruction for one in rollouts}
        named = {canonical(s) for one in rollouts for done in one.achieved for s in done}
        self.sentences = sorted(sentence for sentence in asked if canonical(sentence) in named)
        self._words = torch.from_numpy(
            np.stack([tokenizer.encode(one) for one in self.sentences] or [np.zeros(1, np.int32)])
        )
        lengths = np.array([len(one) for one in rollouts])
        self._episode = np.repeat(np.arange(len(rollouts)), lengths)
        self._time = np.concatenate([np.arange(length) for length in lengths])
        self._first = _first(rollouts, self.sentences, language)  # [E, V]
        rows, self._which = np.nonzero(self._first < lengths[:, None])
        starts = np.cumsum(lengths) - lengths
        self._done = starts[rows] + self._first[rows, self._which]
        recorded = np.array([any(one.achieved) for one in rollouts])
        self._recorded = np.flatnonzero(recorded[self._episode])

    def __len__(self) -> int:
        """How many pairs were achieved."""
        return len(self._done)

    def draw(
        self, count: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Draw pairs: half of them achieved; a quarter, any instructions at such steps; the rest,
        any at any step of episodes with records. Pairs whose instruction was achieved earlier in
        the episode are left out.

        Args:
            count: how many at most.
            generator: the only source of randomness.

        Returns:
            Numbers of steps and of sentences, int64 [N] each, and what was achieved, bool [N].
        """
        chosen = generator.integers(len(self), size=(count + 1) // 2)
        others = generator.integers(len(self), size=count // 4)
        anywhere = generator.integers(len(self._recorded), size=count // 2 - count // 4)
        steps = np.concatenate([self._done[chosen], self._done[others], self._recorded[anywhere]])
        which = generator.integers(len(self.sentences), size=len(steps))
        which[: len(chosen)] = self._which[chosen]
        first = self._first[self._episode[steps], which]
        known = first >= self._time[steps]
        return steps[known], which[known], (first == self._time[steps])[known]

    def relabelled_steps(
        self,
        episodes: TokenEpisodes,
        memory: MemoryReads,
        count: int,
        generator: np.random.Generator,
    ) -> RelabelledSteps:
        """Pairs as :meth:`WorldModel.outcome_loss` takes them; see :meth:`draw`.

        Args:
            episodes: the same episodes, encoded.
            memory: the spatial memory along them.
            count: how many pairs at most.
            generator: the only source of randomness.
        """
        drawn, which, done = self.draw(count, generator)
        steps = torch.from_numpy(drawn)
        frames = torch.from_numpy(drawn + self._episode[drawn] + 1)
        return RelabelledSteps(
            episodes.ids[frames],
            memory.newest[steps],
            episodes.actions[steps],
            self._words[torch.from_numpy(which)],
            torch.from_numpy(done),
        )


def _first(
    rollouts: Sequence[Episode], sentences: Sequence[str], language: InstructionLanguage
) -> NDArray[np.int64]:
    """The first step of each episode that achieves each sentence, int64 [E, V]; the episode's
    length where none does.
    """
    columns: dict[str, list[int]] = {}
    for k, sentence in enumerate(sentences):
        columns.setdefault(language.canonical(sentence), []).append(k)
    first = np.empty((len(rollouts), len(sentences)), np.int64)
    for row, one in zip(first, rollouts, strict=True):
        row[:] = len(one)
        for t, done in enumerate(one.achieved):
            forms = map(language.canonical, done)
            for k in (k for form in forms for k in columns.get(form, ())):
                row[k] = min(row[k], t)
    return first
