"""Seeds of random actions.

An action space that has an environment's own seed draws the same numbers as the environment, and
random actions are then right, or wrong, more often than by chance.
"""

from __future__ import annotations

from typing import Final

import numpy as np

_STREAM: Final = 0x5EED


def action_seed(seed: int) -> int:
    """The seed of an action space whose samples are independent of what an environment draws.

    Args:
        seed: of the environment.
    """
    return int(np.random.SeedSequence((seed, _STREAM)).generate_state(1)[0])
