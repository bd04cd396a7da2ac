"""Looks by name. A look of your own is a :class:`~.theme.Theme` in this dictionary."""

from __future__ import annotations

from typing import Final

from mmrl_envs.grid.themes import minigrid, neon, paper
from mmrl_envs.grid.themes.theme import Theme

THEMES: Final[dict[str, Theme]] = {
    "minigrid": minigrid.THEME,
    "paper": paper.THEME,
    "neon": neon.THEME,
}


def find_theme(name: str) -> Theme:
    """The theme of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in THEMES:
        raise ValueError(f"theme={name!r}: choose from {', '.join(THEMES)}")
    return THEMES[name]


__all__ = ["THEMES", "Theme", "find_theme"]
