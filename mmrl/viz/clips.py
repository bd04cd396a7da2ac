"""Clips: an episode as an animated image, with the instruction, the actions and the outcome."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from mmrl.agent import Actor
from mmrl.contract import IMAGE
from mmrl.evaluation.player import EpisodePlayer
from mmrl.files import write_bytes
from mmrl.images import png
from mmrl.records import EpisodeRecord
from mmrl.records.episode import SCENE
from mmrl.viz.clip_frame import draw_frame, most_lines, outcome
from mmrl.viz.gif import FRAME_MS, PAUSE_MS, encode_gif

MAX_FRAMES: Final = 200
"""Frames of a clip, by default."""


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
    lines = most_lines(instructions[:shown], 1 if scenes[0] is None else 2)
    frames = [
        _draw(scenes[k], views[k], instructions[k], labels[k], k,
              record.success if k == numbers[-1] else None, lines=lines, env=record.env)
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
    """Play one episode and draw it, see :class:`~mmrl.evaluation.player.EpisodePlayer`."""
    with EpisodePlayer(env_id, env_args, max_episode_steps=max_episode_steps) as player:
        return draw_clip(player.play(actor, seed=seed, deterministic=deterministic), max_frames)


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
    *,
    lines: int = 1,
    env: str = "",
) -> NDArray[np.uint8]:
    """One frame: the scene, what the agent sees of it, and the words underneath."""
    images = [("the scene", scene)] if scene is not None else []
    images.append(("what the agent sees", view))
    if env:
        images[0] = (f"{images[0][0]}: {env}", images[0][1])
    note = f"step {step}: {action}" if action else "start"
    return draw_frame(images, instruction, note, success, lines)
