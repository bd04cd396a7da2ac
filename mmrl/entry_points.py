"""Entry points of installed packages, by their group; nothing is imported."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, distributions

from mmrl.trust import packages_path


@cache
def entry_points(group: str) -> dict[str, EntryPoint]:
    """Those of installed packages by their names, the first of a name. A module in the working
    directory offers none.

    Args:
        group: such as ``mmrl.environments``.
    """
    return {
        entry.name: entry
        for distribution in reversed(list(distributions(path=packages_path())))
        for entry in distribution.entry_points
        if entry.group == group
    }
