"""Language accuracy: is the first act that an agent completes the one that was asked for?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from mmrl.contract import ACHIEVED
from mmrl.language import InstructionLanguage, find_language, known_kind


@dataclass(frozen=True)
class Act:
    """What a step has completed.

    Attributes:
        instruction: what was asked for.
        achieved: the instructions that the step has achieved, in the environment's words.
        success: whether the episode ended with it, in success.
    """

    instruction: str
    achieved: tuple[str, ...]
    success: bool


class ActRecorder:
    """Records the acts that environments report in ``info["achieved"]`` while episodes are played.

    Attributes:
        episodes: the acts of each episode, in order.
        metadata: of the environment; None before the first episode.
        reports: whether the environment has reported anything.
    """

    def __init__(self) -> None:
        self.episodes: list[list[Act]] = []
        self.metadata: Mapping[str, Any] | None = None
        self.reports = False
        self._batch: list[list[Act]] = []

    def begin(self, env: VectorEnv[Any, Any, Any]) -> None:
        """N episodes begin."""
        self.metadata = env.metadata
        self._batch = [[] for _ in range(env.num_envs)]
        self.episodes += self._batch

    def record(
        self,
        instructions: Sequence[str],
        infos: Mapping[str, Any],
        running: NDArray[np.bool_],
        ended: NDArray[np.bool_],
        success: NDArray[np.bool_],
    ) -> None:
        """Add what a step has completed.

        Args:
            instructions: N sentences, before the step.
            infos: of the step, in autoreset mode "SameStep".
            running: of the episodes that count, bool [N].
            ended: of those that end with this step, bool [N].
            success: of these, bool [N].
        """
        final = infos.get("final_info", {})
        if not self.reports and ACHIEVED not in infos and ACHIEVED not in final:
            return
        self.reports = True
        for e in np.flatnonzero(running).tolist():
            achieved = _sentences(final if ended[e] else infos, e)
            won = bool(ended[e] and success[e])
            if achieved or won:
                self._batch[e].append(Act(instructions[e], achieved, won))


def _sentences(infos: Mapping[str, Any], e: int) -> tuple[str, ...]:
    """What environment ``e`` reports; nothing where it is no tuple of sentences."""
    given, here = infos.get(ACHIEVED), infos.get(f"_{ACHIEVED}")
    if given is None or (here is not None and not here[e]):
        return ()
    one = given[e]
    if not isinstance(one, tuple | list) or not all(isinstance(s, str) for s in one):
        return ()
    return tuple(one)


def first_acts(acts: ActRecorder) -> NDArray[np.bool_]:
    """Whether the first act of each episode was the one asked for, bool [E'], of the E' episodes
    with at least one act.

    Acts on the way do not count: where the language of the environment has kinds of instructions
    (see :mod:`mmrl.language`), the first act of the kind that is asked for decides, so that an
    agent that walks up to a thing before it picks it up is asked what it picks up. Instructions of
    a kind that no step achieves, such as two tasks in one sentence, are not counted.

    Raises:
        UserError: the environment's language cannot be imported.
    """
    language = find_language(acts.metadata)
    outcomes = [_is_first_right(one, language) for one in acts.episodes]
    return np.array([one for one in outcomes if one is not None], np.bool_)


def _is_first_right(acts: Sequence[Act], language: InstructionLanguage) -> bool | None:
    """Whether the first act was the one asked for; None where there was none."""
    for act in acts:
        kind = known_kind(language, act.instruction)
        achieved = act.achieved
        if kind:
            achieved = tuple(one for one in achieved if language.kind(one) == kind)
        if achieved or (act.success and not kind):
            wanted = language.canonical(act.instruction)
            return act.success or wanted in {language.canonical(one) for one in achieved}
    return None
