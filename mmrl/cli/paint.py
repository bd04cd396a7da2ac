"""``mmrl paint``: images generated from a sentence, and sprites."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmrl.arguments.parser import AsWritten, Parser
from mmrl.device import AUTO, DEVICES
from mmrl.errors import UserError
from mmrl.files import write_bytes
from mmrl.generative.image.painter import Painter
from mmrl.generative.image.sprites import SpritePainter
from mmrl.images import png
from mmrl.sharing.locate import find_run_folder
from mmrl.training.load import load
from mmrl.viz.contact_sheet import SheetImage, contact_sheet

_DESCRIPTION: Final = """\
Generate images from a sentence, with a painter that 'mmrl fit painter' made. The sentence lists the
contents of the image, separated by commas.

  mmrl paint runs/painter "a red ball, a closed door"
  mmrl paint runs/painter "a purple key in front of the agent" --out key.png --seed 3
  mmrl paint runs/painter "a green box in the agent's hands" --count 8   a contact sheet

Or generate single tiles, with a model that 'mmrl fit sprites' made; every seed has its own style:

  mmrl paint runs/sprites --sprite "a purple key" --out key.png
  mmrl paint runs/sprites --theme mine.npz --seed 3    all tiles: a theme of the grid worlds
  mmrl play mmrl/BossLevel-v0 --env-args "{theme: mine.npz}"
  mmrl train --env mmrl/GoToObj-v0 --env-args "{theme: [minigrid, mine.npz]}" --out runs/themes
"""
_GROUND: Final = 235


def run(arguments: list[str]) -> int:
    """Paint, and write a file."""
    parser = Parser(prog="mmrl paint", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument(
        "run", type=str, help="run folder that 'mmrl fit painter' or 'mmrl fit sprites' made"
    )
    parser.add_argument("sentence", type=str | None, nargs="?", help="the contents of the image")
    parser.add_argument("--sprite", type=str | None, default=None, help="the name of a sprite")
    parser.add_argument("--theme", type=str | None, default=None, help=".npz file of all sprites")
    parser.add_argument("--out", type=str, default="scene.png", help="image to write")
    parser.add_argument("--count", type=int, default=1, help="images; several make a sheet")
    parser.add_argument("--seed", type=int, default=0, help="of sampling")
    parser.add_argument(
        "--guidance", type=float, default=2.0, help="scale of classifier-free guidance"
    )
    parser.add_argument(
        "--temperature", type=float, default=1.0, help="of sampling; below 1, likelier images"
    )
    parser.add_argument("--device", type=str, default=AUTO, help=DEVICES)
    options = parser.parse_args(arguments)
    _check(options)
    if options.theme is not None:
        target = file_to_write("--theme", options.theme, ".npz")
        _write_theme(options, target)
    else:
        target = file_to_write("--out", options.out, ".png")
        _write_image(options, target)
    print(f"{'theme' if options.theme else 'image'}: {target}")
    return 0


def _check(options: Any) -> None:
    prompts = (options.sentence, options.sprite, options.theme)
    if sum(one is not None for one in prompts) != 1:
        raise UserError("give one prompt: a sentence, or --sprite NAME, or --theme FILE.npz")
    if options.count < 1 or options.seed < 0 or options.temperature <= 0:
        raise UserError(
            f"--count {options.count}, --seed {options.seed}, --temperature "
            f"{options.temperature}: must be at least 1, at least 0, and above 0"
        )


def _write_image(options: Any, target: Path) -> None:
    images = _sprites(options) if options.sprite is not None else _scenes(options)
    if options.count == 1:
        write_bytes(target, png(images[0]))
        return
    shown = [SheetImage(one if one.shape[2] == 3 else _laid(one), None, "") for one in images]
    write_bytes(target, png(contact_sheet(options.sentence or options.sprite, shown)))


def _scenes(options: Any) -> NDArray[np.uint8]:
    painter = cast("Painter", load(find_run_folder(options.run), "painter", options.device))
    return painter.paint(
        [options.sentence] * options.count,
        seed=options.seed,
        guidance=options.guidance,
        temperature=options.temperature,
    )


def _sprites(options: Any) -> NDArray[np.uint8]:
    """As many styles of one sprite, uint8 [B, S, S, 4]."""
    painter = cast("SpritePainter", load(find_run_folder(options.run), "sprites", options.device))
    styles = painter.styles(options.count, options.seed) * options.temperature
    return painter.paint([options.sprite] * options.count, styles)


def _write_theme(options: Any, target: Path) -> None:
    """All sprites in one style."""
    painter = cast("SpritePainter", load(find_run_folder(options.run), "sprites", options.device))
    style = painter.styles(1, options.seed) * options.temperature
    made = painter.paint(painter.names, style.expand(len(painter.names), -1))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(zip(painter.names, made, strict=True)))
    write_bytes(target, buffer.getvalue())


def _laid(sprite: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A sprite uint8 [S, S, 4] on a light ground, uint8 [S, S, 3]."""
    ground = Image.new("RGBA", sprite.shape[1::-1], (_GROUND, _GROUND, _GROUND, 255))
    return np.asarray(Image.alpha_composite(ground, Image.fromarray(sprite)).convert("RGB"))


def file_to_write(option: str, name: str, suffix: str) -> Path:
    """Where a file is to be written.

    Raises:
        UserError: no such folder, or another kind of file.
    """
    target = Path(name)
    if not target.resolve().parent.is_dir():
        raise UserError(f"{option} {target}: its folder does not exist")
    if target.is_dir() or target.suffix.lower() != suffix:
        raise UserError(f"{option} {target}: name a file that ends in {suffix}")
    return target
