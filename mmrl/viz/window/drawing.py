"""The window's contents as an image, drawn without a screen: what is shown is also recorded."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mmrl.images import fitted

_GAP: Final = 24
_SIDE: Final = 560  # of the large image
_INSET: Final = 156  # of the small one
_PANEL: Final = 264  # width beside the large image
_HEADER: Final = 104
WIDTH: Final = _GAP + _SIDE + _GAP + _PANEL + _GAP
HEIGHT: Final = _HEADER + _SIDE + _GAP

_PAPER: Final = (248, 247, 243)
_CARD: Final = (255, 255, 255)
_LINE: Final = (222, 219, 210)
_INK: Final = (34, 34, 40)
_FAINT: Final = (126, 124, 120)
_BLUE: Final = (66, 103, 178)
_PALE: Final = (198, 210, 234)
_ARROWS: Final = {
    "←": ((-1, 0), (0.7, -1), (0.7, 1)),
    "→": ((1, 0), (-0.7, -1), (-0.7, 1)),
    "↑": ((0, -1), (-1, 0.7), (1, 0.7)),
}
"""Keys that are drawn, since fonts may lack them: corners around the middle."""
GREEN: Final = (34, 139, 84)
RED: Final = (192, 57, 52)


@dataclass(frozen=True)
class Scene:
    """All that a window shows.

    Attributes:
        title: small, above the instruction.
        instruction: large.
        image, caption: the large image, uint8 [H, W, 3], and what it is.
        inset, inset_caption: the small one; None where there is only one.
        status: lines of a name and a value.
        keys: what may be pressed, and what it does.
        bars: a name, a share from 0 to 1, and whether it was chosen.
        banner: written over the image at an episode's end, and whether that is good news.
        notice: written over the top of the image, in a frame; none where it is empty.
    """

    title: str
    instruction: str
    image: NDArray[np.uint8]
    caption: str
    inset: NDArray[np.uint8] | None = None
    inset_caption: str = ""
    status: Sequence[tuple[str, str]] = ()
    keys: Sequence[tuple[str, str]] = ()
    bars: Sequence[tuple[str, float, bool]] = field(default=())
    banner: tuple[str, bool] | None = None
    notice: str = ""


def draw(scene: Scene) -> NDArray[np.uint8]:
    """A scene as an image, uint8 [HEIGHT, WIDTH, 3]."""
    sheet = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, 16), scene.title, _FAINT, _font(13))
    _write_instruction(pen, scene.instruction)
    _draw_image(sheet, pen, scene)
    left, top = _GAP + _SIDE + _GAP, _HEADER
    if scene.inset is not None:
        top = _draw_inset(sheet, pen, scene, left, top)
    if scene.bars:
        top = _draw_bars(pen, scene.bars, left, top)
    _draw_keys(pen, scene.keys, left, top)
    _draw_status(pen, scene.status, left)
    return np.asarray(sheet)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _write_instruction(pen: ImageDraw.ImageDraw, text: str) -> None:
    """As large as three lines allow."""
    for size, columns in ((26, 60), (21, 76), (17, 96), (14, 120)):
        lines = textwrap.wrap(text, columns) or [""]
        if len(lines) * size * 1.25 <= 60:
            break
    for k, line in enumerate(lines):
        pen.text((_GAP, 36 + k * size * 1.25), line, _INK, _font(size))


def _draw_image(sheet: Image.Image, pen: ImageDraw.ImageDraw, scene: Scene) -> None:
    left, top = _GAP, _HEADER
    sheet.paste(fitted(scene.image, _SIDE, _LINE), (left, top))
    pen.rectangle((left - 1, top - 1, left + _SIDE, top + _SIDE), outline=_LINE)
    pen.text((left + _SIDE, top - 18), scene.caption, _FAINT, _font(12), anchor="ra")
    if scene.notice:
        pen.rectangle((left - 1, top - 1, left + _SIDE, top + _SIDE), outline=_BLUE, width=6)
        pen.rectangle((left, top, left + _SIDE - 1, top + 27), fill=_BLUE)
        middle = left + _SIDE // 2, top + 13
        pen.text(middle, scene.notice, (255, 255, 255), _font(14), anchor="mm")
    if scene.banner is None:
        return
    text, is_good = scene.banner
    y = top + _SIDE - 52
    pen.rectangle((left, y, left + _SIDE - 1, top + _SIDE - 1), fill=GREEN if is_good else RED)
    pen.text((left + _SIDE // 2, y + 26), text, (255, 255, 255), _font(20), anchor="mm")


def _draw_inset(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, scene: Scene, left: int, top: int
) -> int:
    assert scene.inset is not None
    sheet.paste(fitted(scene.inset, _INSET, _LINE), (left, top))
    pen.rectangle((left - 1, top - 1, left + _INSET, top + _INSET), outline=_LINE)
    pen.text((left, top - 18), scene.inset_caption, _FAINT, _font(12))
    return top + _INSET + 18


def _draw_bars(
    pen: ImageDraw.ImageDraw, bars: Sequence[tuple[str, float, bool]], left: int, top: int
) -> int:
    name_width, row = 76, 21
    for name, share, chosen in bars:
        color = _BLUE if chosen else _PALE
        pen.text((left, top + 4), name[:11], _INK if chosen else _FAINT, _font(13))
        start, width = left + name_width, _PANEL - name_width - 44
        pen.rectangle((start, top + 5, start + width, top + 17), fill=_CARD, outline=_LINE)
        if share > 0:
            pen.rectangle((start, top + 5, start + max(1, round(share * width)), top + 17), color)
        ink = _INK if chosen else _FAINT
        pen.text((left + _PANEL, top + 4), f"{share:.0%}", ink, _font(13), anchor="ra")
        top += row
    return top + 12


def _draw_keys(
    pen: ImageDraw.ImageDraw, keys: Sequence[tuple[str, str]], left: int, top: int
) -> None:
    """Two columns of key caps."""
    row, column = 26, _PANEL // 2
    for k, (key, meaning) in enumerate(keys):
        x, y = left + k % 2 * column, top + k // 2 * row
        width = 24 if key in _ARROWS else max(24, round(pen.textlength(key, _font(12))) + 12)
        pen.rounded_rectangle((x, y, x + width, y + 21), 5, _CARD, _LINE)
        if key in _ARROWS:
            corners = [(x + width / 2 + 5 * dx, y + 10.5 + 5 * dy) for dx, dy in _ARROWS[key]]
            pen.polygon(corners, _INK)
        else:
            pen.text((x + width / 2, y + 10), key, _INK, _font(12), anchor="mm")
        pen.text((x + width + 7, y + 10), meaning, _FAINT, _font(13), anchor="lm")


def _draw_status(pen: ImageDraw.ImageDraw, status: Sequence[tuple[str, str]], left: int) -> None:
    top = HEIGHT - _GAP - 21 * len(status)
    pen.line((left, top - 10, left + _PANEL, top - 10), _LINE)
    for k, (name, value) in enumerate(status):
        pen.text((left, top + 21 * k), name, _FAINT, _font(13))
        pen.text((left + _PANEL, top + 21 * k), value, _INK, _font(13), anchor="ra")
