"""All tables that are generated, by name, and how they get into a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import Final

from figures import (
    tables_generative,
    tables_imitation,
    tables_learning,
    tables_methods,
    tables_speed,
)
from figures.reading import RESULTS
from mmrl.experiment.benchmark import read_table, table_names, with_table, without_tables

_BEGIN: Final = "<!-- table: "
_BLOCK: Final = re.compile(
    rf"({re.escape(_BEGIN)}(?P<name>\w+) -->\n)(?P<table>(?:\|.*\n|\n)*)(<!-- end of table -->)"
)


def table(name: str) -> str:
    """A table by its name.

    Raises:
        KeyError: there is none.
    """
    modules = (tables_speed, tables_learning, tables_imitation, tables_methods, tables_generative)
    for module in modules:
        found = _function(module, name)
        if found is not None:
            return found()
    raise KeyError(name)


def _function(module: ModuleType, name: str) -> Callable[[], str] | None:
    found = getattr(module, name, None)
    is_own = getattr(found, "__module__", None) == module.__name__
    return found if is_own and not name.startswith("_") else None


def names(page: str) -> list[str]:
    """The names of a page's tables.

    Raises:
        ValueError: between the comments of one there is something else than a table.
    """
    found = [match["name"] for match in _BLOCK.finditer(page)]
    if len(found) != page.count(_BEGIN):
        raise ValueError(f"a table holds text, or has no end; whole are: {', '.join(found)}")
    return found


def refreshed(page: str) -> str:
    """A page with its tables as they have to be; those of suites are of ``mmrl benchmark``.

    Raises:
        ValueError: as :func:`names`.
    """
    names(page)
    for suite in table_names(page):
        page = with_table(page, suite, read_table(RESULTS / f"benchmark-{suite}.json")[1])
    return _BLOCK.sub(lambda match: f"{match[1]}\n{table(match['name'])}\n\n{match[4]}", page)


def without(page: str) -> str:
    """A page without its generated tables."""
    return without_tables(_BLOCK.sub("", page))
