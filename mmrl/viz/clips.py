"""Clips: an episode as an animated image, with the instruction, the actions and the outcome."""

from __future__ import annotations

import base64
import html
import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from mmrl.agent import Actor
from mmrl.contract import IMAGE
from mmrl.evaluation.player import EpisodePlayer
from mmrl.files import write_bytes
from mmrl.images import FAINT, GREEN, INK, PAPER, RED, fitted, png
from mmrl.records import EpisodeRecord
from mmrl.records.episode import SCENE
from mmrl.viz.gif import FRAME_MS, PAUSE_MS, encode_gif

MAX_FRAMES: Final = 200
"""Frames of a clip, by default."""
_SIDE: Final = 256  # pixels of each of the two images
_GAP: Final = 12


@dataclass
class Clip:
    """One episode, ready to be shown; a notebook shows it as an animated image.

    Attributes:
        instruction: of the episode.
        success: whether the episode was successful; None where it is not known.
        frames: uint8 [H, W, 3] each, with everything drawn in.
    """

    instruction: str
    success: bool | None
    frames: list[NDArray[np.uint8]]

    def gif(self) -> bytes:
        """The clip as an animated GIF."""
        return clips_gif([self])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as an animated GIF.

        Raises:
            WriteError: it cannot be written.
        """
        write_bytes(Path(path), self.gif())

    def _repr_html_(self) -> str:
        """The clip within a page, for notebooks."""
        image = base64.b64encode(self.gif()).decode()
        text = html.escape(f"{self.instruction} ({outcome(self.success)})")
        return f'<img alt="{text}" title="{text}" src="data:image/gif;base64,{image}">'

    def _repr_png_(self) -> bytes:
        """Its last frame, where a page cannot be shown."""
        return png(self.frames[-1])


def outcome(success: bool | None) -> str:
    """The end of an episode in a word or two, "the end" where its success is not known."""
    if success is None:
        return "the end"
    return "success" if success else "failure"


def clips_gif(clips: Sequence[Clip]) -> bytes:
    """Clips one after the other as an animated GIF that plays for ever."""
    frames = [Image.fromarray(frame) for clip in clips for frame in clip.frames]
    durations = [
        milliseconds
        for clip in clips
        for milliseconds in [FRAME_MS] * (len(clip.frames) - 1) + [PAUSE_MS]
    ]
    return encode_gif(frames, durations)


def stacked(clips: Sequence[Clip]) -> Clip:
    """Clips one below the other, at the same time; those that end earlier stay at their end."""
    length = max(len(clip.frames) for clip in clips)
    columns = [clip.frames + clip.frames[-1:] * (length - len(clip.frames)) for clip in clips]
    return Clip(
        "; ".join(clip.instruction for clip in clips),
        None if any(clip.success is None for clip in clips) else all(c.success for c in clips),
        [np.concatenate(frames) for frames in zip(*columns, strict=True)],
    )


class ClipRecorder:
    """Plays episodes of one environment and draws them.

    Args:
        env_id, env_args, max_episode_steps: as of :class:`~mmrl.evaluation.player.EpisodePlayer`.
        max_frames: longer episodes are shown to here.

    Attributes:
        player: plays them.

    Raises:
        UserError: a limit below 1.
    """

    def __init__(
        self,
        env_id: str,
        env_args: dict[str, Any] | None = None,
        *,
        max_frames: int = MAX_FRAMES,
        max_episode_steps: int | None = None,
    ) -> None:
        self.player = EpisodePlayer(env_id, env_args, max_episode_steps=max_episode_steps)
        self._max_frames = max_frames

    def record(
        self,
        actor: Actor,
        *,
        seed: int,
        deterministic: bool = False,
        instruction: str | None = None,
    ) -> Clip:
        """Play one episode and draw it; as :meth:`EpisodePlayer.play`."""
        record = self.player.play(
            actor, seed=seed, deterministic=deterministic, instruction=instruction
        )
        return draw_clip(record, self._max_frames)

    def record_alternatives(
        self, actor: Actor, *, seed: int, count: int = 1, deterministic: bool = False
    ) -> list[Clip]:
        """Play one scene with its own instruction, and with others that it could have; as
        :meth:`EpisodePlayer.play_alternatives`.
        """
        records = self.player.play_alternatives(
            actor, seed=seed, count=count, deterministic=deterministic
        )
        return [draw_clip(record, self._max_frames) for record in records]


def draw_clip(record: EpisodeRecord, max_frames: int = MAX_FRAMES) -> Clip:
    """The clip of a recorded episode.

    Args:
        record: it.
        max_frames: a longer one is shown to here, and its end.
    """
    views = record.frames.get(IMAGE)
    if views is None:
        views = next(iter(record.frames.values()))
    scenes: Sequence[NDArray[np.uint8] | None] = list(record.frames.get(SCENE, ()))
    if len(scenes) < min(len(views), max_frames):  # it could not be rendered all the time
        scenes = (None,) * len(views)
    shown = min(len(views), len(scenes), len(record.rewards) + 1)
    numbers = list(range(shown)) if shown <= max_frames else [*range(max_frames - 1), shown - 1]
    labels = ["", *record.action_names] if record.action_names else [""] * shown
    instructions = record.instructions or [""] * shown
    frames = [
        _draw(scenes[k], views[k], instructions[k], labels[k], k,
              record.success if k == numbers[-1] else None)
        for k in numbers
    ]  # fmt: skip
    return Clip(instructions[0], record.success, frames)


def record_clip(
    actor: Actor,
    env_id: str,
    env_args: dict[str, Any] | None = None,
    *,
    seed: int,
    deterministic: bool = False,
    max_frames: int = MAX_FRAMES,
    max_episode_steps: int | None = None,
) -> Clip:
    """Play one episode and draw it; see :class:`ClipRecorder`."""
    recorder = ClipRecorder(
        env_id, env_args, max_frames=max_frames, max_episode_steps=max_episode_steps
    )
    return recorder.record(actor, seed=seed, deterministic=deterministic)


def write_clip(writer: SummaryWriter, tag: str, clip: Clip, step: int) -> None:
    """Write a clip and its instruction into TensorBoard.

    The animated GIF goes in as an image, which TensorBoard plays; ``add_video`` would need
    moviepy.

    Args:
        writer: of the run.
        tag: the clip is ``<tag>/clip``, the instruction ``<tag>/instruction``.
        clip: what to show.
        step: environment steps so far.
    """
    height, width = clip.frames[0].shape[:2]
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=clip.gif())
    summary = Summary(value=[Summary.Value(tag=f"{tag}/clip", image=image)])
    writer._get_file_writer().add_summary(summary, step)
    text = f"{clip.instruction} ({outcome(clip.success)})"
    writer.add_text(f"{tag}/instruction", text, step)


def _draw(
    scene: NDArray[np.uint8] | None,
    view: NDArray[np.uint8],
    instruction: str,
    action: str,
    step: int,
    success: bool | None,
) -> NDArray[np.uint8]:
    """One frame: the scene, what the agent sees of it, and the words underneath."""
    images = [("the scene", scene)] if scene is not None else []
    images.append(("what the agent sees", view))
    note = f"step {step}: {action}" if action else "start"
    return draw_frame(images, instruction, note, success)


def draw_frame(
    images: Sequence[tuple[str, NDArray[np.uint8]]],
    instruction: str,
    note: str,
    success: bool | None = None,
) -> NDArray[np.uint8]:
    """One frame of a clip, uint8 [H, W, 3]: images side by side, and the words underneath.

    Args:
        images: captions and uint8 [H, W, 3].
        instruction: of the episode.
        note: what happens.
        success: of the episode, at its end.
    """
    large, small = ImageFont.load_default(18), ImageFont.load_default(13)
    width = _GAP + len(images) * (_SIDE + _GAP)
    lines = textwrap.wrap(instruction, max(16, width // 10)) or [""]
    top = _GAP + 18
    height = top + _SIDE + _GAP + 24 * len(lines) + 30
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for k, (caption, image) in enumerate(images):
        left = _GAP + k * (_SIDE + _GAP)
        draw.text((left, _GAP - 4), caption, FAINT, small)
        sheet.paste(fitted(image, _SIDE), (left, top))
    y = top + _SIDE + _GAP - 2
    for line in lines:
        draw.text((_GAP, y), line, INK, large)
        y += 24
    draw.text((_GAP, y), textwrap.shorten(note, width // 12, placeholder=" …"), FAINT, large)
    if success is not None:
        color = GREEN if success else RED
        draw.text((width - _GAP, y + 2), outcome(success), color, large, anchor="ra")
    return np.asarray(sheet)
