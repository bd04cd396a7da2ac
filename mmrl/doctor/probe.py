"""A process that tries what may fail or crash: imports, devices, checks of other packages.

:mod:`mmrl.doctor.probing` starts it. It prints JSON lines on its standard output, what modules
print being dropped: ``{"name": …}`` before it tries something, and the result after.
"""

from __future__ import annotations

import json
import os
from importlib import import_module
from typing import Any, Final, TextIO

DEVICES: Final = "devices"
"""The name that asks for torch's devices."""
CHECK: Final = "check:"
"""What begins the name of an entry point in the group ``mmrl.checks``."""


def probe(name: str) -> dict[str, Any]:
    """Try one thing.

    Args:
        name: a module, :data:`DEVICES`, or a check.

    Returns:
        ``{"value": …}``, or ``{"error": …}`` with what went wrong, in one line.
    """
    try:
        return {"value": _value(name)}
    except (Exception, SystemExit) as error:  # of any kind, from another package
        return {"error": " ".join(f"{type(error).__name__}: {error}".split())}


def _value(name: str) -> Any:
    if name == DEVICES:
        return _devices()
    if name.startswith(CHECK):
        from mmrl.entry_points import entry_points

        return str(entry_points("mmrl.checks")[name.removeprefix(CHECK)].load()())
    if name == "torchvision":
        return _import_torchvision()
    import_module(name)
    return ""


def _import_torchvision() -> str:
    """Import it as mmrl does; what is wrong with it, if anything is."""
    try:
        import_module("torchvision")
    except RuntimeError as error:
        from mmrl.compat import import_torchvision

        import_torchvision()
        return str(error).partition("\n")[0]
    return ""


def _devices() -> dict[str, Any]:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "cuda": [torch.cuda.get_device_name(k) for k in range(count)],
        "built_for_cuda": torch.version.cuda,
        "mps": torch.backends.mps.is_available(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def _answers() -> TextIO:
    """Standard output for answers alone: what others print to it is dropped."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    return answers


def main(names: list[str]) -> None:
    """Try things in order, and print what they gave."""
    answers = _answers()
    for name in names:
        print(json.dumps({"name": name}), file=answers, flush=True)
        print(json.dumps(probe(name)), file=answers, flush=True)
