"""Sheets: the frames of a camera in rows on large images, losslessly as WebP.

Similar frames beside each other are compressed together, and a reader decodes only those sheets
that it shows.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmrl.images import decoded

LONGEST: Final = 16_383
"""Pixels of a WebP image's side."""
_SHEET: Final = 4_000_000  # pixels of a sheet, where a frame is not larger itself
_COLUMNS: Final = 8
_THUMBNAIL_SIDE: Final = 96  # pixels

Frames = NDArray[np.uint8]


def layout_of(frames: Frames) -> dict[str, int]:
    """How frames [N, H, W, 3] lie on sheets: ``height`` and ``width`` of each, ``frames``, and the
    ``columns`` and ``rows`` of a full sheet.
    """
    count, height, width, _ = frames.shape
    columns = max(1, min(_COLUMNS, count, LONGEST // width))
    rows = max(1, min(_SHEET // (columns * width * height), LONGEST // height))
    return {
        "height": height, "width": width, "frames": count, "columns": columns, "rows": rows
    }  # fmt: skip


def sheet_count(layout: Mapping[str, int]) -> int:
    """The number of sheets."""
    return math.ceil(layout["frames"] / (layout["columns"] * layout["rows"]))


def pack_sheets(frames: Frames, layout: Mapping[str, int]) -> Iterator[bytes]:
    """The sheets of frames [N, H, W, 3]; what is left of the last row is black."""
    columns, height, width = layout["columns"], layout["height"], layout["width"]
    each = columns * layout["rows"]
    for start in range(0, len(frames), each):
        some = frames[start : start + each]
        rows = math.ceil(len(some) / columns)
        whole = np.zeros((rows * columns, height, width, 3), np.uint8)
        whole[: len(some)] = some
        grid = whole.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
        yield _webp(grid.reshape(rows * height, columns * width, 3))


def unpack_sheets(sheets: Iterable[bytes], layout: Mapping[str, int]) -> Frames:
    """The frames [N, H, W, 3] of all sheets.

    Raises:
        OSError, ValueError: a sheet that is no image, or of another size.
    """
    height, width, count = layout["height"], layout["width"], layout["frames"]
    columns, each = layout["columns"], layout["columns"] * layout["rows"]
    parts = []
    for content, start in zip(sheets, range(0, count, each), strict=True):
        wanted = min(each, count - start)
        rows = math.ceil(wanted / columns)
        sheet = decoded(io.BytesIO(content))
        if sheet.shape[:2] != (rows * height, columns * width):
            raise ValueError(f"a sheet of {sheet.shape[1]} × {sheet.shape[0]} pixels")
        grid = sheet.reshape(rows, height, columns, width, 3).swapaxes(1, 2)
        parts.append(grid.reshape(-1, height, width, 3)[:wanted])
    return np.concatenate(parts)


def thumbnail(frame: Frames) -> bytes:
    """A frame [H, W, 3] at most 96 pixels wide and high, as WebP."""
    image = Image.fromarray(frame)
    image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BOX)
    return _webp(np.asarray(image))


def _webp(image: Frames) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "WEBP", lossless=True, method=4, quality=75)
    return content.getvalue()
