"""How the grid's kernels are compiled: by numba, cached on disk, and never stale."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
from numba.core import caching, codegen
from numba.core.registry import CPUDispatcher

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


@cache
def _sources_hash(folder: Path) -> str:
    """One hash over every Python file in ``folder``: it changes when any kernel's source does."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


class _WholeFolder:
    """Numba stamps a cached kernel with the hash of its own file, so a caller in another file
    would keep the old machine code of what it calls. The stamp here covers the whole folder.
    """

    def get_source_stamp(self) -> str:
        return _sources_hash(Path(__file__).parent)

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        if Path(py_file).parent != Path(__file__).parent:
            return None
        return cast("Any", super()).from_function(py_func, py_file)


class _UserProvided(_WholeFolder, caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """The folder named by ``NUMBA_CACHE_DIR``."""


class _InTree(_WholeFolder, caching.InTreeCacheLocator):  # type: ignore[misc]
    """``__pycache__`` next to the source, where that is writable."""


class _UserWide(_WholeFolder, caching.UserWideCacheLocator):  # type: ignore[misc]
    """The user's cache folder, where the package is installed read-only."""


_OURS = [_UserProvided, _InTree, _UserWide]
caching.CacheImpl._locator_classes = _OURS + [
    locator for locator in caching.CacheImpl._locator_classes if locator not in _OURS
]


_OPTIONS: Final[dict[str, Any]] = {
    "cache": True,
    "nogil": True,
    "boundscheck": False,
    "error_model": "numpy",  # no kernel divides by zero, and none need check it
    # No kernel makes an array, so none need count references: those counts are atomic, and cost
    # more than what they are kept for, since a state is many arrays and goes through many calls.
    "_nrt": False,
}


@contextlib.contextmanager
def _left_to_the_caller() -> Iterator[None]:
    """Leave machine code for what it is: a kernel's callees are optimised again with it, so that
    to optimise each by itself, at every depth of calls, would only cost compile time.
    """
    library = codegen.CPUCodeLibrary
    optimise = library._optimize_final_module
    library._optimize_final_module = lambda _: None
    try:
        yield
    finally:
        library._optimize_final_module = optimise


class _Part(CPUDispatcher):  # type: ignore[misc]  # numba has no types
    """A compiled function without an entrance for Python, which would crash there: it says so."""

    def compile(self, sig: Any) -> Any:
        """Compile for a signature, without the optimisation that its caller gets anyway."""
        with _left_to_the_caller():
            return super().compile(sig)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        name = self.py_func.__name__
        raise TypeError(f"{name} is a part of kernels; from Python call {name}.py_func")


def kernel(function: Kernel) -> Kernel:
    """Compile ``function`` with numba: no Python objects, no interpreter lock, cached on disk."""
    return cast("Kernel", numba.njit(**_OPTIONS)(function))


def part(function: Kernel) -> Kernel:
    """Compile ``function`` as :func:`kernel` does, but for other kernels alone.

    Without the wrappers that take arguments from Python and C, a fresh install compiles in half
    the time.
    """
    compiled = numba.njit(**_OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    compiled.__class__ = _Part
    return cast("Kernel", compiled)
