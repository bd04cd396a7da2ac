"""What there is to learn from an environment's language: its instructions, seed by seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track

from mmrl.adapters import make_env
from mmrl.evaluation.episodes import HELD_OUT
from mmrl.observation import INSTRUCTION

T = TypeVar("T")


def training_seeds(count: int, seed: int) -> list[int]:
    """Seeds of episodes to learn from, below those of held-out ones."""
    return list(map(int, np.random.default_rng(seed).integers(HELD_OUT, size=count)))


def held_out_seeds(count: int) -> list[int]:
    """Seeds of episodes to test with."""
    return list(range(HELD_OUT, HELD_OUT + count))


def instructions(env_id: str, env_args: dict[str, Any], seeds: Iterable[int]) -> list[str]:
    """The instruction of the episode of each seed, some of them more than once.

    Raises:
        UserError: no such environment.
    """
    env = make_env(env_id, **env_args)
    said = [str(env.reset(seed=seed)[0][INSTRUCTION]) for seed in seeds]
    env.close()
    return said


def is_held_out(sentence: str, share: float) -> bool:
    """Whether a sentence belongs to the share of all sentences that is never learnt from: by its
    hash, so that it is the same everywhere and at all times.
    """
    return int.from_bytes(sha256(sentence.encode()).digest()[:8]) < share * 2**64


def shown(items: Sequence[T], doing: str) -> Iterator[T]:
    """The items, under a progress bar in the terminal."""
    console = Console(stderr=True)
    yield from track(items, doing, console=console, disable=not console.is_terminal)
