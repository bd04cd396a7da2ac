"""What the sentences of the grid worlds mean, for whoever learns from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from mmrl_envs.grid.language import goals, prompts, queries, splits, wording
from mmrl_envs.grid.language.kinds import instruction_kind, mentions

PARAPHRASES: Final = tuple(
    Path(__file__).with_name("paraphrases") / f"{name}.yaml" for name in ("en", "zh")
)
"""Read by ``mmrl.paraphrases``."""


class GridLanguage:
    """The English of the grid worlds, and what of it holds for the Chinese as well: kinds and
    articles; a ``mmrl.language.InstructionLanguage``.
    """

    @property
    def held_out_pairs(self) -> tuple[tuple[str, ...], ...]:
        """Colour and noun, see :data:`~mmrl_envs.grid.language.splits.HELD_OUT_PAIRS`."""
        return splits.HELD_OUT_PAIRS

    def is_held_out(self, sentence: str) -> bool:
        """As :func:`~mmrl_envs.grid.language.splits.mentions_held_out`."""
        return splits.mentions_held_out(sentence)

    @property
    def splits(self) -> Mapping[str, str]:
        """As :data:`~mmrl_envs.grid.language.splits.SPLITS`."""
        return {name: split.holds_out for name, split in splits.SPLITS.items()}

    def in_split(self, split: str, instruction: str) -> bool:
        """As :data:`~mmrl_envs.grid.language.splits.SPLITS`."""
        return bool(splits.SPLITS[split].pattern.search(instruction.lower()))

    @property
    def factors(self) -> Mapping[str, Sequence[Any]]:
        """As :data:`~mmrl_envs.grid.language.splits.FACTORS`."""
        return splits.FACTORS

    @property
    def paraphrase_files(self) -> Sequence[Path]:
        """Of the English and of the Chinese instructions."""
        return PARAPHRASES

    def mentions(self, instruction: str) -> Mapping[str, Sequence[str]]:
        """As :func:`~mmrl_envs.grid.language.kinds.mentions`."""
        return mentions(instruction)

    def kind(self, instruction: str) -> str:
        """As :func:`~mmrl_envs.grid.language.kinds.instruction_kind`."""
        return instruction_kind(instruction)

    def canonical(self, sentence: str) -> str:
        """As :func:`~mmrl_envs.grid.language.wording.canonical`."""
        return wording.canonical(sentence)

    def prompt(
        self, description: str, generator: np.random.Generator, *, places: float = 0.0
    ) -> str:
        """As :func:`~mmrl_envs.grid.language.prompts.prompt`."""
        return prompts.prompt(description, generator, places)

    def constraints(self, prompt: str) -> tuple[str, ...]:
        """As :func:`~mmrl_envs.grid.language.prompts.constraints_of`."""
        return prompts.constraints_of(prompt)

    def satisfied(self, prompt: str, description: str) -> tuple[bool, ...]:
        """As :func:`~mmrl_envs.grid.language.prompts.satisfied`."""
        return prompts.satisfied(prompt, description)

    def possible_constraints(
        self, descriptions: Iterable[str], *, places: bool = False
    ) -> list[str]:
        """As :func:`~mmrl_envs.grid.language.prompts.possible_constraints`."""
        return prompts.possible_constraints(descriptions, places)

    def goal_prompt(self, instruction: str) -> str:
        """As :func:`~mmrl_envs.grid.language.goals.goal_prompt`."""
        return goals.goal_prompt(instruction)

    def phrases(self, description: str) -> tuple[str, ...]:
        """As :func:`~mmrl_envs.grid.language.queries.phrases_of`."""
        return queries.phrases_of(description)

    def generalized(self, phrase: str) -> str:
        """As :func:`~mmrl_envs.grid.language.queries.without_place`."""
        return queries.without_place(phrase)

    def query(self, description: str, phrases: Sequence[str]) -> str:
        """As :func:`~mmrl_envs.grid.language.queries.sentence_of`."""
        return queries.sentence_of(phrases)

    def layout(self, description: str) -> tuple[str, ...]:
        """As :func:`~mmrl_envs.grid.language.queries.places_of`."""
        return queries.places_of(description)
