"""``mmrl paint``: pictures of what a sentence asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

from mmrl.cli.parser import AsWritten, Parser
from mmrl.drawing import png
from mmrl.errors import UserError
from mmrl.files import write_bytes
from mmrl.fitting.loop import load
from mmrl.generative.painter import Painter
from mmrl.retrieval.sheet import Shown, contact_sheet

_DESCRIPTION: Final = """\
Paint what a sentence asks for, with a painter that 'mmrl fit painter' made. Things that are to be
in the picture stand with commas between them.

  mmrl paint runs/painter "a red ball, a closed door"
  mmrl paint runs/painter "a purple key in front of the agent" --out key.png --seed 3
  mmrl paint runs/painter "a green box in the agent's hands" --count 8   a contact sheet
"""


def run(arguments: list[str]) -> int:
    """Paint, and write a PNG file."""
    parser = Parser(prog="mmrl paint", description=_DESCRIPTION, formatter_class=AsWritten)
    parser.add_argument("run", type=str, help="run folder that 'mmrl fit painter' made")
    parser.add_argument("sentence", type=str, help="what is to be seen")
    parser.add_argument("--out", type=str, default="scene.png", help="picture to write")
    parser.add_argument("--count", type=int, default=1, help="pictures; several make a sheet")
    parser.add_argument("--seed", type=int, default=0, help="another one paints other pictures")
    parser.add_argument(
        "--guidance", type=float, default=2.0, help="above 1 it keeps to the sentence the more"
    )
    parser.add_argument(
        "--temperature", type=float, default=1.0, help="below 1 it prefers what is likelier"
    )
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu or cuda")
    options = parser.parse_args(arguments)
    if options.count < 1 or options.seed < 0 or options.temperature <= 0:
        raise UserError(
            f"--count {options.count}, --seed {options.seed}, --temperature "
            f"{options.temperature}: must be at least 1, at least 0, and above 0"
        )
    target = picture_file(options.out)
    painter = cast("Painter", load(options.run, "painter", options.device))
    pictures = painter.paint(
        [options.sentence] * options.count,
        seed=options.seed,
        guidance=options.guidance,
        temperature=options.temperature,
    )
    picture = pictures[0]
    if options.count > 1:
        picture = contact_sheet(options.sentence, [Shown(one, None, "") for one in pictures])
    write_bytes(target, png(picture))
    print(f"picture: {target}")
    return 0


def picture_file(name: str) -> Path:
    """Where a picture is to be written.

    Raises:
        UserError: no such folder, or no name of a PNG file.
    """
    target = Path(name)
    if not target.resolve().parent.is_dir():
        raise UserError(f"--out {target}: its folder does not exist")
    if target.is_dir() or target.suffix.lower() != ".png":
        raise UserError(f"--out {target}: name a file that ends in .png, such as scene.png")
    return target
