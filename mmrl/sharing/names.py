"""Names of runs and datasets that are no paths: ``user/name`` of the hub, ``zoo:name``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmrl.errors import UserError
from mmrl.files import exists, is_folder

ZOO: Final = "zoo:"
"""What the name of an agent of an installed package begins with."""
_PART: Final = r"[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?"
_HUB: Final = re.compile(rf"({_PART}/{_PART})(?:@([\w.-][\w./-]*))?", re.ASCII)
_FORM: Final = (
    "give user/name, or user/name@revision: letters, digits, dots, dashes and underscores"
)


@dataclass(frozen=True)
class HubName:
    """A repository of the hub.

    Attributes:
        repo: user/name.
        revision: a branch, a tag or a commit; None for the newest.
    """

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"


def parse_hub_name(name: str) -> HubName:
    """The repository of ``user/name[@revision]``.

    Raises:
        UserError: it is no such name.
    """
    found = _HUB.fullmatch(name)
    if found is None or ".." in name or "--" in found[1]:
        raise UserError(f"{name!r} is no name on the hub: {_FORM}")
    return HubName(found[1], found[2])


def is_hub_name(name: str) -> bool:
    """Whether a text names a repository of the hub, and not a folder: neither it nor the folder
    that it would be in exists here, so that the name of a local folder is never sent anywhere.
    """
    if exists(name) or is_folder(Path(name).parent):
        return False
    try:
        parse_hub_name(name)
    except UserError:
        return False
    return True
