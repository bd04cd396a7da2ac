"""One view in several themes: each episode has its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.rng import choose
from mmrl_envs.grid.core.state import State
from mmrl_envs.grid.rendering.views.view import View


class ThemedPixels:
    """Views of one shape, of which each episode is seen by one.

    Which one is drawn for every episode alike, by where its environment's random stream stands
    after the scene was generated. So it follows from the seed, and from nothing else; the scenes
    are those of a single theme; and whoever goes on from a state goes on in its theme.

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
        chosen = np.empty(len(state.streams), np.int64)
        choose(state.streams, len(self._views), chosen)
        for k, view in enumerate(self._views):
            view.paint(state, start, stop, skip | (chosen != k), frames)
