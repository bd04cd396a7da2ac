"""What ``mmrl doctor`` asks of the environments."""

from __future__ import annotations

import tempfile


def kernel_cache() -> str:
    """Whether compiled kernels can be kept.

    Returns:
        Where they are.

    Raises:
        OSError: no folder for them can be written: each process compiles for minutes.
    """
    fix = "compiled kernels cannot be kept: set NUMBA_CACHE_DIR to a folder that can be written"
    try:
        from mmrl_envs.grid.core.jit import cache_folder

        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return f"in {folder}"
    except (OSError, RuntimeError, AttributeError) as error:  # numba finds no folder, or has none
        raise OSError(f"{fix} ({error})") from error
