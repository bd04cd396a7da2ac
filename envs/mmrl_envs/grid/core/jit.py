"""How the grid's kernels are compiled: by numba, cached on disk, and never stale."""

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


@cache
def _imported(path: Path) -> frozenset[Path]:
    """The files of this package that a file imports, itself among them, and those they import."""
    package = __name__.partition(".")[0]
    root = Path(__file__).parents[__name__.count(".") - 1]
    found = {path}
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package):
            module = root.joinpath(*(node.module or "").split(".")[1:])
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


class _WithImports:
    """Numba stamps a cached kernel with the hash of its own file, so a caller in another file
    would keep the old machine code of what it calls. The stamp here covers what it imports.
    """

    _py_file: str

    def get_source_stamp(self) -> str:
        return _sources_hash(Path(self._py_file))

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        if not Path(py_file).is_relative_to(Path(__file__).parents[1]):
            return None
        return cast("Any", super()).from_function(py_func, py_file)


class _UserProvided(_WithImports, caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """The folder named by ``NUMBA_CACHE_DIR``."""


class _InTree(_WithImports, caching.InTreeCacheLocator):  # type: ignore[misc]
    """``__pycache__`` next to the source, where that is writable."""


class _UserWide(_WithImports, caching.UserWideCacheLocator):  # type: ignore[misc]
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
    if compiled is function:  # NUMBA_DISABLE_JIT=1, for a debugger
        return function
    compiled.__class__ = _Part
    return cast("Kernel", compiled)


@part
def signed(number: Any) -> int:
    """A number of any integer type as int64: numba makes floats of mixtures with unsigned ones."""
    return np.int64(number)  # type: ignore[return-value]  # compiled
