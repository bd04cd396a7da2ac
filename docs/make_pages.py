"""Writes the pages about the levels of the grid worlds, and draws their images.

    python docs/make_pages.py

One page for each level family in docs/levels: a level's task, parameters, an instruction and
an image of its first episode. Also docs/views.png and docs/play.png. The same code writes the same
files: the tests compare.
"""

from __future__ import annotations

import inspect
import io
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mmrl.files import write_atomically, write_bytes
from mmrl.viz.window.drawing import draw
from mmrl.viz.window.player import Player
from mmrl.viz.window.session import Session
from mmrl_envs.grid.generation.levels import FAMILIES, Level
from mmrl_envs.grid.rendering.themes import THEMES
from mmrl_envs.grid.rendering.views import PIXELS
from mmrl_envs.grid.rendering.views.first_person import SIDE
from mmrl_envs.grid.worlds import GridWorlds

HERE: Final = Path(__file__).parent
_THUMB: Final = 176
_GAP: Final = 16
_CAPTION: Final = 22
_PAPER: Final = (255, 255, 255)
_INK: Final = (60, 60, 66)

INTRODUCTIONS: Final = {
    "go to": "The agent has to stop in front of the named object or door.",
    "open": "A door has to be opened; a locked one needs the key of its colour.",
    "pick up": "An object has to be picked up; the agent carries one object at a time.",
    "put next to": "One object has to be put next to another.",
    "unlock": "Locked doors are in the way, and their keys have to be found.",
    "other": "Mazes, corridors and rooms with other tasks.",
    "any instruction": "Every sentence of the language: up to four clauses, ordered or not.",
}


def slug(family: str) -> str:
    """A family's file name."""
    return family.replace(" ", "_")


def first_episode(name: str, **options: Any) -> GridWorlds:
    """A level's episode of seed 0."""
    worlds = GridWorlds(name, 1, **options)
    worlds.seed(np.zeros(1, np.uint64))
    worlds.reset()
    return worlds


def sizes_of(level: Level) -> str:
    """A level's parameters with their values, as they are given to ``gym.make``."""
    defaults = inspect.signature(level.build).parameters
    values = {name: level.sizes.get(name, one.default) for name, one in defaults.items()}
    return ", ".join(f"`{name}={value!r}`" for name, value in values.items())


def page(family: str) -> str:
    """The text of a family's page."""
    levels = FAMILIES[family]
    lines = [
        f"# Levels: {family}",
        "",
        INTRODUCTIONS[family],
        "",
        f"![The first episode of each level]({slug(family)}.png)",
        "",
        "| `gym.make` | task | parameters | step limit | an instruction |",
        "|---|---|---|--:|---|",
    ]
    for name, level in levels.items():
        worlds = first_episode(name)
        summary = " ".join((inspect.getdoc(level.build) or "").split("\n\n")[0].split())
        lines.append(
            f"| `mmrl/{name}-v0` | {summary} | {sizes_of(level)} "
            f"| {worlds.state.max_steps[0]} | {worlds.sentences[0]} |"
        )
    lines += [
        "",
        "Step limit and instruction are those of seed 0. Parameters are arguments of "
        f'`gym.make`, such as `gym.make("mmrl/{name}-v0", room_size=9)`.',
        "",
        "_Written by `python docs/make_pages.py`._",
        "",
    ]
    return "\n".join(lines)


def overview() -> str:
    """The text of the page that leads to the others."""
    lines = [
        "# Grid worlds",
        "",
        "BabyAI's 96 levels, equal to Minigrid's frame by frame. Each is `mmrl/<level>-v0`.",
        "",
    ]
    lines += [
        f"- [{family}]({slug(family)}.md): {len(levels)} levels. {INTRODUCTIONS[family]}"
        for family, levels in FAMILIES.items()
    ]
    lines += [
        "",
        "## Views and themes",
        "",
        "![Views and themes](../views.png)",
        "",
        '`view="egocentric"` (the default), `"full"` or `"first_person"`, `obs="pixels"` or '
        '`"symbolic"` (not in the first person), `tile_size=8`, and `theme=` one of '
        f"{', '.join(f'`{name}`' for name in THEMES)}.",
        "",
        "_Written by `python docs/make_pages.py`._",
        "",
    ]
    return "\n".join(lines)


def fit(frame: NDArray[np.uint8]) -> Image.Image:
    """An image in a square of the sheet."""
    image = Image.fromarray(frame)
    scale = _THUMB / max(image.size)
    how = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    image = image.resize((round(image.width * scale), round(image.height * scale)), how)
    square = Image.new("RGB", (_THUMB, _THUMB), _PAPER)
    square.paste(image, ((_THUMB - image.width) // 2, (_THUMB - image.height) // 2))
    return square


def sheet(frames: list[tuple[str, NDArray[np.uint8]]], columns: int = 4) -> bytes:
    """Images with their names, as a PNG."""
    rows = -(-len(frames) // columns)
    width = _GAP + columns * (_THUMB + _GAP)
    height = _GAP + rows * (_THUMB + _CAPTION + _GAP)
    image = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(image)
    for k, (name, frame) in enumerate(frames):
        x = _GAP + k % columns * (_THUMB + _GAP)
        y = _GAP + k // columns * (_THUMB + _CAPTION + _GAP)
        image.paste(fit(frame), (x, y))
        pen.text((x, y + _THUMB + 4), name, _INK, ImageFont.load_default(12))
    return png(image)


def png(image: Image.Image) -> bytes:
    """An image as the bytes of a PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def views() -> bytes:
    """What an agent gets to see, in every theme."""
    frames = []
    for view in PIXELS:
        size = _THUMB // SIDE if view == "first_person" else 16
        for theme in THEMES:
            worlds = first_episode("GoToObjDoor", theme=theme, view=view, tile_size=size)
            frames.append((f"{view}, {theme}", worlds.frame(0)))
    return sheet(frames, columns=len(THEMES))


def playing() -> bytes:
    """The window of ``mmrl play``."""
    session = Session("mmrl/BossLevel-v0", {}, 3)
    player = Player(session, shows_map=True)
    for key in ("up", "left", "up", "up"):
        player.press(key)
    session.close()
    return png(Image.fromarray(draw(player.scene())))


def main() -> None:
    """Write everything."""
    folder = HERE / "levels"
    folder.mkdir(exist_ok=True)
    write_atomically(folder / "README.md", overview())
    for family, levels in FAMILIES.items():
        write_atomically(folder / f"{slug(family)}.md", page(family))
        frames = [(name, first_episode(name).image(0, 16)) for name in levels]
        write_bytes(folder / f"{slug(family)}.png", sheet(frames))
    write_bytes(HERE / "views.png", views())
    write_bytes(HERE / "play.png", playing())
    print(f"written to {folder}")


if __name__ == "__main__":
    main()
