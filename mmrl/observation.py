"""The contract between environments and agents: what an observation holds.

An observation is a ``gymnasium.spaces.Dict`` with

- ``image``: ``Box`` uint8 [H, W, 3], 0 to 255, and
- ``instruction``: ``Text``, a sentence,

and may have further entries, which are left alone. When an episode ends, ``info["is_success"]``
tells whether the instruction was carried out.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from gymnasium import spaces

IMAGE: Final = "image"
INSTRUCTION: Final = "instruction"
IS_SUCCESS: Final = "is_success"


def contract_violation(space: spaces.Space[object]) -> str | None:
    """What keeps an observation space from fulfilling the contract, or None where it does."""
    if not isinstance(space, spaces.Dict):
        return f"observations must be a Dict with '{IMAGE}' and '{INSTRUCTION}', got {space}"
    for key in (IMAGE, INSTRUCTION):
        if key not in space.spaces:
            return f"observations lack '{key}'; they have {', '.join(space.spaces) or 'nothing'}"
    image, instruction = space[IMAGE], space[INSTRUCTION]
    if not is_picture(image):
        return f"'{IMAGE}' must be a Box of uint8 [H, W, 3], got {image}"
    if not isinstance(instruction, spaces.Text):
        return f"'{INSTRUCTION}' must be a Text space, got {instruction}"
    return None


def is_picture(space: spaces.Space[object]) -> bool:
    """Whether a space holds uint8 pictures [H, W, 3]."""
    return (
        isinstance(space, spaces.Box)
        and space.dtype == np.uint8
        and len(space.shape) == 3
        and space.shape[2] == 3
    )
