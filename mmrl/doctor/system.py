"""Findings about the system: Python, processor, memory, disk, display, text encoding."""

from __future__ import annotations

import locale
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Final

from mmrl.display import has_screen
from mmrl.doctor.findings import Finding, Status
from mmrl.machine import processor, processor_features, total_memory

_GIGABYTE: Final = 1e9
_LITTLE: Final = 2.0  # gigabytes: a run with its records may need as much
_SECTION: Final = "system"


def examine_system() -> list[Finding]:
    """What the machine and the process are."""
    memory = total_memory()
    features = processor_features()
    cores = f"{os.cpu_count()} cores"
    return [
        _ok("Python", f"{platform.python_version()} ({sys.executable})"),
        _ok("system", platform.platform()),
        _ok("processor", ", ".join([processor(), cores, *features])),
        _ok("memory", "unknown" if memory is None else f"{memory / _GIGABYTE:.1f} GB"),
        _disk(),
        _ok("display", "there is one" if has_screen() else "none: rendering is in memory"),
        _encoding(),
    ]


def _ok(name: str, text: str) -> Finding:
    return Finding(_SECTION, name, Status.OK, text)


def _disk() -> Finding:
    """Whether the working directory takes runs."""
    try:
        here = Path.cwd()
        free = shutil.disk_usage(here).free / _GIGABYTE
        can_write = os.access(here, os.W_OK)
    except OSError as error:
        return Finding(_SECTION, "disk", Status.WARNING, f"the working directory: {error}")
    text = f"{free:.1f} GB free in {here}"
    if not can_write:
        fix = "give --out a folder that can be written"
        return Finding(_SECTION, "disk", Status.WARNING, f"{here} cannot be written", fix)
    if free < _LITTLE:
        return Finding(
            _SECTION, "disk", Status.WARNING, text, "give --out a folder on another disk"
        )
    return _ok("disk", text)


def _encoding() -> Finding:
    """Text files are UTF-8; Python before 3.15 reads them as Windows's own code page."""
    encoding = locale.getpreferredencoding(do_setlocale=False)
    if encoding.lower().replace("-", "") in ("utf8", "cp65001"):
        return _ok("text", encoding)
    text = f"files are read as {encoding}, not as UTF-8"
    return Finding(_SECTION, "text", Status.WARNING, text, "set the variable PYTHONUTF8=1")
