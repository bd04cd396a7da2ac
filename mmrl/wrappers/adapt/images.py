"""Image conversion: arrays of any layout, type and number of channels → uint8 [H, W, 3].

Shapes: H and W pixels, C channels, K images of a stack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from PIL import Image

SMALLEST: Final = 16
"""Rows and columns from which on an array is an image; smaller ones, such as grids of symbols, are
vectors. RGB bytes are images from 8 on."""
_MOST_CHANNELS: Final = 16
_OPAQUE: Final = 255

Array = NDArray[Any]


class Layout(NamedTuple):
    """Where an array has its axes.

    Attributes:
        stack: the axis of stacked images; None where there is one image.
        channel: the axis of the channels; None for a grey image [H, W].
        channels: C.
        stacked: K.
        size: H and W.
    """

    stack: int | None
    channel: int | None
    channels: int
    stacked: int
    size: tuple[int, int]

    @property
    def order(self) -> str:
        """The axes by their letters, such as ``[C, H, W]``."""
        letters = ["H", "W"]
        if self.channel is not None:
            at = self.channel - (self.stack is not None and self.stack < self.channel)
            letters.insert(at, "C")
        if self.stack is not None:
            letters.insert(self.stack, "K")
        return f"[{', '.join(letters)}]"


class ImageReading(NamedTuple):
    """One image of an observation's entry.

    Attributes:
        suffix: of its key, "" for the main one.
        shape: of the converted image, [H, W, 3].
        convert: array of the entry → uint8 [H, W, 3]; None where the entry is that already.
        note: what happens to it, "" where nothing does.
    """

    suffix: str
    shape: tuple[int, int, int]
    convert: Callable[[Array], Array] | None
    note: str


@dataclass(frozen=True)
class Resize:
    """Resizing of images, by the mean of the area that a pixel covers.

    Attributes:
        size: H and W afterwards.
        convert: array → uint8 [H, W, 3], before; None where it is that already.
    """

    size: tuple[int, int]
    convert: Callable[[Array], Array] | None = None

    def __call__(self, array: Array) -> Array:
        """The resized image, uint8 [H, W, 3]."""
        image = np.asarray(array if self.convert is None else self.convert(array))
        if image.shape[:2] == self.size:
            return image
        rows, columns = self.size
        resized = Image.fromarray(image).resize((columns, rows), Image.Resampling.BOX)
        return np.array(resized)


def find_layout(space: spaces.Box) -> Layout | None:
    """The layout of a space of images; None where it holds no images."""
    shape = space.shape
    if np.dtype(space.dtype).kind not in "uifb" or not 2 <= len(shape) <= 4:
        return None
    if len(shape) == 2:
        layout = Layout(None, None, 1, 1, (shape[0], shape[1]))
    elif len(shape) == 3:
        channel = _channel_axis(shape)
        if channel is None:
            return None
        rows, columns = (side for axis, side in enumerate(shape) if axis != channel)
        layout = Layout(None, channel, shape[channel], 1, (rows, columns))
    else:
        channel = _channel_axis(shape[1:])
        if channel is None or shape[0] > _MOST_CHANNELS:
            return None
        rows, columns = (side for axis, side in enumerate(shape[1:]) if axis != channel)
        layout = Layout(0, channel + 1, shape[channel + 1], shape[0], (rows, columns))
    is_rgb = space.dtype == np.uint8 and layout.channels == 3 and layout.stack is None
    return layout if min(layout.size) >= (SMALLEST // 2 if is_rgb else SMALLEST) else None


def _channel_axis(shape: tuple[int, ...]) -> int | None:
    """The axis of the channels in three: the last or the first, if it is short."""
    for axis in (2, 0):
        others = [side for k, side in enumerate(shape) if k != axis]
        if shape[axis] <= min(_MOST_CHANNELS, *others):
            return axis
    return None


def read_images(space: spaces.Box, sample: Array | None = None) -> list[ImageReading]:
    """The images [H, W, 3] that the arrays of a space hold, the main one first; none where it holds
    no images.

    One channel is repeated, and two are filled up with zeros. Of four, the last is left out where
    it is opaque everywhere in the sample; otherwise they are a stack of frames, such as Atari's. Of
    a stack of k · 3 channels each three are an image, the last ones the main image; others are
    split into images of three channels from the last one on, so that nothing is lost.

    Args:
        space: of the entry.
        sample: one of its arrays; None where there is none.
    """
    layout = find_layout(space)
    if layout is None:
        return []
    scale, scaled = _scaling(space)
    groups, grouped = _groups(layout, sample)
    rows, columns = layout.size
    notes = [note for note in (_moved(layout), scaled, grouped) if note]
    is_plain = layout.channel == 2 and layout.channels == 3 and scale is None and len(groups) == 1
    images = []
    for k, group in enumerate(reversed([(i, g) for i in range(layout.stacked) for g in groups])):
        convert = None if is_plain and layout.stack is None else _converter(layout, group, scale)
        images.append(
            ImageReading(f"_{k}" if k else "", (rows, columns, 3), convert, ", ".join(notes))
        )
    return images


def _moved(layout: Layout) -> str:
    usual = layout.channel == (2 if layout.stack is None else 3)
    return "" if usual else f"{layout.order} → [H, W, 3]"


def _groups(layout: Layout, sample: Array | None) -> tuple[list[tuple[int, int, int]], str]:
    """The channels of each image in three, -1 for zeros; and a note."""
    count = layout.channels
    if layout.channel is None or count == 1:
        return [(0, 0, 0)], "grey → RGB"
    if count == 3:
        return [(0, 1, 2)], ""
    if count == 4 and sample is not None and layout.stack is None:
        alpha = np.asarray(sample).take(3, layout.channel)
        if alpha.size and (alpha == _OPAQUE).all():
            return [(0, 1, 2)], "RGBA without its opaque alpha"
    first = -(-count // 3) * 3 - count  # zeros before the oldest channel
    padded = [-1] * first + list(range(count))
    groups = [(padded[k], padded[k + 1], padded[k + 2]) for k in range(0, len(padded), 3)]
    what = "images" if len(groups) > 1 else "image"
    return groups, f"{count} channels as {len(groups)} {what} of three, the last one first"


def _converter(
    layout: Layout, group: tuple[int, tuple[int, int, int]], scale: Callable[[Array], Array] | None
) -> Callable[[Array], Array]:
    index, channels = group
    picks = list(channels)
    is_whole = picks == list(range(layout.channels))

    def convert(array: Array) -> Array:
        image = np.asarray(array)
        if layout.stack is not None:
            image = image[index]
        axis = layout.channel
        if axis is None:
            image = image[..., None]
        else:
            image = np.moveaxis(image, axis - (layout.stack is not None), -1)
        if image.dtype.kind == "f" and np.isnan(image).any():
            raise ValueError("an image has values that are no numbers (NaN)")
        if scale is not None:
            image = scale(image)
        if not is_whole:
            kept = image[..., picks]
            if -1 in picks:
                kept[..., : picks.count(-1)] = 0
            image = kept
        return np.ascontiguousarray(image, np.uint8)

    return convert


def _scaling(space: spaces.Box) -> tuple[Callable[[Array], Array] | None, str]:
    """From the values of a space to bytes, and a note."""
    kind = np.dtype(space.dtype).kind
    low, high = float(np.min(space.low)), float(np.max(space.high))
    if space.dtype == np.uint8 and high > 1:
        return None, ""
    if kind == "b" or (kind in "ui" and (low, high) == (0, 1)):
        return (lambda image: image * np.uint8(255)), "0 and 1 → 0 and 255"
    if low >= 0 and 1 < high <= 255 and (kind in "ui" or high == 255):
        return (lambda image: np.clip(image, 0, 255).round()), f"{space.dtype} → uint8"
    if np.isfinite([low, high]).all() and high > low:
        factor = 255 / (high - low)
        return (
            lambda image: np.clip((image - low) * factor, 0, 255).round(),
            f"{space.dtype} from {low:g} to {high:g} → uint8",
        )
    if low >= 0:
        return (
            lambda image: (255 * (1 - 1 / (1 + np.maximum(image, 0)))).round(),
            f"{space.dtype} without an upper bound → 255 · x / (1 + x)",
        )
    return (
        lambda image: (127.5 + 127.5 * np.sign(image) * (1 - 1 / (1 + np.abs(image)))).round(),
        f"{space.dtype} without bounds → 127.5 · (1 + x / (1 + |x|))",
    )
