"""Views, the image observations of agents: a view is one file, and one line here.

A view knows the shape of its frames and paints a range of the batch. The rules know nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from mmrl_envs.grid.core.state import Layout
from mmrl_envs.grid.rendering.themes import Theme, find_themes
from mmrl_envs.grid.rendering.views.egocentric import EgocentricPixels, EgocentricSymbols
from mmrl_envs.grid.rendering.views.first_person import FirstPersonPixels
from mmrl_envs.grid.rendering.views.overview import OverviewPixels, OverviewSymbols
from mmrl_envs.grid.rendering.views.themed import ThemedPixels
from mmrl_envs.grid.rendering.views.view import View

PIXELS: Final[dict[str, Callable[[Layout, Theme, int], View]]] = {
    "egocentric": EgocentricPixels,
    "full": OverviewPixels,
    "first_person": FirstPersonPixels,
}
"""Views in pixels by name; made from a layout, a theme and a tile size."""

SYMBOLS: Final[dict[str, Callable[[Layout], View]]] = {
    "egocentric": EgocentricSymbols,
    "full": OverviewSymbols,
}
"""Views in Minigrid's symbols by name; made from a layout."""

OBS: Final = ("pixels", "symbolic")


def make_view(
    layout: Layout, view: str, obs: str, tile_size: int, theme: str | Sequence[str]
) -> View:
    """The view that users name.

    Args:
        layout: of the grids.
        view: "egocentric", "full" or "first_person".
        obs: "pixels" or "symbolic", which the first person has not.
        tile_size: pixels a side of a cell; an eighth of a frame's side in the first person.
        theme: as :func:`mmrl_envs.grid.rendering.themes.find_theme` takes it; or several, of which
            each episode has one.

    Raises:
        ValueError: an unknown name, or a tile size that there is not.
    """
    looks = find_themes(theme)
    if obs not in OBS:
        raise ValueError(f"obs={obs!r}: choose from {', '.join(OBS)}")
    if view not in PIXELS:
        raise ValueError(f"view={view!r}: choose from {', '.join(PIXELS)}")
    if type(tile_size) is not int or tile_size < 1:
        raise ValueError(f"tile_size={tile_size!r}: must be a whole number of pixels, 1 or more")
    if obs == "symbolic":
        if view not in SYMBOLS:
            raise ValueError(f"view={view!r} has no symbols: choose from {', '.join(SYMBOLS)}")
        return SYMBOLS[view](layout)
    views = [PIXELS[view](layout, look, tile_size) for look in looks]
    return views[0] if len(views) == 1 else ThemedPixels(views)


__all__ = ["OBS", "PIXELS", "SYMBOLS", "View", "make_view"]
