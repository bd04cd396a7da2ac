"""The stamp of compiled kernels: it follows what a file imports, and nothing else."""

import pytest

from mmrl_envs.grid.core import jit as compiler


@pytest.fixture
def stamp(tmp_path, monkeypatch):
    """A function that gives the stamp of a file in a package of three, fresh from the disk."""
    package = tmp_path / "mmrl_envs" / "grid"
    package.mkdir(parents=True)
    (package / "compiler.py").write_text("")
    (package / "low.py").write_text("value = 1\n")
    (package / "middle.py").write_text("from mmrl_envs.grid.low import value\n")
    (package / "high.py").write_text("from mmrl_envs.grid import middle\n")
    (package / "other.py").write_text("import os\n")
    monkeypatch.setattr(compiler, "__file__", str(package / "compiler.py"))

    def look(name):
        compiler._imported.cache_clear()
        compiler._sources_hash.cache_clear()
        return compiler._sources_hash(package / f"{name}.py")

    yield look, package
    compiler._imported.cache_clear()
    compiler._sources_hash.cache_clear()


@pytest.mark.parametrize("changed", ["high", "middle", "low", "compiler"])
def test_a_change_below_changes_the_stamp(stamp, changed):
    look, package = stamp
    before = look("high")
    (package / f"{changed}.py").write_text("value = 2\n")
    assert look("high") != before


def test_a_change_elsewhere_does_not(stamp):
    look, package = stamp
    before = look("high")
    (package / "other.py").write_text("import sys\n")
    assert look("high") == before
    assert look("low") != look("middle")
