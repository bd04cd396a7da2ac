"""Intervals around rates."""

from __future__ import annotations

import math

_Z95 = 1.959963984540054


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """The 95% score interval of a success rate (Wilson, 1927).

    Raises:
        ValueError: no trials, or more successes than trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials")
    rate, z2 = successes / trials, _Z95**2
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    spread = math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    half = _Z95 * spread / (1 + z2 / trials)
    low, high = centre - half, centre + half
    return max(0.0, min(low, rate)), min(1.0, max(high, rate))  # whatever rounding did
