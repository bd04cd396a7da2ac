"""What ``mmrl doctor`` is answered about the kernels' cache."""

from pathlib import Path

import pytest

from mmrl_envs.checks import kernel_cache
from mmrl_envs.grid.core import jit


def test_where_kernels_are_kept():
    assert kernel_cache() == f"in {jit.cache_folder()}"


@pytest.mark.parametrize(
    "error", [RuntimeError("no locator"), PermissionError("read-only"), AttributeError("path")]
)
def test_kernels_that_cannot_be_kept(monkeypatch, error):
    def refuse():
        raise error

    monkeypatch.setattr(jit, "cache_folder", refuse)
    with pytest.raises(OSError, match="set NUMBA_CACHE_DIR"):
        kernel_cache()


def test_a_folder_that_is_a_file(monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("")
    monkeypatch.setattr(jit, "cache_folder", lambda: Path(tmp_path / "cache"))
    with pytest.raises(OSError, match="set NUMBA_CACHE_DIR"):
        kernel_cache()
