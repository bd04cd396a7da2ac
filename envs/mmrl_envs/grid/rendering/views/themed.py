"""One view in several themes: each episode has its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.rng import peek_randint
from mmrl_envs.grid.core.state import State
from mmrl_envs.grid.rendering.views.view import View


class ThemedPixels:
    """Views of one shape, of which each episode is rendered by one.

    It is drawn uniformly for each episode, from the state of its environment's random generator
    after the scene was generated. So it follows from the seed alone, the scenes are those of a
    single theme, and an episode that is resumed from a state keeps its theme.

    Args:
        views: of the same layout, one a theme.

    Attributes:
        shape: of a frame, uint8.
    """

    def __init__(self, views: Sequence[View]) -> None:
        self._views = tuple(views)
        self.shape = views[0].shape

    def paint(
        self,
        state: State,
        start: int,
        stop: int,
        skip: NDArray[np.bool_],
        frames: NDArray[np.uint8],
    ) -> None:
        """Paint environments ``start`` to ``stop - 1``, but not where ``skip``, bool [N], into
        ``frames``, uint8 [N, *shape].
        """
        chosen = np.empty(len(state.rng), np.int64)
        peek_randint(state.rng, len(self._views), chosen)
        for k, view in enumerate(self._views):
            view.paint(state, start, stop, skip | (chosen != k), frames)
