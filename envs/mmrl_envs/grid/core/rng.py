"""Random number generators, one a row, eight bytes each: SplitMix64 (Steele, Lea & Flood, 2014)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.jit import device_function, kernel

MAX_SEED: Final = 2**63 - 1

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_ASIDE = np.uint64(0xD1B54A32D192ED03)


@device_function
def _mix(z: np.uint64) -> np.uint64:
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


@kernel
def randint(rng: NDArray[np.uint64], e: int, bound: int) -> int:
    """A uniform integer in [0, bound) from generator ``e``, which advances by one draw.

    Multiply-shift on 32 bits (Lemire, 2019): the bias is below bound / 2**32.
    """
    rng[e] += _GAMMA
    high = _mix(rng[e]) >> np.uint64(32)
    return np.int64((high * np.uint64(bound)) >> np.uint64(32))  # type: ignore[return-value]  # compiled


@kernel
def seed_rng(rng: NDArray[np.uint64], seeds: NDArray[np.uint64]) -> None:
    """Seed generator ``e`` with ``seeds[e]``; both uint64 [N].

    A generator depends on its own seed alone, so an environment's episodes do not change with the
    size of the batch that it is in.
    """
    for e in range(len(seeds)):
        rng[e] = _mix(seeds[e] * _MIX_2 + _GAMMA)


@kernel
def peek_randint(rng: NDArray[np.uint64], bound: int, chosen: NDArray[np.int64]) -> None:
    """A uniform integer in [0, bound) from each generator, int64 [N], without advancing it: the
    same until its next draw.
    """
    for e in range(len(rng)):
        high = _mix(rng[e] ^ _ASIDE) >> np.uint64(32)
        chosen[e] = np.int64((high * np.uint64(bound)) >> np.uint64(32))


def check_seed(seed: int) -> int:
    """The seed itself.

    Raises:
        ValueError: it is negative or larger than ``MAX_SEED``.
    """
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"seed {seed}: must be 0 to 2**63 - 1")
    return int(seed)
