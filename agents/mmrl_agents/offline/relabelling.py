"""Hindsight relabelling of a dataset: failed episodes with an instruction that they did achieve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

import numpy as np

from mmrl.data import Trajectory
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.language import NEUTRAL, InstructionLanguage
from mmrl_agents.hindsight.part import ORACLE, HindsightConfig
from mmrl_agents.parts import Part

_REWARD: Final = 1.0  # of an achievement, where no episode of the dataset succeeded


class RecordedHindsightPart(Part):
    """Relabels failed episodes of a dataset by what the environment's verifier has recorded."""

    Config = HindsightConfig
    kinds = (ORACLE,)

    def check(self, hyper: Any) -> None:
        """As :meth:`Part.check`."""
        if self.config.kind != ORACLE:
            raise UserError(
                f"{self.key}={self.config.kind!r}: must be none or {ORACLE}, which uses what the "
                "dataset has recorded of the environment's verifier"
            )

    def check_reads(self, config: TrainConfig) -> None:
        """Refuse an agent that does not read its instructions.

        Raises:
            UserError: it does not.
        """
        if config.instruction != "text":
            raise UserError(
                f"{self.key}={self.config.kind}: replaces instructions, which the agent has to "
                f"read: it needs instruction: text, not {config.instruction}"
            )


class Ending(NamedTuple):
    """What relabelling needs to know of an episode.

    Attributes:
        instruction: of the episode.
        success: None where it is not known.
        reward: of the last step.
        achieved: for each step the instructions that it achieved first.
    """

    instruction: str
    success: bool | None
    reward: float
    achieved: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, trajectory: Trajectory) -> Self:
        """Of a trajectory."""
        return cls(
            trajectory.instructions[0],
            trajectory.success,
            float(trajectory.rewards[-1]),
            trajectory.achieved,
        )


class RelabelledEpisode(NamedTuple):
    """The beginning of a failed episode, with an instruction that its last step achieved.

    Attributes:
        episode: its number.
        steps: how many of its steps are kept.
        sentence: the instruction.
        reward: of the last step.
    """

    episode: int
    steps: int
    sentence: str
    reward: float


def relabel_failures(
    endings: Sequence[Ending], language: InstructionLanguage = NEUTRAL, seed: int = 0
) -> list[RelabelledEpisode]:
    """Each failed episode that achieved an instruction which some episode was given, with a random
    one of those, cut where it was achieved first (Andrychowicz et al., 2017; Cideron et al., 2019).

    The reward is the mean of those at the end of successful episodes. Sentences of one canonical
    form are the same.

    Args:
        endings: of all episodes.
        language: of the instructions.
        seed: of the random choice.
    """
    rng = np.random.default_rng(seed)
    wordings: dict[str, list[str]] = {}
    for sentence in sorted({one.instruction for one in endings}):
        wordings.setdefault(language.canonical(sentence), []).append(sentence)
    rewards = [one.reward for one in endings if one.success]
    reward = float(np.mean(rewards)) if rewards else _REWARD
    relabelled = []
    for number, one in enumerate(endings):
        if one.success is not False:
            continue
        forms = [(t, language.canonical(s)) for t, done in enumerate(one.achieved) for s in done]
        known = [(t, form) for t, form in forms if form in wordings]
        if known:
            step, form = known[int(rng.integers(len(known)))]
            sentence = wordings[form][int(rng.integers(len(wordings[form])))]
            relabelled.append(RelabelledEpisode(number, step + 1, sentence, reward))
    return relabelled
