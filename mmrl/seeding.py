"""Seeds of random actions and of PyTorch.

An action space that has an environment's own seed draws the same numbers as the environment, and
random actions are then right, or wrong, more often than by chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

_STREAM: Final = 0x5EED


def action_seed(seed: int) -> int:
    """The seed of an action space whose samples are independent of what an environment draws.

    Args:
        seed: of the environment.
    """
    return int(np.random.SeedSequence((seed, _STREAM)).generate_state(1)[0])


@contextmanager
def forked_rng(seed: int | None = None) -> Iterator[None]:
    """PyTorch's random generators are afterwards as they were before.

    Args:
        seed: that all generators have within; None for what they would have drawn.
    """
    before = rng_state()
    if seed is not None:
        seed_torch(seed)
    try:
        yield
    finally:
        set_rng_state(before)


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


def rng_state() -> dict[str, Any]:
    """The state of PyTorch's random generators: of the CPU, and of each GPU that there is."""
    import torch  # here: environments are made without it

    state: dict[str, Any] = {"torch": torch.get_rng_state(), "cuda": []}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_rng_state(state: Mapping[str, Any]) -> None:
    """As :func:`rng_state` gave it, on this machine or another; other keys are not looked at.

    A GPU that is not there any more, or was not there then, is left out.
    """
    import torch

    torch.set_rng_state(state["torch"])
    for number, of_gpu in enumerate(state.get("cuda", [])[: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(of_gpu, number)
    if "mps" in state and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])
