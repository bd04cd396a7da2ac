"""The wheel: what it holds, and what it does not."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")

ROOT = Path(__file__).parents[1]
DATA = ("mmrl/scaffold/template", "mmrl/tensorboard/static")
"""Folders whose every file belongs into it."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, open; it is built in another process, from this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    with zipfile.ZipFile(file) as opened:
        yield opened


def files(folder, pattern="*"):
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize(
    ("folder", "inside"),
    [("configs", "recipe_files"), ("benchmarks/suites", "suite_files")],
)
def test_recipes_and_suites_are_in_it(wheel, folder, inside):
    names = {name.replace(folder, f"mmrl_agents/{inside}", 1) for name in files(folder)}
    assert names
    assert names <= set(wheel.namelist())


def test_every_module_and_data_file_is_in_it(wheel):
    names = set(wheel.namelist())
    for folder in DATA:
        assert files(folder)
        assert files(folder) <= names
    for folder in ("mmrl", "envs/mmrl_envs", "agents/mmrl_agents"):
        ours = {re.sub("^(envs|agents)/", "", name) for name in files(folder, "*.py*")}
        assert {name for name in ours if name.endswith((".py", "/py.typed"))} <= names


def test_nothing_else_is_in_it(wheel):
    roots = {name.partition("/")[0] for name in wheel.namelist()}
    assert {one for one in roots if not one.endswith(".dist-info")} == {
        "mmrl", "mmrl_agents", "mmrl_envs",
    }  # fmt: skip
    assert not [name for name in wheel.namelist() if name.endswith((".nbi", ".nbc", ".pyc"))]


def test_entry_points_lead_to_what_is_there(wheel):
    (name,) = [one for one in wheel.namelist() if one.endswith("entry_points.txt")]
    modules = re.findall(r"= ([\w.]+)", wheel.read(name).decode())
    paths = {module.replace(".", "/") for module in modules}
    names = set(wheel.namelist())
    assert not [one for one in paths if not {f"{one}.py", f"{one}/__init__.py"} & names]


def test_metadata(wheel):
    (name,) = [one for one in wheel.namelist() if one.endswith("METADATA")]
    text = wheel.read(name).decode()
    assert "Requires-Python: >=3.11" in text
    assert "Provides-Extra: play" in text
    assert "Requires-Dist: pygame" not in re.sub(r".*extra ==.*", "", text)
