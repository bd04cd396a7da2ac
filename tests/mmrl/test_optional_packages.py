"""Extras: what the table and ``pyproject.toml`` have agrees; a missing package is one line."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mmrl.errors import UserError
from mmrl.optional_packages import EXTRAS, import_pyplot, is_installed, needed_for
from mmrl.viz.window.window import Window

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
DECLARED = PROJECT["project"]["optional-dependencies"]
NOT_FOR_USERS = {"all", "bench", "dev", "docs", "notebooks"}


def extras_in(requirement: str) -> list[str]:
    found = re.fullmatch(r"multimodal-rl\[(.*)\]", requirement)
    return found[1].split(",") if found else []


def test_every_extra_is_explained():
    assert EXTRAS.keys() == DECLARED.keys() - NOT_FOR_USERS


def test_all_brings_every_extra():
    (line,) = DECLARED["all"]
    assert sorted(extras_in(line)) == sorted(EXTRAS)
    assert DECLARED["dev"][0] == "multimodal-rl[all,docs]"


def test_core_has_no_package_of_an_extra():
    core = {re.split(r"[^\w-]", line)[0] for line in PROJECT["project"]["dependencies"]}
    brought = {re.split(r"[^\w-]", line)[0] for one in EXTRAS for line in DECLARED[one]}
    assert not core & (brought - {"multimodal-rl"})


def test_missing_package_is_named_with_the_line_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    wanted = r"a dataset: needs the package 'h5py': pip install 'multimodal-rl\[data\]'"
    with pytest.raises(UserError, match=wanted), needed_for("a dataset", "data"):
        import h5py  # noqa: F401


def test_broken_package_is_reported(monkeypatch, tmp_path):
    (tmp_path / "cracked.py").write_text("raise ImportError('libx.so is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    assert is_installed("cracked")
    with pytest.raises(UserError, match=r"libx.so is missing"), needed_for("a dataset", "data"):
        import cracked  # noqa: F401


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not is_installed("matplotlib")
    with pytest.raises(UserError, match=r"pip install 'multimodal-rl\[plots\]'"):
        import_pyplot()


def test_without_pygame(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(UserError, match=r"a window: .*pip install 'multimodal-rl\[play\]'"):
        Window("a test", 30)


def test_bounds_take_the_versions_that_were_tested_together():
    text = (Path(__file__).parents[2] / "constraints.txt").read_text("utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==(.+)$", text.lower().replace("_", "-"), re.MULTILINE))
    declared = [
        *PROJECT["project"]["dependencies"],
        *(line for lines in DECLARED.values() for line in lines),
    ]
    for one in map(Requirement, declared):
        if one.name != "multimodal-rl":
            name = one.name.lower().replace("_", "-")
            assert pins[name] in one.specifier, one


@pytest.mark.parametrize("name", ["numba", "stable-baselines3", "sb3-contrib", "tensorboard"])
def test_packages_whose_internals_are_used_have_an_upper_bound(name):
    (one,) = [one for one in map(Requirement, PROJECT["project"]["dependencies"])
              if one.name == name]  # fmt: skip
    assert any(bound.operator == "<" for bound in one.specifier)
