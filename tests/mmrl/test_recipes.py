"""Recipes: those of installed packages are found by name, files that exist come first."""

import sys
from importlib.metadata import EntryPoint

import pytest

from mmrl import recipes
from mmrl.errors import UserError
from mmrl.recipes import all_recipes, find_config_file, find_recipe, with_config_files


@pytest.fixture(autouse=True)
def _packages(tmp_path, monkeypatch):
    """Two packages with recipes, and one whose folder cannot be found; none of them is ours."""
    files = {
        "farm": ("plow.yaml", "animals/feed.yaml", "animals/milk.yaml", "notes.txt"),
        "ship": ("plow.yaml", "deck/milk.yaml"),
    }
    for package, names in files.items():
        for name in names:
            file = tmp_path / package / "recipes" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"# First line of {file.stem}.\n# Second.\nenv: {package}:A-v0\n")
        (tmp_path / f"{package}_recipes.py").write_text(
            f"FOLDER = {str(tmp_path / package / 'recipes')!r}"
        )
        monkeypatch.delitem(sys.modules, f"{package}_recipes", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    found = {
        name: EntryPoint(name, f"{name}_recipes:FOLDER", recipes.RECIPES)
        for name in ("farm", "ship")
    }
    monkeypatch.setattr(recipes, "entry_points", lambda group: found)
    monkeypatch.chdir(tmp_path)


def names():
    return [one.qualified_name for one in all_recipes()]


def test_all():
    assert names() == [
        "farm:animals/feed", "farm:animals/milk", "farm:plow", "ship:deck/milk", "ship:plow",
    ]  # fmt: skip


def test_what_a_recipe_holds():
    recipe = find_recipe("feed")
    assert recipe.name == "animals/feed"
    assert recipe.config == {"env": "farm:A-v0"}
    assert recipe.summary == "First line of feed."


def test_a_file_that_is_no_configuration_is_listed(tmp_path):
    (tmp_path / "farm/recipes/plow.yaml").write_text("[1, 2\n")
    recipe = find_recipe("farm:plow")
    assert (recipe.config, recipe.summary) == ({}, "")


@pytest.mark.parametrize("name", ["animals/feed", "feed", "farm:animals/feed"])
def test_names(tmp_path, name):
    assert find_config_file(name) == str(tmp_path / "farm/recipes/animals/feed.yaml")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("plow", "give one of farm:plow, ship:plow"),
        ("milk", "give one of farm:animals/milk, ship:deck/milk"),
        ("fed", "did you mean 'feed'"),
        ("animals/fed", "did you mean 'animals/feed'"),
        ("ship:feed", "unknown recipe or file 'ship:feed'"),
        ("configs/feed.yaml", "no file 'configs/feed.yaml'; there is the recipe 'animals/feed'"),
    ],
)
def test_wrong_names(name, hint):
    with pytest.raises(UserError, match=hint) as raised:
        find_config_file(name)
    assert "\n" not in str(raised.value)


def test_a_file_comes_first(tmp_path):
    (tmp_path / "feed").write_text("steps: 1\n")
    assert find_config_file("feed") == "feed"
    assert find_config_file("farm/recipes/plow.yaml") == "farm/recipes/plow.yaml"


def test_a_folder_does_not_hide_a_recipe(tmp_path):
    (tmp_path / "feed").mkdir()
    assert find_config_file("feed").endswith("feed.yaml")


def test_arguments(tmp_path):
    file = str(tmp_path / "farm/recipes/animals/feed.yaml")
    assert with_config_files(["--config", "feed", "--out", "feed"]) == [
        "--config", file, "--out", "feed",
    ]  # fmt: skip
    assert with_config_files(["--config=feed"]) == [f"--config={file}"]
    inline = ["--config", "env: feed\nsteps: 3\n", "--config=steps: 4"]
    assert with_config_files(inline) == inline


def test_a_package_that_cannot_be_imported_is_left_out(monkeypatch):
    broken = EntryPoint("broken", "no_such_module:FOLDER", recipes.RECIPES)
    monkeypatch.setattr(recipes, "entry_points", lambda group: {"broken": broken})
    with pytest.warns(UserWarning, match="recipes of the package 'broken'"):
        assert all_recipes() == []
