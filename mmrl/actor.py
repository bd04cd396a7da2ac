"""Something that acts: all that evaluation and pictures ask of an agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Actor(Protocol):
    """Acts on observations of the contract."""

    def act(
        self, images: NDArray[np.uint8], instructions: Sequence[str], *, deterministic: bool
    ) -> NDArray[Any]:
        """Pictures uint8 [B, H, W, 3] and B sentences → actions [B]."""
        ...
