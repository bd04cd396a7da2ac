"""The device that models are on: a CPU, or a GPU where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mmrl.errors import UserError

if TYPE_CHECKING:
    import torch

AUTO: Final = "auto"
DEVICES: Final = "auto (a CUDA GPU where there is one), cpu, cuda, cuda:1 or mps"
"""What a device may be, for help and messages."""


def find_device(name: str) -> torch.device:
    """The device of that name.

    Args:
        name: ``cpu``; ``cuda``, or one of several GPUs by its number, ``cuda:1``; ``mps``, Apple's
            GPU; or ``auto``, which is CUDA's GPU where there is one, and the CPU otherwise.

    Raises:
        UserError: there is none of that name, on this machine or at all.
    """
    import torch  # here: help is printed without it

    if name == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = torch.device("meta")
    if device.type == "cuda":
        return _cuda(name, device)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError(f"device {name!r}: torch finds no Apple GPU; use cpu, or auto")
    if device.type not in ("cpu", "mps") or device.index:
        raise UserError(f"device {name!r}: use {DEVICES}")
    return device


def _cuda(name: str, device: torch.device) -> torch.device:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        built = "" if torch.version.cuda else " (this torch was built for CPUs alone)"
        raise UserError(f"device {name!r}: torch finds no CUDA GPU{built}; use cpu, or auto")
    if (device.index or 0) >= count:
        last = count - 1
        have = "cuda:0" if count == 1 else f"cuda:0 to cuda:{last}"
        raise UserError(f"device {name!r}: torch finds {count} CUDA GPU(s); use {have}")
    return device


def available_devices() -> list[str]:
    """The kinds of devices of this machine, for tests and measurements."""
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return ["cpu", *(name for name, is_there in there.items() if is_there)]
