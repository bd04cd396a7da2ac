"""Agents that come with installed packages, by their names.

A package offers a folder of exported runs (``mmrl export``), each under its name, by naming the
package that holds them in its ``pyproject.toml``::

    [project.entry-points."mmrl.zoo"]
    my_package = "my_package.zoo"

``zoo:name`` is then one of them wherever a run is named.
"""

from __future__ import annotations

import warnings
from importlib.resources import files
from pathlib import Path

from mmrl.entry_points import entry_points
from mmrl.errors import unknown
from mmrl.experiment.run import CONFIG
from mmrl.registry import ZOO


def zoo_folders() -> dict[str, Path]:
    """The folders of all agents by their names, sorted; the first package of a name has it. A
    package that cannot be imported is skipped with a warning.
    """
    found: dict[str, Path] = {}
    for name, entry in entry_points(ZOO).items():
        try:
            root = Path(str(files(entry.value)))
        except Exception as error:  # of any kind, from another package
            warnings.warn(
                f"the agents of the package {name!r} ({entry.value}) cannot be found: "
                f"{type(error).__name__}: {error}",
                stacklevel=2,
            )
            continue
        for file in sorted(root.glob(f"*/{CONFIG}")):
            found.setdefault(file.parent.name, file.parent)
    return dict(sorted(found.items()))


def find_agent_folder(name: str) -> Path:
    """The folder of an agent.

    Raises:
        UserError: there is none of that name; with the nearest ones that there are.
    """
    folders = zoo_folders()
    if name not in folders:
        raise unknown("agent of the zoo", name, folders)
    return folders[name]
