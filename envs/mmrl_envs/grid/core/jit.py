"""JIT compilation of the grid's kernels: by numba, cached on disk, and never stale.

The words are CUDA's: a :func:`kernel` is called from Python, a :func:`device_function` only from
kernels and device functions, into which LLVM inlines it.

Three things here are no public interface of numba: the cache locators, the optimisation of a
library's final module, and the class of a dispatcher. Therefore ``pyproject.toml`` bounds numba's
version, and ``tests/envs/core/test_jit.py`` asserts each of them: run it before raising the bound.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
from numba.core import caching, codegen
from numba.core.registry import CPUDispatcher

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def _root() -> Path:
    """The folder of the package ``mmrl_envs``."""
    return Path(__file__).parents[__name__.count(".") - 1]


@cache
def _imported(path: Path) -> frozenset[Path]:
    """The files of this package that a file imports, itself among them, and those they import."""
    package = __name__.partition(".")[0]
    found = {path}
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package):
            module = _root().joinpath(*(node.module or "").split(".")[1:])
            names = [module, *(module / alias.name for alias in node.names)]
            for target in (name.with_suffix(".py") for name in names):
                if target.is_file() and target not in found:
                    found |= _imported(target)
    return frozenset(found)


@cache
def _sources_hash(path: Path) -> str:
    """One hash over a file and all that it imports of ours: it changes when a kernel in it, or
    anything that this kernel calls, does.
    """
    digest = hashlib.sha256()
    for source in sorted({*_imported(path), Path(__file__)}):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


class _ImportAwareLocator:
    """A cache locator whose stamp covers a file and what it imports. Numba's own covers the file
    alone, so that a caller in another file would keep the old machine code of what it calls.
    """

    _py_file: str

    def get_source_stamp(self) -> str:
        return _sources_hash(Path(self._py_file))

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        if not Path(py_file).is_relative_to(_root()):
            return None
        return cast("Any", super()).from_function(py_func, py_file)


class _UserProvided(_ImportAwareLocator, caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """The folder named by ``NUMBA_CACHE_DIR``."""


class _InTree(_ImportAwareLocator, caching.InTreeCacheLocator):  # type: ignore[misc]
    """``__pycache__`` next to the source, where that is writable."""


class _UserWide(_ImportAwareLocator, caching.UserWideCacheLocator):  # type: ignore[misc]
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
def _without_final_optimization() -> Iterator[None]:
    """Skip the optimisation of a library's final module: a kernel's callees are optimised again
    with it, so that to optimise each by itself, at every depth of calls, would only cost time.
    """
    library = codegen.CPUCodeLibrary
    original = library._optimize_final_module
    library._optimize_final_module = lambda _: None
    try:
        yield
    finally:
        library._optimize_final_module = original


class _DeviceFunction(CPUDispatcher):  # type: ignore[misc]  # numba has no types
    """A compiled function without a wrapper for Python: a call from there raises, and would crash
    otherwise.
    """

    def compile(self, sig: Any) -> Any:
        """Compile for a signature, without the optimisation that its caller gets anyway."""
        with _without_final_optimization():
            return super().compile(sig)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        name = self.py_func.__name__
        raise TypeError(
            f"{name} is a device function, for kernels; from Python call {name}.py_func"
        )


def kernel(function: Kernel) -> Kernel:
    """Compile ``function`` with numba: no Python objects, no interpreter lock, cached on disk."""
    return cast("Kernel", numba.njit(**_OPTIONS)(function))


def device_function(function: Kernel) -> Kernel:
    """Compile ``function`` as :func:`kernel` does, but to be called from compiled code alone.

    Without the wrappers for Python and C, a fresh install compiles in half the time.
    """
    compiled = numba.njit(**_OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    if compiled is function:  # NUMBA_DISABLE_JIT=1, for a debugger
        return function
    compiled.__class__ = _DeviceFunction
    return cast("Kernel", compiled)


@device_function
def signed(number: Any) -> int:
    """A number of any integer type as int64: numba makes floats of mixtures with unsigned ones."""
    return np.int64(number)  # type: ignore[return-value]  # compiled
