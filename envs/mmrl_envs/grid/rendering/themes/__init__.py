"""Themes by name, or from files. A theme of your own is a :class:`~.theme.Theme` in this
dictionary, or a folder of images, see :mod:`~.files`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mmrl_envs.grid.rendering.themes import minigrid, neon, paper
from mmrl_envs.grid.rendering.themes.files import read_theme
from mmrl_envs.grid.rendering.themes.theme import Theme

THEMES: Final[dict[str, Theme]] = {
    "minigrid": minigrid.THEME,
    "paper": paper.THEME,
    "neon": neon.THEME,
}


def find_theme(name: str) -> Theme:
    """The theme of that name, or in that folder or file.

    Raises:
        ValueError: there is none.
    """
    if name in THEMES:
        return THEMES[name]
    if not Path(name).exists():
        raise ValueError(
            f"theme={name!r}: choose from {', '.join(THEMES)}, or name a folder or .npz file of "
            "tiles that exists"
        )
    return read_theme(Path(name))


def find_themes(names: str | Sequence[str]) -> list[Theme]:
    """The themes of some names, or the one of a single name.

    Raises:
        ValueError: none is named, or one that there is not.
    """
    listed = [names] if isinstance(names, str) else list(names)
    if not listed or not all(isinstance(name, str) for name in listed):
        raise ValueError(f"theme={names!r}: must be a name, or a list of one name or more")
    return [find_theme(name) for name in listed]


__all__ = ["THEMES", "Theme", "find_theme", "find_themes"]
