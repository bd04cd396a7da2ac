"""JIT compilation of the grid's kernels: by numba, cached on disk, never stale, and once for all
processes that want them at the same time.

The words are CUDA's: a :func:`kernel` is called from Python, a :func:`device_function` only from
kernels and device functions, into which LLVM inlines it.

Four things here are no public interface of numba: the cache locators, the index of a cache, the
optimisation of a library's final module, and the class of a dispatcher. Therefore
``pyproject.toml`` bounds numba's version, and ``tests/envs/core/test_jit.py`` asserts each of them:
run it before raising the bound.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import llvmlite.binding as llvm
import numba
import numpy as np
from numba.core import caching, codegen
from numba.core.registry import CPUDispatcher

from mmrl_envs.grid.core.compile_notice import CompileNotice
from mmrl_envs.grid.core.kernel_cache import KernelCache, temporary_folder

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

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        has_home = os.path.expanduser("~") != "~"
        return super().from_function(py_func, py_file) if has_home else None


class _Temporary(_ImportAwareLocator, caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """A temporary folder, where neither the package's nor the user's can be written."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self._py_file = py_file
        self._lineno = py_func.__code__.co_firstlineno
        subpath = self.get_suitable_cache_subpath(py_file)
        self._cache_path = os.path.join(temporary_folder() or "", subpath)

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        if temporary_folder() is None or not Path(py_file).is_relative_to(_root()):
            return None
        return super(caching.UserProvidedCacheLocator, cls).from_function(py_func, py_file)


_OURS = [_UserProvided, _InTree, _UserWide, _Temporary]
caching.CacheImpl._locator_classes = _OURS + [
    locator for locator in caching.CacheImpl._locator_classes if locator not in _OURS
]


_OPTIONS: Final[dict[str, Any]] = {
    "nogil": True,
    "boundscheck": False,
    "error_model": "numpy",  # no kernel divides by zero, and none need check it
    # No kernel makes an array, so none need count references: those counts are atomic, and cost
    # more than what they are kept for, since a state is many arrays and goes through many calls.
    "_nrt": False,
}


@contextlib.contextmanager
def _final_optimization(replacement: Callable[[Any], None]) -> Iterator[None]:
    """Optimise the final module of each library by ``replacement(library)``."""
    library = codegen.CPUCodeLibrary
    original = library._optimize_final_module
    library._optimize_final_module = replacement
    try:
        yield
    finally:
        library._optimize_final_module = original


_OPTIMIZE: Final = codegen.CPUCodeLibrary._optimize_final_module


def _skip_optimization(library: Any) -> None:
    """Leave a device function as it is: its callers optimise it again with themselves, so that to
    do it at every depth of calls would only cost time.
    """


def _optimize_kernel(library: Any) -> None:
    """Optimise a kernel together with its callees, which become private to it (LLVM's linkage
    ``private``). Otherwise calls that are not inlined would find the device functions' own,
    unoptimised code in the process that has just compiled them. With the linkage ``internal``,
    other modules of that process would find them by name, with arguments that only this kernel
    passes.
    """
    for function in library._final_module.functions:
        if function.linkage == llvm.Linkage.linkonce_odr and not function.is_declaration:
            function.linkage = llvm.Linkage.private
    _OPTIMIZE(library)


class _CompileLock:
    """Held by one process at a time, as often as it likes: others wait, and then load what this one
    has compiled. Where the folder of the cache cannot be locked, all compile for themselves.
    """

    def __init__(self) -> None:
        self._is_held = False

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        if self._is_held:
            yield
            return
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(ImportError, OSError):
                self._lock(cache_folder(), stack)
            self._is_held = True
            stack.callback(setattr, self, "_is_held", False)
            stack.callback(_NOTICE.end)
            yield

    @staticmethod
    def _lock(folder: Path, stack: contextlib.ExitStack) -> None:
        """Wait for the lock of a folder, and keep it until the stack is unwound.

        Raises:
            ImportError: there are no such locks on this system.
            OSError: there are none in this folder.
        """
        import fcntl

        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        stack.callback(os.close, handle)
        fcntl.flock(handle, fcntl.LOCK_EX)


_LOCK: Final = _CompileLock()
_NOTICE: Final = CompileNotice()


class _Kernel(CPUDispatcher):  # type: ignore[misc]  # numba has no types
    """A compiled function in a cache on disk that processes share."""

    def compile(self, sig: Any) -> Any:
        """Compile for a signature, or load what this process or another one has compiled."""
        if self._is_kept(sig):
            return super().compile(sig)
        with _LOCK.hold(), _final_optimization(self._optimize):
            if self._is_kept(sig):  # by the process that has held the lock
                return super().compile(sig)
            _NOTICE.begin()
            compiled = super().compile(sig)
            _NOTICE.advance()
            return compiled

    def enable_caching(self) -> None:
        """Cache on disk, where there is a folder for it."""
        with contextlib.suppress(RuntimeError):  # no locator finds one
            self._cache = KernelCache(self.py_func)

    def _is_kept(self, sig: Any) -> bool:
        """Whether the cache has a signature."""
        cache = _cache_of(self)
        return isinstance(cache, KernelCache) and cache.has(sig, self.targetctx.codegen())

    _optimize = staticmethod(_optimize_kernel)


class _DeviceFunction(_Kernel):
    """A compiled function without a wrapper for Python: a call from there raises, and would crash
    otherwise.
    """

    _optimize = staticmethod(_skip_optimization)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """As numba's, for the types alone: it would compile anew for every constant that a caller
        gives, which inlining brings into the caller's copy anyway.
        """
        unliteral = numba.types.unliteral
        return super().get_call_template(
            tuple(map(unliteral, args)), {name: unliteral(one) for name, one in kws.items()}
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        name = self.py_func.__name__
        raise TypeError(
            f"{name} is a device function, for kernels; from Python call {name}.py_func"
        )


def _cache_of(compiled: Any) -> Any:
    """Numba's cache of a compiled function."""
    return compiled._cache


def _compiled(function: Kernel, kind: type[_Kernel], **options: Any) -> Kernel:
    """A function that is compiled when it is called, or loaded from the cache."""
    compiled = numba.njit(**_OPTIONS, **options)(function)
    if compiled is not function:  # it is with NUMBA_DISABLE_JIT=1, for a debugger
        compiled.__class__ = kind
        compiled.enable_caching()
    return cast("Kernel", compiled)


def kernel(function: Kernel) -> Kernel:
    """Compile ``function`` with numba: no Python objects, no interpreter lock, cached on disk."""
    return _compiled(function, _Kernel)


def device_function(function: Kernel) -> Kernel:
    """Compile ``function`` as :func:`kernel` does, but to be called from compiled code alone.

    Without the wrappers for Python and C, a fresh install compiles in half the time.
    """
    return _compiled(function, _DeviceFunction, no_cpython_wrapper=True, no_cfunc_wrapper=True)


@device_function
def signed(number: Any) -> int:
    """A number of any integer type as int64: numba makes floats of mixtures with unsigned ones."""
    return np.int64(number)  # type: ignore[return-value]  # compiled


def cache_folder() -> Path:
    """Where the machine code of this package's kernels is kept; folders for other files are beside
    it.

    Raises:
        OSError: no folder can be written.
    """
    cache = _cache_of(signed)
    if not isinstance(cache, KernelCache):
        raise OSError("no folder for compiled kernels can be written")
    return Path(cache.cache_path)
