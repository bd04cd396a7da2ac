"""Action masks: which actions are valid now.

The mask of an agent's actions is int8 [n], 1 for a valid action and 0 for another, as Gymnasium's
``Discrete.sample(mask)`` takes it. Of a ``MultiDiscrete`` [A] it holds those of the components side
by side, n = sum(nvec), as sb3-contrib's ``MaskablePPO`` has them. A component without any valid
action counts as one in which all are valid.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Mask = NDArray[np.int8]


def mask_sizes(space: spaces.Space[Any]) -> list[int] | None:
    """How many actions each component of a ``Discrete`` or ``MultiDiscrete`` [A] has; None for
    actions of another kind, which have no masks.
    """
    if isinstance(space, spaces.Discrete):
        return [int(space.n)]
    if isinstance(space, spaces.MultiDiscrete) and len(space.shape) == 1:
        return [int(count) for count in space.nvec]
    return None


def mask_space(space: spaces.Space[Any]) -> spaces.Box | None:
    """The space of the masks of an agent's actions, int8 [n]; None where there are none."""
    sizes = mask_sizes(space)
    return None if sizes is None else spaces.Box(0, 1, (sum(sizes),), np.int8)


def sample_valid(space: spaces.Space[Any], mask: Mask | None) -> Any:
    """A valid action, uniformly at random from the space's own generator; of all actions without a
    mask.
    """
    sizes = mask_sizes(space)
    if mask is None or sizes is None:
        return space.sample()
    parts = tuple(_with_any(part) for part in np.split(mask, np.cumsum(sizes)[:-1]))
    return space.sample(mask=parts[0] if isinstance(space, spaces.Discrete) else parts)


def is_valid(space: spaces.Space[Any], mask: Mask | None, action: Any) -> bool:
    """Whether a mask allows an action of a space that counts from 0."""
    sizes = mask_sizes(space)
    if mask is None or sizes is None:
        return True
    parts = np.split(mask, np.cumsum(sizes)[:-1])
    chosen = np.ravel(action).tolist()
    return all(bool(_with_any(part)[k]) for part, k in zip(parts, chosen, strict=True))


def _with_any(part: Mask) -> Mask:
    """The mask of a component; all are valid where none is."""
    return part if part.any() else np.ones_like(part)
