"""What this machine has and this process uses, on Linux, macOS and Windows: processor, memory,
load. What a system does not report is None.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_CPUINFO: Final = Path("/proc/cpuinfo")
_STATM: Final = Path("/proc/self/statm")
_WANTED: Final = {"avx2": "AVX2", "avx512f": "AVX-512", "amx_bf16": "AMX", "asimd": "NEON"}
"""Flags of ``/proc/cpuinfo`` that decide how fast a model is, and what they are called."""


def processor() -> str:
    """The processor's name."""
    names = _cpuinfo("model name")
    return names or platform.processor() or platform.machine()


def processor_features() -> list[str]:
    """Instruction sets for fast models; none where the system does not list them."""
    flags = f"{_cpuinfo('flags')} {_cpuinfo('Features')}".split()
    return [name for flag, name in _WANTED.items() if flag in flags]


def _cpuinfo(key: str) -> str:
    """The first value of a key in ``/proc/cpuinfo``; empty where there is none."""
    with suppress(OSError):
        for line in _CPUINFO.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return ""


def total_memory() -> int | None:
    """Bytes of memory of this machine."""
    with suppress(AttributeError, OSError, ValueError):  # Windows; a name that is unknown
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return _memory_of_windows() if sys.platform == "win32" else None


def resident_memory() -> int | None:
    """Bytes of memory that this process has now."""
    with suppress(AttributeError, OSError, ValueError, IndexError):
        pages = int(_STATM.read_text(encoding="utf-8").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return None


def release_memory() -> None:
    """Give back to the system what was freed: glibc keeps it, in pieces between what is in use,
    which grow in long trainings. Other allocators give it back by themselves.
    """
    with suppress(AttributeError, OSError, TypeError, ValueError):  # no glibc
        ctypes.CDLL(None).malloc_trim(0)


def load() -> float | None:
    """Processes that wanted a core during the last minute, on average."""
    with suppress(AttributeError, OSError):  # Windows; where it cannot be obtained
        return os.getloadavg()[0]
    return None


class _MemoryStatus(ctypes.Structure):
    """Windows's ``MEMORYSTATUSEX``."""

    _fields_ = [
        ("length", ctypes.c_ulong),
        ("load", ctypes.c_ulong),
        *((name, ctypes.c_ulonglong) for name in (
            "total", "available", "total_page", "available_page", "total_virtual",
            "available_virtual", "available_extended",
        )),
    ]  # fmt: skip


def _memory_of_windows() -> int | None:
    status = _MemoryStatus()
    status.length = ctypes.sizeof(status)
    kernel: object = getattr(getattr(ctypes, "windll", None), "kernel32", None)
    ask = getattr(kernel, "GlobalMemoryStatusEx", None)
    return int(status.total) if ask is not None and ask(ctypes.byref(status)) else None
