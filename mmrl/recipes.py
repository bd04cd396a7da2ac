"""Recipes: configurations of installed packages, found by their names.

A package names the folder of its YAML files in its ``pyproject.toml``::

    [project.entry-points."mmrl.recipes"]
    my_package = "my_package.recipes:FOLDER"

A recipe is called as its file in that folder is, without the suffix: ``levels/easy``; or by the
last part alone, ``easy``, where no other is called so. Suites of ``mmrl benchmark`` are found
alike, in the folders of the group ``mmrl.suites``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from mmrl.entry_points import entry_points
from mmrl.errors import UserError, unknown
from mmrl.files import is_file
from mmrl.yaml_text import read_yaml

RECIPES: Final = "mmrl.recipes"
"""The group of entry points."""
SUITES: Final = "mmrl.suites"
"""The group of entry points of suites, see :mod:`mmrl.experiment.benchmark`."""

CONFIG_HELP: Final = "YAML file with any of these, or the name of a recipe"
"""Help for the option ``--config``."""

_KINDS: Final = {RECIPES: "recipe", SUITES: "suite"}
_SUFFIX: Final = ".yaml"
_NAME: Final = re.compile(r"[\w.-]+([:/\\][\w.-]+)*")
_OPTION: Final = "--config"


@dataclass(frozen=True)
class Recipe:
    """A configuration of an installed package.

    Attributes:
        name: its path in the package's folder, without the suffix, with slashes.
        package: the name of the entry point.
        file: with its YAML.
    """

    name: str
    package: str
    file: Path

    @property
    def qualified_name(self) -> str:
        """The name with the package's, which is unambiguous: ``package:levels/easy``."""
        return f"{self.package}:{self.name}"

    @property
    def config(self) -> dict[str, Any]:
        """The configuration; empty where the file cannot be read as one."""
        try:
            read = read_yaml(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            return {}
        return read if isinstance(read, dict) else {}

    @property
    def summary(self) -> str:
        """The first line of its comment, without the mark; empty where it has none."""
        with suppress(OSError, ValueError):
            first = self.file.read_text(encoding="utf-8").partition("\n")[0]
            return first.removeprefix("#").strip() if first.startswith("#") else ""
        return ""

    def is_called(self, name: str) -> bool:
        """Whether a name is this one's, whole or in part."""
        return name in (self.name, self.qualified_name) or self.name.endswith(f"/{name}")


def all_recipes(group: str = RECIPES) -> list[Recipe]:
    """The recipes of all installed packages, by package and name; a package whose folder cannot be
    found is left out with a warning.

    Args:
        group: of entry points.
    """
    return [
        Recipe(file.relative_to(folder).with_suffix("").as_posix(), package, file)
        for package, folder in sorted(_folders(group))
        for file in sorted(folder.rglob(f"*{_SUFFIX}"))
    ]


def _folders(group: str) -> Iterator[tuple[str, Path]]:
    for package, entry in entry_points(group).items():
        try:
            yield package, Path(entry.load())
        except Exception as error:  # of any kind, from another package
            warnings.warn(
                f"the {_KINDS[group]}s of the package {package!r} ({entry.value}) cannot be found: "
                f"{type(error).__name__}: {error}",
                stacklevel=3,
            )


def find_recipe(name: str, group: str = RECIPES) -> Recipe:
    """The recipe of a name.

    Args:
        name: as :func:`all_recipes` has it, its last part, or with the package: ``package:name``.
        group: of entry points.

    Raises:
        UserError: there is none, with the nearest names; or several.
    """
    recipes = all_recipes(group)
    found = [one for one in recipes if one.name == name] or [
        one for one in recipes if one.is_called(name)
    ]
    if not found:
        raise _no_recipe(name, recipes, _KINDS[group])
    if len(found) > 1:
        names = ", ".join(one.qualified_name for one in found)
        raise UserError(f"several {_KINDS[group]}s are called {name!r}: give one of {names}")
    return found[0]


def _no_recipe(name: str, recipes: Sequence[Recipe], kind: str) -> UserError:
    """The error for a name that no recipe has, and no file."""
    stem = Path(name.replace("\\", "/")).stem
    for one in recipes:
        if one.is_called(stem):
            return UserError(f"there is no file {name!r}; there is the {kind} {one.name!r}")
    is_whole = re.search(r"[:/]", name) is not None
    known = {one.name if is_whole else one.name.rpartition("/")[2] for one in recipes}
    return unknown(f"{kind} or file", name, known)


def find_config_file(name: str, group: str = RECIPES) -> str:
    """The path of a configuration: a file that exists as it is, or else the recipe of that name.

    Args:
        name: of a file or a recipe.
        group: of entry points.

    Raises:
        UserError: there is neither.
    """
    return name if is_file(name) else str(find_recipe(name, group).file)


def with_config_files(arguments: Sequence[str]) -> list[str]:
    """Arguments whose ``--config`` names files alone: recipes are replaced by theirs. A value that
    is no name, such as YAML itself, stays.

    Raises:
        UserError: as :func:`find_config_file`.
    """
    found: list[str] = []
    before = ""
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if equals and option == _OPTION and _NAME.fullmatch(value):
            argument = f"{option}={find_config_file(value)}"
        elif before == _OPTION and _NAME.fullmatch(argument):
            argument = find_config_file(argument)
        found.append(argument)
        before = argument
    return found
