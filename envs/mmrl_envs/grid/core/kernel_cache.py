"""The cache of compiled kernels: where it is if no usual folder can be written, and no error of it
ends a program.
"""

from __future__ import annotations

import os
import stat
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from numba.core import caching


class KernelCache(caching.FunctionCache):  # type: ignore[misc]  # numba has no types
    """Numba's cache of a function. What cannot be read is compiled again, and what cannot be
    written, such as on a full disk, is not kept.
    """

    def has(self, sig: Any, codegen: Any) -> bool:
        """Whether a signature is there."""
        try:
            return self._index_key(sig, codegen) in self._cache_file._load_index()
        except Exception:  # cut or altered
            return False

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What is there for a signature; None where it is not, or cannot be read."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # cut or altered
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled for a signature, if that can be written."""
        try:
            try:
                super().save_overload(sig, data)
            except Exception:  # an index that was cut or altered
                self.flush()
                super().save_overload(sig, data)
        except OSError as error:
            _warn(error.strerror or str(error))


@cache
def _warn(reason: str) -> None:
    """Warn, once."""
    warnings.warn(
        f"compiled kernels cannot be kept: {reason}; each process compiles them anew. The variable "
        "NUMBA_CACHE_DIR names another folder",
        stacklevel=2,
    )


@cache
def temporary_folder() -> str | None:
    """A folder of this user's own for temporary files, for a read-only installation and home; None
    where there is none that nobody else can write to, since what is cached is run.
    """
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    folder = Path(tempfile.gettempdir()) / f"mmrl-kernels-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    is_own = not hasattr(os, "getuid") or (
        found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )
    return str(folder) if stat.S_ISDIR(found.st_mode) and is_own else None
