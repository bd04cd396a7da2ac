"""A summary of a dataset: counts and tables, and first and last images on one sheet."""

from __future__ import annotations

import re
import textwrap
import warnings
from collections import Counter
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mmrl.data.dataset import EpisodeDataset
from mmrl.data.episode import Columns, Episode
from mmrl.images import GREEN, INK, PAPER, RED, png
from mmrl.optional_packages import install_line
from mmrl.text_output import printable
from mmrl.wrappers.adapt.config import TERMINATED

_MOST_FREQUENT: Final = 8
_KINDS: Final = 20
_SIDE: Final = 168  # pixels of an image on the sheet
_GAP: Final = 10
_CAPTION: Final = 50
_ACROSS: Final = 4
_HAN: Final = re.compile("[\u3400-\u9fff]")
_OUTCOMES: Final = {True: ("success", GREEN), False: ("failure", RED), None: ("unknown", INK)}
_CHINESE: Final = re.compile("CJK|WenQuanYi|Hei|Song|Fallback")


def summary(rollouts: EpisodeDataset) -> str:
    """Numbers, and tables of the instructions, in lines that can be printed."""
    columns = rollouts.columns(images=False)
    lengths, achieved = columns.lengths, sum(map(len, columns.achieved))
    size = sum(file.stat().st_size for file in rollouts.place.data.iterdir())
    first, last = columns.seeds.min(), columns.seeds.max()
    seeds = f"{first} to {last}" if first >= 0 else "unknown"
    described = sum(map(bool, columns.descriptions))
    environment = f"{rollouts.env_id or 'unknown'} {rollouts.env_args or ''}"
    lines = [
        f"dataset       {printable(f'{rollouts.place.name} in {rollouts.place.path}')}",
        f"environment   {printable(environment)}".rstrip(),
        f"by            {printable(rollouts.by) or 'unknown'}",
        f"episodes      {len(rollouts):,}, seeds {seeds}",
        f"steps         {lengths.sum():,}, {lengths.mean():.1f} an episode",
        f"success       {_success(columns)}",
        f"achieved      {achieved:,} instructions, given or not",
        f"descriptions  {described:,}",
        f"on disk       {size / 1e6:.1f} MB",
    ]
    kinds = Counter(map(rollouts.language.kind, columns.instructions))
    lines += _table("kind of instruction", kinds, _KINDS)
    return "\n".join(lines + _table("instruction", Counter(columns.instructions), _MOST_FREQUENT))


def _success(columns: Columns) -> str:
    """The share of successes among the episodes of which it is known."""
    known = int(columns.known.sum())
    if not known:
        return f"unknown; --success gives a rule, such as {TERMINATED} or return_above"
    share = f"{columns.success[columns.known].mean():.1%}"
    whole = known == len(columns.known)
    return share if whole else f"{share} of the {known:,} episodes of which it is known"


def _table(title: str, counts: Counter[str], rows: int) -> list[str]:
    """The most frequent ones, with their numbers and shares."""
    total = sum(counts.values())
    shown = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:rows]
    lines = ["", f"{'episodes':>9}  {'share':>6}  {title}"]
    lines += [f"{count:>9,}  {count / total:>6.1%}  {printable(name)}" for name, count in shown]
    rest = len(counts) - len(shown)
    return [*lines, f"{'':>9}  {'':>6}  and {rest:,} more"] if rest else lines


def dataset_sheet(rollouts: EpisodeDataset, episodes: int = 12) -> bytes:
    """The first and the last image of some episodes, evenly spread, with the instruction: a PNG."""
    count = min(episodes, len(rollouts))
    chosen = np.linspace(0, len(rollouts) - 1, count).round().astype(int).tolist()
    cells = [_cell(rollouts[k], k) for k in chosen]
    across = min(_ACROSS, count)
    height, width = cells[0].shape[:2]
    sheet = np.full((-(-count // across) * height, across * width, 3), PAPER, np.uint8)
    for k, cell in enumerate(cells):
        y, x = k // across * height, k % across * width
        sheet[y : y + height, x : x + width] = cell
    return png(sheet)


def _cell(rollout: Episode, number: int) -> NDArray[np.uint8]:
    """One episode: its first and last image side by side, and a caption."""
    cell = Image.new("RGB", (2 * _SIDE + 3 * _GAP, _SIDE + _CAPTION + _GAP), PAPER)
    for k, image in enumerate((rollout.images[0], rollout.images[-1])):
        scaled = Image.fromarray(image)
        scaled.thumbnail((_SIDE, _SIDE))
        factor = max(1, _SIDE // max(scaled.size))
        size = (scaled.width * factor, scaled.height * factor)
        scaled = scaled.resize(size, Image.Resampling.NEAREST)
        cell.paste(scaled, (_GAP + k * (_SIDE + _GAP), _GAP))
    draw = ImageDraw.Draw(cell)
    font = _font(rollout.instruction)
    outcome, color = _OUTCOMES[rollout.success]
    y = _SIDE + _GAP + 2
    for line in textwrap.wrap(rollout.instruction, 56)[:2]:
        draw.text((_GAP, y), line, INK, font)
        y += 14
    draw.text((_GAP, y), f"episode {number}: {outcome}, {len(rollout)} steps", color, font)
    return np.asarray(cell)


@cache
def _chinese_font() -> str | None:
    """The file of a font with Chinese characters, where the machine has one."""
    try:
        from matplotlib.font_manager import fontManager
    except ImportError:
        warnings.warn(
            f"Chinese characters are drawn as boxes: matplotlib finds fonts that have them; "
            f"{install_line('plots')}",
            stacklevel=2,
        )
        return None
    return next((one.fname for one in fontManager.ttflist if _CHINESE.search(one.name)), None)


def _font(text: str) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font for captions; characters that no font here has become boxes."""
    file = _chinese_font() if _HAN.search(text) else None
    return ImageFont.truetype(file, 12) if file else ImageFont.load_default(11)
