"""Looks by name, or from files. A look of your own is a :class:`~.theme.Theme` in this dictionary,
or a folder of pictures, see :mod:`~.files`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mmrl_envs.grid.themes import minigrid, neon, paper
from mmrl_envs.grid.themes.theme import Theme

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
    from mmrl_envs.grid.themes.files import read_theme

    return read_theme(Path(name))


__all__ = ["THEMES", "Theme", "find_theme"]
