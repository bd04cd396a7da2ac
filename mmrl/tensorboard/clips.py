"""Rollout clips: an episode as an animated picture that tells what was asked, done and reached."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from mmrl.actor import Actor, begin_episodes
from mmrl.adapters import make_env
from mmrl.drawing import FAINT, GREEN, INK, PAPER, RED, fitted
from mmrl.observation import IMAGE, INSTRUCTION, batch_of_one, was_successful

_SIDE: Final = 256  # pixels of each of the two pictures
_GAP: Final = 12
_FRAME_MS: Final = 250
_LAST_FRAME_MS: Final = 1500


@dataclass
class Clip:
    """One episode, ready to be shown.

    Attributes:
        instruction: what was asked.
        success: whether it was carried out.
        frames: uint8 [H, W, 3] each, with everything drawn in.
    """

    instruction: str
    success: bool
    frames: list[NDArray[np.uint8]]


def gif(clips: Sequence[Clip]) -> bytes:
    """Clips one after the other as an animated GIF that plays for ever."""
    pictures = [Image.fromarray(frame) for clip in clips for frame in clip.frames]
    durations = [
        milliseconds
        for clip in clips
        for milliseconds in [_FRAME_MS] * (len(clip.frames) - 1) + [_LAST_FRAME_MS]
    ]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0
    )
    return buffer.getvalue()


def record_clip(
    actor: Actor,
    env_id: str,
    env_args: dict[str, Any] | None = None,
    *,
    seed: int,
    deterministic: bool = False,
    max_frames: int = 200,
) -> Clip:
    """Play one episode and draw it.

    Args:
        actor: who acts.
        env_id, env_args: where; the whole scene is shown beside what the agent sees where the
            environment can render.
        seed: of the episode.
        deterministic: take the most probable action instead of sampling.
        max_frames: longer episodes are shown to here.
    """
    try:
        env = make_env(env_id, render_mode="rgb_array", **(env_args or {}))
    except Exception:  # an environment that cannot render is shown by its observations
        env = make_env(env_id, **(env_args or {}))
    observation, _ = env.reset(seed=seed)
    begin_episodes(actor, 1)
    instruction = observation[INSTRUCTION]
    names = action_names(env)
    scenes = [(_scene(env), observation[IMAGE], "")]
    over = success = False
    while not over:
        with torch.random.fork_rng():  # to look must not change what is learnt afterwards
            torch.manual_seed(seed + len(scenes))
            (action,) = actor.act(batch_of_one(observation), deterministic=deterministic)
        observation, reward, terminated, truncated, info = env.step(action)
        over = terminated or truncated
        success = over and was_successful(info, terminated, float(reward))
        if len(scenes) < max_frames:
            scenes.append((_scene(env), observation[IMAGE], names.get(int(action), str(action))))
    env.close()
    last = len(scenes) - 1
    frames = [
        _draw(scene, view, instruction, action, step, success if step == last else None)
        for step, (scene, view, action) in enumerate(scenes)
    ]
    return Clip(instruction, success, frames)


def action_names(env: Any) -> dict[int, str]:
    """What the actions are called, where the environment says so: by ``metadata["actions"]``, or
    by an enumeration ``actions`` such as Minigrid's.
    """
    declared = env.metadata.get("actions")
    if declared is None:
        enumeration = getattr(env.unwrapped, "actions", None)
        declared = getattr(enumeration, "__members__", {})
    return dict(enumerate(declared))


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
    image = Summary.Image(
        height=height, width=width, colorspace=3, encoded_image_string=gif([clip])
    )
    summary = Summary(value=[Summary.Value(tag=f"{tag}/clip", image=image)])
    writer._get_file_writer().add_summary(summary, step)
    outcome = "carried out" if clip.success else "not carried out"
    writer.add_text(f"{tag}/instruction", f"{clip.instruction} ({outcome})", step)


def _scene(env: Any) -> NDArray[np.uint8] | None:
    if env.render_mode != "rgb_array":
        return None
    return np.asarray(env.render(), np.uint8)


def _draw(
    scene: NDArray[np.uint8] | None,
    view: NDArray[np.uint8],
    instruction: str,
    action: str,
    step: int,
    success: bool | None,
) -> NDArray[np.uint8]:
    """One frame: the scene, what the agent sees of it, and the words underneath."""
    pictures = [("the scene", scene)] if scene is not None else []
    pictures.append(("what the agent sees", view))
    note = f"step {step}: {action}" if action else "start"
    return draw_frame(pictures, instruction, note, success)


def draw_frame(
    pictures: Sequence[tuple[str, NDArray[np.uint8]]],
    instruction: str,
    note: str,
    success: bool | None = None,
) -> NDArray[np.uint8]:
    """One frame of a clip, uint8 [H, W, 3]: pictures side by side, and the words underneath.

    Args:
        pictures: captions and uint8 [H, W, 3].
        instruction: what was asked.
        note: what happens.
        success: whether it was carried out, at the end.
    """
    large, small = ImageFont.load_default(18), ImageFont.load_default(13)
    width = _GAP + len(pictures) * (_SIDE + _GAP)
    lines = textwrap.wrap(instruction, max(16, width // 10)) or [""]
    top = _GAP + 18
    height = top + _SIDE + _GAP + 24 * len(lines) + 30
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for k, (caption, picture) in enumerate(pictures):
        left = _GAP + k * (_SIDE + _GAP)
        draw.text((left, _GAP - 4), caption, FAINT, small)
        sheet.paste(fitted(picture, _SIDE), (left, top))
    y = top + _SIDE + _GAP - 2
    for line in lines:
        draw.text((_GAP, y), line, INK, large)
        y += 24
    draw.text((_GAP, y), note, FAINT, large)
    if success is not None:
        word, color = ("carried out", GREEN) if success else ("not carried out", RED)
        draw.text((width - _GAP, y + 2), word, color, large, anchor="ra")
    return np.asarray(sheet)
