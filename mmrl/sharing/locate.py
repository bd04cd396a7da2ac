"""Where a run is that a user names: a folder, ``zoo:name`` of a package, ``user/name`` of the hub.

The one place in which such a name becomes a folder. A folder that exists comes first. What is in a
folder is checked in the same way wherever it is from, see :mod:`mmrl.trust`.
"""

from __future__ import annotations

import os
from pathlib import Path

from mmrl.data.location import find_place
from mmrl.errors import UserError
from mmrl.experiment.run import CONFIG, Run
from mmrl.files import exists, is_file
from mmrl.sharing.hub import download
from mmrl.sharing.names import ZOO, is_hub_name, parse_hub_name
from mmrl.sharing.zoo import find_agent_folder


def find_run_folder(name: str | os.PathLike[str]) -> Path:
    """The folder of a run; it may not exist.

    Args:
        name: a folder, ``zoo:name``, or ``user/name[@revision]``, which is downloaded into the
            hub's cache.

    Raises:
        UserError: there is no such agent, or the hub cannot be reached.
    """
    text = os.fspath(name)
    if exists(text):
        return Path(text)
    if text.startswith(ZOO):
        return find_agent_folder(text.removeprefix(ZOO))
    return download(parse_hub_name(text)) if is_hub_name(text) else Path(text)


def names_dataset(name: str | os.PathLike[str]) -> bool:
    """Whether a name is that of a dataset on this machine, and of no run: a Minari id looks like a
    name of the hub.
    """
    text = os.fspath(name)
    if is_file(Path(text) / CONFIG):
        return False
    try:
        return is_file(find_place(text).metadata)
    except UserError:
        return False


def open_run(name: str | os.PathLike[str], *, trust_code: bool = False) -> Run:
    """The run of that name; see :func:`find_run_folder` and :meth:`~mmrl.experiment.run.Run.open`.

    Raises:
        UserError: as these.
    """
    return Run.open(find_run_folder(name), trust_code=trust_code)
