"""A record as a file for other programs: an animated GIF, an MP4 video, JSON with PNG images."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmrl.images import png
from mmrl.records.episode import EpisodeRecord
from mmrl.records.file import read_record, read_steps
from mmrl.viz.clip_frame import draw_frame, most_lines
from mmrl.viz.gif import FRAME_MS, PAUSE_MS, encode_gif

_MOST_FRAMES: Final = 600
_CAMERAS: Final = 3  # that are drawn side by side
_BLANK: Final = np.full((1, 8, 8, 3), 255, np.uint8)  # of a record without frames
_FFMPEG_SECONDS: Final = 120


def gif(path: Path) -> bytes:
    """The episode as an animated GIF, with instruction, actions and outcome."""
    frames = [Image.fromarray(one) for one in drawn(read_record(path))]
    return encode_gif(frames, [*[FRAME_MS] * (len(frames) - 1), PAUSE_MS])


def mp4(path: Path) -> bytes:
    """The same as an MP4 video, by ffmpeg.

    Raises:
        OSError: ffmpeg is not there, or fails.
    """
    frames = drawn(read_record(path))
    height, width = (side - side % 2 for side in frames[0].shape[:2])  # as the codec wants
    still = round(PAUSE_MS / FRAME_MS)
    pixels = b"".join(
        one[:height, :width].tobytes() for one in [*frames, *frames[-1:] * (still - 1)]
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "episode.mp4"
        command = [
            ffmpeg() or "ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
            "-s", f"{width}x{height}", "-r", f"{1000 / FRAME_MS:g}", "-i", "-", "-an",
            "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(file),
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, input=pixels, capture_output=True, timeout=_FFMPEG_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise OSError(f"ffmpeg is not done after {_FFMPEG_SECONDS} s") from error
        if done.returncode:
            raise OSError(f"ffmpeg failed: {done.stderr.decode(errors='replace')[-200:]}")
        return file.read_bytes()


def archive(path: Path) -> bytes:
    """The episode as a zip file of ``episode.json`` and PNG images by camera."""
    record = read_record(path)
    about = {**asdict(record.summary()), **read_steps(path)}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("episode.json", json.dumps(about, ensure_ascii=False, indent=1))
        for camera, frames in record.frames.items():
            for number, frame in enumerate(frames):
                file.writestr(f"{camera}/{number:05d}.png", png(frame))
    return content.getvalue()


FORMATS: Final[dict[str, tuple[Callable[[Path], bytes], str, str]]] = {
    "gif": (gif, "image/gif", "gif"),
    "mp4": (mp4, "video/mp4", "mp4"),
    "zip": (archive, "application/zip", "zip"),
}
"""By name: the function, the media type, the ending of the file's name."""


def formats() -> list[str]:
    """The formats that can be written here."""
    return [name for name in FORMATS if name != "mp4" or ffmpeg() is not None]


def ffmpeg() -> str | None:
    """The path of ffmpeg: on the PATH, or that of the package imageio-ffmpeg; None without."""
    found = shutil.which("ffmpeg")
    if found is None:
        with suppress(ImportError, RuntimeError):  # not installed; without a binary for this system
            found = import_module("imageio_ffmpeg").get_ffmpeg_exe()
    return found


def drawn(record: EpisodeRecord) -> list[NDArray[np.uint8]]:
    """The frames of a clip, uint8 [H, W, 3] each."""
    cameras = list(record.frames.items())[:_CAMERAS] or [("", _BLANK)]
    last = len(record.rewards)
    count = min(last + 1, _MOST_FRAMES)
    numbers = np.linspace(0, last, count).round().astype(int).tolist()
    instructions = record.instructions or [""] * (last + 1)
    labels = ["start", *(f"step {k + 1}: {name}" for k, name in enumerate(record.action_names))]
    if len(labels) == 1:  # the actions have no names
        labels += [f"step {k + 1}" for k in range(last)]
    lines = most_lines(instructions, len(cameras))
    return [
        draw_frame(
            [(name, frames[min(k, len(frames) - 1)]) for name, frames in cameras],
            instructions[k],
            labels[k],
            record.success if k == last else None,
            lines,
        )
        for k in numbers
    ]
