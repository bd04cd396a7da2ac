"""Intervals around rates and means, and a robust mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

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


def interquartile_mean(values: Sequence[float]) -> float:
    """The mean of the middle half of some values: IQM, a quarter is cut off at either end, rounded
    down (Agarwal et al., 2021). Infinite values stand for what was not reached.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    cut = len(values) // 4
    middle = sorted(values)[cut : len(values) - cut]
    return fmean(middle)


def mean_interval(
    values: Sequence[float], least: float = -math.inf, most: float = math.inf
) -> tuple[float, float]:
    """The 95% interval of a mean by Student's t; one value has none, and gives itself twice.

    Args:
        values: whose mean.
        least, most: what the mean can be; the interval is cut off there.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("no values")
    count, mean = len(values), fmean(values)
    if count == 1:
        return mean, mean
    half = _t95(count - 1) * stdev(values) / math.sqrt(count)
    return max(mean - half, least), min(mean + half, most)


def _t95(freedom: int) -> float:
    """The 97.5% point of Student's t; beyond the table, Cornish and Fisher's expansion."""
    if freedom <= len(_T95):
        return _T95[freedom - 1]
    z = _Z95
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


_T95 = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
