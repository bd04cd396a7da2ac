"""Themes in files: an image for each tile, to be drawn by hand or by a model.

    python -m mmrl_envs.grid.rendering.themes neon ./neon --tile-size 16
    gym.make("mmrl/GoToLocal-v0", theme="./neon")       # the folder that this began

A theme is a folder of PNG files, or an ``.npz`` file of arrays uint8 [S, S, 3 or 4], which are all
of one size. They are called ``floor``, ``wall``, ``agent`` (pointing right), and ``<colour> key``,
``<colour> ball``, ``<colour> box``, ``open <colour> door``, ``closed <colour> door`` and
``locked <colour> door`` for red, green, blue, purple, yellow and grey. ``unseen`` is what an agent
does not see; the floor, where there is none. Where an image is transparent, the floor shows.
"""

from __future__ import annotations

import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from PIL import Image

from mmrl_envs.grid.core.cells import BALL, BOX, DOOR_CLOSED, DOOR_LOCKED, DOOR_OPEN, KEY, WALL
from mmrl_envs.grid.rendering.themes.canvas import Canvas, Color
from mmrl_envs.grid.rendering.themes.minigrid import THEME as MINIGRID
from mmrl_envs.grid.rendering.themes.theme import Drawing, Theme

Sprites = dict[str, NDArray[np.uint8]]
"""Images by name, uint8 [S, S, 4]."""

_THINGS: Final = {
    KEY: "{} key",
    BALL: "{} ball",
    BOX: "{} box",
    DOOR_OPEN: "open {} door",
    DOOR_CLOSED: "closed {} door",
    DOOR_LOCKED: "locked {} door",
}
_FORMATS: Final = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
_MOST_PIXELS: Final = 2**26
_LARGEST: Final = 2**28  # bytes that an archive unpacks to
_LONGEST: Final = 200  # characters of a reason
_DAMAGE: Final = (
    OSError, EOFError, ValueError, SyntaxError, RuntimeError, LookupError, TypeError,
    AttributeError, OverflowError, MemoryError, TokenError, zipfile.BadZipFile, zlib.error,
    struct.error,
)  # fmt: skip
"""What Pillow, zipfile and numpy raise for a damaged file."""
_NAMES_OF: Final = {color: name for name, color in MINIGRID.colors.items()}
NEEDED: Final = (
    "floor",
    "wall",
    "agent",
    *(name.format(color) for name in _THINGS.values() for color in MINIGRID.colors),
)
"""The names of the images that a theme needs."""


def read_theme(path: Path) -> Theme:
    """The theme in a folder of PNG files, or in an ``.npz`` file.

    Raises:
        ValueError: it cannot be read, lacks images, or has some of the wrong size; they are
            named.
    """
    return _theme(read_sprites(path))


def read_sprites(path: Path) -> Sprites:
    """The images of a theme in files.

    Raises:
        ValueError: as :func:`read_theme`.
    """
    try:
        found = _of_folder(path) if path.is_dir() else _of_archive(path)
    except _DAMAGE as error:
        why = " ".join(str(error).split())[:_LONGEST] or type(error).__name__
        raise ValueError(f"theme={str(path)!r} cannot be read: {why}") from error
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise ValueError(
            f"theme={str(path)!r} lacks {len(missing)} of {len(NEEDED)} images: "
            f"{', '.join(missing[:6])}{' …' if len(missing) > 6 else ''}"
        )
    side = len(found["floor"])
    wrong = {
        name: one.shape
        for name, one in found.items()
        if one.dtype != np.uint8 or one.shape not in ((side, side, 3), (side, side, 4)) or not side
    }
    if wrong:
        name, shape = next(iter(wrong.items()))
        raise ValueError(
            f"theme={str(path)!r}: {name} is {found[name].dtype} {list(shape)}: every image must "
            f"be uint8 [S, S, 3 or 4], of the size of the floor, which is {side}"
        )
    return {name: _with_alpha(one) for name, one in found.items()}


def write_sprites(sprites: Sprites, path: Path) -> None:
    """Write images as an ``.npz`` file, or as PNG files into a folder, which is made."""
    if path.suffix == ".npz":
        np.savez_compressed(path, **sprites)  # type: ignore[arg-type]
        return
    path.mkdir(parents=True, exist_ok=True)
    for name, one in sprites.items():
        Image.fromarray(one).save(path / f"{name}.png")


def sprites_of(theme: Theme, tile_size: int) -> Sprites:
    """A theme's images, everything but the floor cut out."""
    grey = theme.colors["grey"]
    drawn: dict[str, Callable[[Canvas], None]] = {
        "floor": theme.floor,
        "unseen": theme.unseen,
        "wall": lambda canvas: theme.drawings[WALL](canvas, grey),
        "agent": lambda canvas: theme.agent(canvas, 0),
    }
    found = {name: _cut_out(draw, tile_size) for name, draw in drawn.items()}
    for kind, name in _THINGS.items():
        for color, rgb in theme.colors.items():
            draw = theme.drawings[kind]
            found[name.format(color)] = _cut_out(
                lambda canvas, draw=draw, rgb=rgb: draw(canvas, rgb),  # type: ignore[misc]
                tile_size,
            )
    return found


def _theme(sprites: Mapping[str, NDArray[np.uint8]]) -> Theme:
    def drawing(name: str) -> Drawing:
        def draw(canvas: Canvas, color: Color) -> None:
            _paste(canvas, sprites[name.format(_NAMES_OF[color])])

        return draw

    return Theme(
        colors=MINIGRID.colors,
        floor=lambda canvas: _paste(canvas, sprites["floor"]),
        drawings={WALL: drawing("wall")} | {kind: drawing(one) for kind, one in _THINGS.items()},
        agent=lambda canvas, direction: _paste(canvas, np.rot90(sprites["agent"], -direction)),
        highlight=MINIGRID.highlight,
        unseen=lambda canvas: _paste(canvas, sprites.get("unseen", sprites["floor"])),
    )


def _paste(canvas: Canvas, sprite: NDArray[np.uint8]) -> None:
    """Lay an image, uint8 [S, S, 4], over everything."""
    side = len(canvas.samples)
    nearest = (np.arange(side) * 2 + 1) * len(sprite) // (2 * side)
    over = sprite[nearest][:, nearest].astype(np.float32)
    share = over[..., 3:] / 255
    mixed = canvas.samples * (1 - share) + over[..., :3] * share
    canvas.samples[:] = mixed.round().astype(np.uint8)


def _cut_out(draw: Callable[[Canvas], None], tile_size: int) -> NDArray[np.uint8]:
    """What a drawing adds, uint8 [S, S, 4]: drawn on black and on white, and compared."""
    on_black, on_white = Canvas(tile_size), Canvas(tile_size)
    on_white.fill((255, 255, 255))
    draw(on_black)
    draw(on_white)
    black, white = on_black.pixels().astype(np.float32), on_white.pixels().astype(np.float32)
    alpha = (255 - (white - black).mean(2, keepdims=True)).clip(0, 255)
    color = (black * 255 / np.maximum(alpha, 1)).clip(0, 255)
    return np.concatenate([color, alpha], 2).round().astype(np.uint8)


def _with_alpha(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.shape[2] == 4:
        return image
    return np.concatenate([image, np.full_like(image[..., :1], 255)], 2)


def _of_folder(folder: Path) -> Sprites:
    return {file.stem: _decoded(file) for file in sorted(folder.glob("*.png"))}


def _decoded(file: Path) -> NDArray[np.uint8]:
    """A PNG or another common image file, uint8 [H, W, 4]; never by a program that Pillow starts.

    Raises:
        OSError, ValueError, SyntaxError: it is none, damaged, or larger than any tile.
    """
    if not file.is_file():
        raise ValueError(f"{file.name} is no regular file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(file, formats=_FORMATS)
        except Image.DecompressionBombError as error:
            raise ValueError(f"{file.name}: {error}") from error
    with image:
        if image.width * image.height > _MOST_PIXELS:
            raise ValueError(
                f"{file.name}: {image.width} × {image.height} pixels, and at most "
                f"{_MOST_PIXELS:,} are read"
            )
        return np.asarray(image.convert("RGBA"))


def _of_archive(file: Path) -> Sprites:
    """The arrays of an archive, whose sizes are checked before memory is asked for."""
    if file.exists() and not file.is_file():
        raise ValueError("it is neither a folder nor a regular file")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        total = sum(one.file_size for one in members)
        if total > _LARGEST:
            raise ValueError(f"it unpacks to {total:,} bytes, and at most {_LARGEST:,} are read")
        return {one.filename.removesuffix(".npy"): _array(archive, one) for one in members}


def _array(archive: zipfile.ZipFile, about: zipfile.ZipInfo) -> NDArray[np.uint8]:
    with archive.open(about) as content:
        if npy.read_magic(content) != (1, 0):
            raise ValueError(f"{about.filename} has another header than an image")
        shape, _, dtype = npy.read_array_header_1_0(content)
        if prod(shape) * dtype.itemsize != about.file_size - content.seek(0, os.SEEK_CUR):
            raise ValueError(f"{about.filename} declares {list(shape)}, which it does not hold")
    with archive.open(about) as content:
        return np.asarray(npy.read_array(content, allow_pickle=False))
