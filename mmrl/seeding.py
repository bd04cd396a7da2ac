"""Seeds of random actions and of PyTorch.

An action space that has an environment's own seed draws the same numbers as the environment, and
random actions are then right, or wrong, more often than by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np

_STREAM: Final = 0x5EED


def action_seed(seed: int) -> int:
    """The seed of an action space whose samples are independent of what an environment draws.

    Args:
        seed: of the environment.
    """
    return int(np.random.SeedSequence((seed, _STREAM)).generate_state(1)[0])


@contextmanager
def forked_rng(seed: int) -> Iterator[None]:
    """PyTorch's random generators with a seed within, and as they were before afterwards.

    Args:
        seed: of all generators.
    """
    import torch  # here: environments are made without it

    with torch.random.fork_rng():
        seed_torch(seed)
        yield


def seed_torch(seed: int) -> None:
    """``torch.manual_seed`` for the generators that are in use.

    That of PyTorch keeps the seed for each kind of device that is not in use, with the stack of
    its caller, which takes a millisecond.

    Args:
        seed: of all generators.
    """
    import torch

    torch.default_generator.manual_seed(seed)
    torch.mps.manual_seed(seed)
    for devices in (torch.cuda, torch.xpu):
        if devices.is_initialized():
            devices.manual_seed_all(seed)
