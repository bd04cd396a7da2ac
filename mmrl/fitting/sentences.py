"""Which of an environment's sentences are learnt from, and which are kept for the test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track

from mmrl.evaluation.episodes import HELD_OUT

T = TypeVar("T")


def training_seeds(count: int, seed: int) -> list[int]:
    """Seeds of episodes to learn from, below those of held-out ones."""
    return list(map(int, np.random.default_rng(seed).integers(HELD_OUT, size=count)))


def held_out_seeds(count: int) -> list[int]:
    """Seeds of episodes to test with."""
    return list(range(HELD_OUT, HELD_OUT + count))


def is_held_out(sentence: str, share: float) -> bool:
    """Whether a sentence belongs to the share of all sentences that is never learnt from: by its
    hash, so that it is the same everywhere and at all times.
    """
    return int.from_bytes(sha256(sentence.encode()).digest()[:8]) < share * 2**64


def shown(items: Sequence[T], doing: str) -> Iterator[T]:
    """The items, under a progress bar in the terminal."""
    console = Console(stderr=True)
    yield from track(items, doing, console=console, disable=not console.is_terminal)
