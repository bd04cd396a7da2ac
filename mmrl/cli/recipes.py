"""``mmrl recipes``: the configurations that installed packages bring."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from mmrl.arguments.parser import AsWritten, Parser
from mmrl.env_sets import short_name, with_env_text
from mmrl.errors import UserError
from mmrl.recipes import Recipe, all_recipes, find_recipe
from mmrl.text_output import format_table, printable

_DESCRIPTION: Final = """\
List the recipes of installed packages: configurations for 'mmrl train', 'mmrl ablate', 'mmrl tune'
and, with a task in place of the agent, 'mmrl fit'. A name stands wherever a configuration file can.

  mmrl recipes                            all of them
  mmrl recipes list local                 those whose name contains "local"
  mmrl recipes show demo                  the YAML of one, to read or to begin with
  mmrl train --config demo --out runs/demo
"""
_LONGEST: Final = 80  # characters of a summary
_COLUMNS: Final = ("recipe", "environment or data", "agent or task", "steps", "what")


def run(arguments: list[str]) -> int:
    """List recipes, or show one."""
    parser = Parser(prog="mmrl recipes", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("action", nargs="?", default="list", help="list or show")
    parser.add_argument("name", nargs="?", default="", help="of a recipe; part of it for list")
    options = parser.parse_args(arguments)
    if options.action == "show":
        if not options.name:
            raise UserError("name the recipe to show: 'mmrl recipes' lists them")
        text = find_recipe(options.name).file.read_text(encoding="utf-8")
        print(printable(text.rstrip(), breaks=True))
    elif options.action == "list":
        print(format_recipes([one for one in all_recipes() if options.name in one.name]))
    else:
        raise UserError(f"mmrl recipes {options.action}: give list or show")
    return 0


def format_recipes(recipes: Sequence[Recipe]) -> str:
    """A table of recipes, a line each, by the package that brings them."""
    if not recipes:
        return "there are none"
    lines = []
    for package in dict.fromkeys(one.package for one in recipes):
        rows = [_row(one) for one in recipes if one.package == package]
        lines += [printable(package), format_table(_COLUMNS, rows)]
    return "\n".join(lines)


def _row(recipe: Recipe) -> list[str]:
    config = recipe.config
    data = with_env_text(config).get("env", config.get("data", ""))
    steps = config.get("steps", "")
    return [
        recipe.name,
        ", ".join(map(str, data)) if isinstance(data, list) else short_name(str(data)),
        str(config.get("agent", config.get("task", ""))),
        f"{steps:,}" if isinstance(steps, int) else str(steps),
        textwrap.shorten(recipe.summary, _LONGEST, placeholder=" …"),
    ]
