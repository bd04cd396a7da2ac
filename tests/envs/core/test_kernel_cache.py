"""Kernels are compiled and run whatever their cache is like, and say so once."""

import importlib
import io
import sys
from pathlib import Path

import pytest

from mmrl_envs.grid.core import compile_notice, jit, kernel_cache, rng
from mmrl_envs.grid.core.kernel_cache import KernelCache, temporary_folder

SOURCE = """
from mmrl_envs.grid.core.jit import kernel

@kernel
def doubled(number):
    return 2 * number
"""


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Imports the same small kernel again and again, with its cache beside it."""
    (tmp_path / "small_kernel.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)

    def load():
        sys.modules.pop("small_kernel", None)
        return importlib.import_module("small_kernel").doubled

    yield load
    sys.modules.pop("small_kernel", None)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder for temporary files."""
    monkeypatch.setattr(kernel_cache.tempfile, "tempdir", str(tmp_path))
    temporary_folder.cache_clear()
    yield tmp_path
    temporary_folder.cache_clear()


def test_what_is_cut_is_compiled_again(fresh, tmp_path):
    assert fresh()(2) == 4
    files = [*tmp_path.glob("__pycache__/*.nbi"), *tmp_path.glob("__pycache__/*.nbc")]
    assert len(files) == 2
    for file in files:
        file.write_bytes(file.read_bytes()[:-9])
    damaged = fresh()
    assert damaged(3) == 6
    assert sum(damaged.stats.cache_misses.values()) == 1
    again = fresh()
    assert again(4) == 8
    assert sum(again.stats.cache_hits.values()) == 1


def test_a_full_disk_is_warned_about_once(fresh, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    kernel_cache._warn.cache_clear()
    doubled = fresh()
    monkeypatch.setattr(doubled._cache._cache_file, "save", full)
    with pytest.warns(UserWarning, match=r"No space left on device; .* NUMBA_CACHE_DIR"):
        assert doubled(2) == 4
    assert doubled(2.5) == 5.0  # another signature, without a warning


def test_no_folder_at_all(fresh, monkeypatch):
    monkeypatch.setattr(jit.caching.CacheImpl, "_locator_classes", [])
    doubled = fresh()
    assert not isinstance(doubled._cache, KernelCache)
    assert doubled(2) == 4


def test_the_temporary_folder_is_this_users_alone(temporary):
    locator = jit._Temporary.from_function(rng.seed_rng.py_func, rng.__file__)
    place = Path(locator.get_cache_path())
    assert place.is_dir()
    assert place.is_relative_to(temporary)
    assert place.parent.stat().st_mode & 0o777 == 0o700


def test_a_temporary_folder_that_others_can_write_to_is_not_used(temporary):
    folder = Path(temporary_folder())
    folder.chmod(0o777)
    temporary_folder.cache_clear()
    assert temporary_folder() is None
    assert jit._Temporary.from_function(rng.seed_rng.py_func, rng.__file__) is None
    folder.rmdir()
    folder.symlink_to(temporary)
    temporary_folder.cache_clear()
    assert temporary_folder() is None


def test_without_a_home_no_folder_named_after_it_is_made(monkeypatch):
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert jit._UserWide.from_function(rng.seed_rng.py_func, rng.__file__) is None


class Terminal(io.StringIO):
    """A standard error that is a terminal, or none."""

    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_first_compilation_announces_itself(fresh, monkeypatch, is_terminal):
    error = Terminal(is_terminal)
    monkeypatch.setattr(sys, "stderr", error)
    monkeypatch.setattr(jit, "_NOTICE", compile_notice.CompileNotice())
    doubled = fresh()
    assert (doubled(2), doubled(2.5)) == (4, 5.0)
    assert error.getvalue().count("compiling the kernels of the grid worlds, once") == 1
    assert ("2%" in error.getvalue()) == is_terminal
    assert fresh()(3) == 6  # from the cache
    assert error.getvalue().endswith("\x1b[K" if is_terminal else "a minute\n")


def test_a_standard_error_that_is_closed_is_no_error(monkeypatch):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    compile_notice._write("text")
