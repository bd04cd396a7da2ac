"""Scores of levels: estimates of regret, from the values and advantages of an episode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.errors import unknown

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Score:
    """The score of a level: a mean over the steps of an episode, and a function of it.

    Attributes:
        of_steps: values and generalised advantages of steps, both of one shape → scores of that
            shape.
        of_episode: their mean over an episode, and the highest return that was reached on its
            level → the score.
    """

    of_steps: Callable[[Array, Array], Array]
    of_episode: Callable[[float, float], float]


SCORES: Final[dict[str, Score]] = {
    "value_l1": Score(lambda _, advantages: np.abs(advantages), lambda mean, _: mean),
    "positive_value_loss": Score(
        lambda _, advantages: np.maximum(advantages, 0), lambda mean, _: mean
    ),
    "max_mc": Score(lambda values, _: values, lambda mean, best: best - mean),
}
"""``value_l1`` (Jiang et al., 2021a): 1/T · Σ |A_t|, the magnitude of the advantages.

``positive_value_loss`` (Jiang et al., 2021b): 1/T · Σ max(A_t, 0), an estimate of regret.

``max_mc`` (Jiang et al., 2021b): 1/T · Σ (R_max − V(s_t)), where R_max is the highest return,
undiscounted, that was reached on the level.
"""


def find_score(name: str) -> Score:
    """The score of a name.

    Raises:
        UserError: there is none.
    """
    if name not in SCORES:
        raise unknown("score of a curriculum", name, SCORES)
    return SCORES[name]
