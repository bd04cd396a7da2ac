"""Clips: an episode as an animated image, with the instruction, the actions and the outcome."""

from __future__ import annotations

import base64
import html
import os
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from mmrl.action_labels import action_label, action_names, first_action
from mmrl.agent import Actor, begin_episodes
from mmrl.contract import (
    ALTERNATIVES,
    INSTRUCTION,
    INSTRUCTION_OPTION,
    batch_of_one,
    was_successful,
)
from mmrl.errors import UserError
from mmrl.files import write_bytes
from mmrl.images import FAINT, GREEN, INK, PAPER, RED, fitted, png
from mmrl.seeding import forked_rng
from mmrl.viz.gif import FRAME_MS, PAUSE_MS, encode_gif
from mmrl.viz.observation import observation_image
from mmrl.wrappers.actions import own_action
from mmrl.wrappers.adapters import make_env
from mmrl.wrappers.episode_limit import MAX_EPISODE_STEPS, EpisodeLimit, declared_limit
from mmrl.wrappers.error_context import ErrorContext, environment_name

_SIDE: Final = 256  # pixels of each of the two images
_GAP: Final = 12
_MAX_STEPS: Final = 1_000  # of an episode that declares no limit
_LONGEST_REASON: Final = 200  # characters


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
    """Plays episodes of one environment and draws them; each kind of trouble is warned about once.

    Where the environment cannot render, or renders something that is not uint8 [H, W, 3], a clip
    shows the observations alone.

    Args:
        env_id, env_args: which environment; the whole scene is shown beside what the agent sees
            where it can render.
        max_frames: longer episodes are shown to here.
        max_episode_steps: longer episodes are cut there, which are not successful then; None cuts
            those that last 1,000 steps, or as many as the environment declares, up to 10,000.

    Raises:
        UserError: a limit below 1.
    """

    def __init__(
        self,
        env_id: str,
        env_args: dict[str, Any] | None = None,
        *,
        max_frames: int = 200,
        max_episode_steps: int | None = None,
    ) -> None:
        self._env_id, self._env_args = env_id, env_args or {}
        self._max_frames = max_frames
        self._given = max_episode_steps
        self._limit = EpisodeLimit(max_episode_steps)
        self._is_warned = False

    def record(
        self,
        actor: Actor,
        *,
        seed: int,
        deterministic: bool = False,
        instruction: str | None = None,
    ) -> Clip:
        """Play one episode and draw it.

        Args:
            actor: the agent.
            seed: of the episode.
            deterministic: take the most probable action instead of sampling.
            instruction: instead of the episode's own, which stays the same scene; the environment
                has to take one, see :data:`mmrl.contract.INSTRUCTION_OPTION`.

        Raises:
            UserError: an environment that cannot be made or fails, that takes no instruction or
                not this one, or an actor that does not fit.
        """
        with self._environment() as env:
            return self._play(env, actor, seed, deterministic, instruction)

    def record_alternatives(
        self, actor: Actor, *, seed: int, count: int = 1, deterministic: bool = False
    ) -> list[Clip]:
        """Play one scene with its own instruction, and with others that it could have.

        Args:
            actor: the agent.
            seed: of the scene.
            count: how many others, at most.
            deterministic: take the most probable action instead of sampling.

        Returns:
            One clip for each; empty where the environment names no other instruction, see
            :data:`mmrl.contract.ALTERNATIVES`.

        Raises:
            UserError: as :meth:`record`.
        """
        with self._environment() as env:
            if not env.has_wrapper_attr(ALTERNATIVES) or _option(env) is None:
                return []
            env.reset(seed=seed)
            others = list(env.get_wrapper_attr(ALTERNATIVES)())
        chosen = np.random.default_rng(seed).permutation(len(others))[:count].tolist()
        given = [None, *(others[k] for k in chosen)] if others else []
        return [
            self.record(actor, seed=seed, deterministic=deterministic, instruction=one)
            for one in given
        ]

    @contextmanager
    def _environment(self) -> Iterator[gym.Env[Any, Any]]:
        env = self._make()
        try:
            yield env
        finally:
            with suppress(Exception):  # the clip is made; closing cannot spoil it
                env.close()

    def _make(self) -> gym.Env[Any, Any]:
        try:
            with warnings.catch_warnings():  # that it declares no such mode
                warnings.filterwarnings("ignore", ".*not in the possible render_modes")
                env = make_env(self._env_id, render_mode="rgb_array", **self._env_args)
        except Exception:  # an environment that cannot render is shown by its observations
            env = make_env(self._env_id, **self._env_args)
        return ErrorContext(env)

    def _play(
        self,
        env: gym.Env[Any, Any],
        actor: Actor,
        seed: int,
        deterministic: bool,
        given: str | None,
    ) -> Clip:
        observation, _ = env.reset(seed=seed, options=_with_instruction(env, given))
        begin_episodes(actor, 1)
        longest = self._given or min(declared_limit(env) or _MAX_STEPS, MAX_EPISODE_STEPS)
        names, instruction = action_names(env), observation.get(INSTRUCTION, "")
        views, labels = [observation_image(observation)], [""]
        scenes: list[NDArray[np.uint8]] = []
        renders = env.render_mode == "rgb_array" and self._render(env, scenes)
        success, step, is_over = None, 0, False
        while not is_over:
            with forked_rng(seed + len(views)):  # to look must not change what is learnt afterwards
                actions = actor.act(batch_of_one(observation), deterministic=deterministic)
            action = first_action(actions, env.action_space)
            observation, _, terminated, truncated, info = env.step(action)
            step += 1
            if step < self._max_frames:
                views.append(observation_image(observation))
                labels.append(action_label(*own_action(env, action), names))
                renders = renders and self._render(env, scenes)
            is_over = bool(terminated or truncated)
            if is_over:
                success = was_successful(info)
            elif step >= longest:
                self._limit.cut(env, longest)
                is_over, success = True, False
        frames = _frames(scenes if renders else [None] * len(views), views, labels, instruction)
        frames.append(
            _draw(scenes[-1] if renders else None, views[-1], instruction, labels[-1],
                  len(views) - 1, success)
        )  # fmt: skip
        return Clip(instruction, success, frames)

    def _render(self, env: gym.Env[Any, Any], scenes: list[NDArray[np.uint8]]) -> bool:
        """Add what the environment renders; whether that was possible."""
        scene, reason = rendered(env)
        if scene is not None:
            scenes.append(scene)
            return True
        if not self._is_warned:
            self._is_warned = True
            warnings.warn(
                f"environment {environment_name(env)}: {reason}; clips show the observations only",
                stacklevel=2,
            )
        return False


def _option(env: gym.Env[Any, Any]) -> str | None:
    """The option of ``reset`` by which an environment takes an instruction; None without one."""
    option: str | None = (env.metadata or {}).get(INSTRUCTION_OPTION)
    return option


def _with_instruction(env: gym.Env[Any, Any], instruction: str | None) -> dict[str, Any] | None:
    """The options of ``reset`` for an instruction.

    Raises:
        UserError: the environment takes none.
    """
    if instruction is None:
        return None
    option = _option(env)
    if option is None:
        raise UserError(
            f"environment {environment_name(env)} takes no instruction: it needs an option of "
            f"reset() for it, named in metadata[{INSTRUCTION_OPTION!r}]"
        )
    return {option: instruction}


def _frames(
    scenes: Sequence[NDArray[np.uint8] | None],
    views: Sequence[NDArray[np.uint8]],
    labels: Sequence[str],
    instruction: str,
) -> list[NDArray[np.uint8]]:
    """What is drawn of all steps but the last one."""
    steps = list(zip(scenes, views, labels, strict=True))[:-1]
    return [_draw(*shown[:2], instruction, shown[2], k, None) for k, shown in enumerate(steps)]


def record_clip(
    actor: Actor,
    env_id: str,
    env_args: dict[str, Any] | None = None,
    *,
    seed: int,
    deterministic: bool = False,
    max_frames: int = 200,
    max_episode_steps: int | None = None,
) -> Clip:
    """Play one episode and draw it; see :class:`ClipRecorder`."""
    recorder = ClipRecorder(
        env_id, env_args, max_frames=max_frames, max_episode_steps=max_episode_steps
    )
    return recorder.record(actor, seed=seed, deterministic=deterministic)


def rendered(env: gym.Env[Any, Any]) -> tuple[NDArray[np.uint8] | None, str]:
    """A copy of what an environment renders, uint8 [H, W, 3]; or None, and the reason."""
    try:
        scene: Any = env.render()
    except Exception as error:
        return None, shortened(f"render() raised {type(error).__name__}: {error}")
    if not _is_frame(scene):
        return None, f"render() gave {_kind_of(scene)} instead of an array uint8 [H, W, 3]"
    return scene.copy(), ""


def _is_frame(scene: Any) -> bool:
    return (
        isinstance(scene, np.ndarray)
        and scene.dtype == np.uint8
        and scene.ndim == 3
        and scene.shape[2] == 3
        and scene.size > 0
    )


def shortened(text: object) -> str:
    """A text in one line of bounded length, for a warning."""
    return textwrap.shorten(str(text), _LONGEST_REASON, placeholder=" …")


def _kind_of(scene: Any) -> str:
    if isinstance(scene, np.ndarray):
        return f"an array {scene.dtype} of shape {list(scene.shape)}"
    return "None" if scene is None else f"a {type(scene).__name__}"


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
