"""All tables that are generated, by name, and how they get into a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import Final

from figures import tables_generative, tables_learning, tables_methods, tables_speed

_BLOCK: Final = re.compile(
    r"(<!-- table: (?P<name>\w+) -->\n)(?P<table>.*?)(<!-- end of table -->)", re.DOTALL
)


def table(name: str) -> str:
    """A table by its name.

    Raises:
        KeyError: there is none.
    """
    for module in (tables_speed, tables_learning, tables_methods, tables_generative):
        found = _function(module, name)
        if found is not None:
            return found()
    raise KeyError(name)


def _function(module: ModuleType, name: str) -> Callable[[], str] | None:
    found = getattr(module, name, None)
    is_own = getattr(found, "__module__", None) == module.__name__
    return found if is_own and not name.startswith("_") else None


def names(page: str) -> list[str]:
    """The names of a page's tables."""
    return [match["name"] for match in _BLOCK.finditer(page)]


def refreshed(page: str) -> str:
    """A page with its tables as they have to be."""
    return _BLOCK.sub(lambda match: f"{match[1]}\n{table(match['name'])}\n\n{match[4]}", page)


def without(page: str) -> str:
    """A page without its generated tables."""
    return _BLOCK.sub("", page)
