"""Builds the record of an episode while it is played."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmrl.agent import PolicyOutputs
from mmrl.contract import ACTION_MASK, INSTRUCTION, SPEECH
from mmrl.observation_image import observation_image
from mmrl.records.episode import SCENE, EpisodeRecord

OBSERVATION: Final = "observation"
"""The camera of observations without an image: their vectors, drawn."""
_MOST_BYTES: Final = 256 * 2**20  # of the frames of a camera
_CHUNK_BYTES: Final = 2**20  # of frames that are packed together
_LARGEST_SIDE: Final = 320  # pixels of a scene, which is made smaller for people
_MOST_ENTRIES: Final = 64  # of an array or a list of an info
_DEEPEST: Final = 4  # levels of an info
_LONGEST_TEXT: Final = 2_000  # characters of an info
_SMALLEST_SIDE: Final = 8  # pixels; smaller arrays are tables rather than images
_MOST_CHANNELS: Final = 12  # of a stack of images
_NOT_FOR_PEOPLE: Final = ("final_obs", "final_info", "terminal_observation", "episode", ACTION_MASK)


class EpisodeBuilder:
    """Builds the record of an episode, step by step: an observation, then for each action
    :meth:`add_step` and the observation after it.

    Frames are copied, and packed, so that many episodes can be built at once. Those of a camera
    that exceed 256 MiB are left out from there on; scenes are scaled to at most 320 pixels.

    Args:
        source, env, env_args, seed, checkpoint: as of :class:`~mmrl.records.episode.EpisodeRecord`.

    Attributes:
        actions: the names of all actions, where they are known.
    """

    def __init__(
        self,
        source: str,
        env: str,
        *,
        env_args: Mapping[str, Any] | None = None,
        seed: int | None = None,
        checkpoint: int | None = None,
    ) -> None:
        self._source, self._env, self._seed, self._checkpoint = source, env, seed, checkpoint
        self._env_args = plain(dict(env_args or {})) or {}
        self._frames: dict[str, _PackedFrames] = {}
        self._full: set[str] = set()
        self._instructions: list[str] = []
        self._rewards: list[float] = []
        self._actions: list[Any] = []
        self._labels: list[str] = []
        self._infos: list[dict[str, Any]] = []
        self._numbers: dict[str, list[NDArray[Any]]] = {}
        self._words: list[list[str]] = []
        self._modalities: list[str] = []
        self.actions: Sequence[str] = ()

    @property
    def steps(self) -> int:
        """Actions so far."""
        return len(self._rewards)

    @property
    def instruction(self) -> str:
        """The first one."""
        return self._instructions[0] if self._instructions else ""

    def add_observation(
        self, observation: Any, scene: NDArray[np.uint8] | None = None, instruction: str = ""
    ) -> None:
        """Add what the agent sees before its next action, and at the end what it saw last.

        Args:
            observation: of the contract, or any other of Gymnasium's: of an array or a mapping,
                what looks like an image is shown as one.
            scene: what the environment renders, uint8 [H, W, 3].
            instruction: where the observation holds none.
        """
        images = observation_images(observation)
        if scene is not None:
            images[SCENE] = _made_smaller(scene)
        for name, image in images.items():
            self._add_frame(name, image)
        given = observation.get(INSTRUCTION) if isinstance(observation, Mapping) else None
        self._instructions.append(given if isinstance(given, str) else instruction)

    def add_step(
        self,
        action: Any,
        reward: float,
        *,
        label: str = "",
        info: Mapping[str, Any] | None = None,
    ) -> None:
        """Add an action and what came of it.

        Args:
            action: of the agent.
            reward: of the step.
            label: the action's name.
            info: of the step; what JSON cannot hold, and what is long, is left out.
        """
        self._actions.append(flat_action(action))
        self._rewards.append(float(reward))
        self._labels.append(label)
        self._infos.append(plain_info(info or {}))

    def add_outputs(self, outputs: PolicyOutputs, rows: Iterable[int]) -> None:
        """Add what a policy computed for further steps.

        Args:
            outputs: of a batch.
            rows: of the batch, one a step.
        """
        rows = list(rows)
        self.add_numbers({name: one[rows] for name, one in outputs.numbers.items()})
        self._words += [list(outputs.words[row]) for row in rows if len(outputs.words)]
        self._modalities = list(outputs.modalities)

    def add_numbers(self, numbers: Mapping[str, Iterable[Any]]) -> None:
        """Add numbers of further steps, which may be behind the actions, such as advantages.

        Those that are not there for each step at the end, or not with the same shape, are left out;
        vectors are filled up to the longest one with nan.

        Args:
            numbers: by name, of some steps each, in their order.
        """
        for name, values in numbers.items():
            self._numbers.setdefault(name, []).extend(map(np.asarray, values))

    def build(
        self,
        success: bool | None,
        *,
        instruction_kind: str = "",
        about: Mapping[str, Any] | None = None,
    ) -> EpisodeRecord:
        """The record of the whole episode.

        Args:
            success: None where it is not known.
            instruction_kind: of the environment's language.
            about: further entries, as of :class:`~mmrl.records.episode.EpisodeRecord`.
        """
        numbers = {
            name: stacked
            for name, values in self._numbers.items()
            if len(values) == self.steps and (stacked := _stacked(values)) is not None
        }
        shapes = {one.shape for one in self._actions}
        actions = np.stack(self._actions) if len(shapes) == 1 else np.zeros((self.steps, 0))
        return EpisodeRecord(
            source=self._source,
            env=self._env,
            env_args=self._env_args,
            seed=self._seed,
            checkpoint=self._checkpoint,
            instruction_kind=instruction_kind,
            success=success,
            frames={name: one.unpacked() for name, one in self._frames.items() if len(one)},
            instructions=self._instructions if any(self._instructions) else [],
            rewards=self._rewards,
            actions=actions,
            action_names=self._labels if any(self._labels) else [],
            numbers=numbers,
            infos=self._infos if any(self._infos) else [],
            about=plain({**self._about(), **(about or {})}) or {},
        )

    def _about(self) -> dict[str, Any]:
        words: Any = self._words
        if len(set(map(tuple, words))) == 1:
            words = words[0]
        known = {"actions": list(self.actions), "words": words, "modalities": self._modalities}
        return {name: one for name, one in known.items() if one}

    def _add_frame(self, name: str, image: NDArray[np.uint8]) -> None:
        frames = self._frames.setdefault(name, _PackedFrames(image.shape))
        at_once = len(frames) == len(self._instructions)  # none was left out before
        room = (len(frames) + 1) * image.nbytes <= _MOST_BYTES or not len(frames)
        if name in self._full or not (frames.shape == image.shape and at_once and room):
            self._full.add(name)
            return
        frames.append(image)


class _PackedFrames:
    """Frames uint8 of one shape, packed by zlib chunk by chunk.

    Args:
        shape: of each.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._packed: list[bytes] = []
        self._pending: list[bytes] = []
        self._count = 0
        self._chunk = max(1, _CHUNK_BYTES // max(1, math.prod(shape)))

    def __len__(self) -> int:
        return self._count

    def append(self, frame: NDArray[np.uint8]) -> None:
        """Add a copy of a frame."""
        self._pending.append(frame.tobytes())
        self._count += 1
        if len(self._pending) == self._chunk:
            self._packed.append(zlib.compress(b"".join(self._pending), 1))
            self._pending = []

    def unpacked(self) -> NDArray[np.uint8]:
        """All of them, [N, *shape]."""
        content = b"".join([*map(zlib.decompress, self._packed), *self._pending])
        return np.frombuffer(content, np.uint8).reshape(self._count, *self.shape)


def _stacked(values: Sequence[NDArray[Any]]) -> NDArray[Any] | None:
    """Numbers of all steps, [T, …]; None where they have several shapes."""
    if len({one.shape for one in values}) == 1:
        return np.stack(values)
    if any(one.ndim != 1 for one in values):
        return None
    filled = np.full((len(values), max(map(len, values))), np.nan)
    for row, one in zip(filled, values, strict=True):
        row[: len(one)] = one
    return filled


def observation_images(observation: Any) -> dict[str, NDArray[np.uint8]]:
    """The images of an observation of one environment, uint8 [H, W, 3] each, by their keys; where
    there is none, its vectors as one.

    Args:
        observation: a mapping, or an array; [H, W], [H, W, C] and [C, H, W] of bytes are images, of
            which more than four channels are a stack whose last image is shown.
    """
    given = observation if isinstance(observation, Mapping) else {"image": observation}
    images = {}
    for key, value in given.items():
        if key in (INSTRUCTION, SPEECH, ACTION_MASK):
            continue
        image = _as_image(value)
        if image is not None:
            images[str(key).replace("/", ".").lstrip(".") or "image"] = image
    if images:
        return images
    vectors = {
        key: np.ravel(value).astype(np.float32)
        for key, value in given.items()
        if key not in (INSTRUCTION, SPEECH, ACTION_MASK) and _is_numbers(value)
    }
    filled = {key: one for key, one in vectors.items() if one.size}
    if not filled:
        return {}
    # an underscore: a vector by the name of the contract's main image is none
    return {OBSERVATION: observation_image({f"_{key}": one for key, one in filled.items()})}


def _is_numbers(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.number | int | float) and (
        np.asarray(value).dtype.kind in "biuf"
    )


def _as_image(value: Any) -> NDArray[np.uint8] | None:
    """What looks like an image, as uint8 [H, W, 3]; None for anything else."""
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.ndim not in (2, 3):
        return None
    if value.ndim == 3 and value.shape[2] == 3 and value.size:
        return value
    if min(value.shape) < 1 or max(value.shape) < _SMALLEST_SIDE:
        return None
    if value.ndim == 2:
        value = value[..., None]
    if value.shape[2] > 4 and value.shape[0] <= _MOST_CHANNELS:  # first, as torch has them
        value = np.moveaxis(value, 0, -1)
    channels = value.shape[2]
    if channels == 4 and (value[..., 3] == 255).all():  # opaque
        value = value[..., :3]
    elif channels % 3 == 0:
        value = value[..., -3:]
    else:
        value = value[..., -1:].repeat(3, -1)
    return np.ascontiguousarray(value)


def _made_smaller(scene: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if max(scene.shape[:2]) <= _LARGEST_SIDE:
        return scene
    image = Image.fromarray(scene)
    image.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE), Image.Resampling.BOX)
    return np.asarray(image)


def flat_action(action: Any) -> NDArray[Any]:
    """An action of any space as numbers: entries of mappings and tuples one after the other."""
    if isinstance(action, Mapping):
        action = tuple(action.values())
    if isinstance(action, tuple):
        parts = [np.ravel(flat_action(one)) for one in action]
        return np.concatenate(parts) if parts else np.zeros(0)
    return np.asarray(action)


def plain_info(info: Mapping[str, Any]) -> dict[str, Any]:
    """What of an info JSON can hold, and people can read."""
    kept = {}
    for key, value in info.items():
        if not isinstance(key, str) or key.startswith("_") or key in _NOT_FOR_PEOPLE:
            continue
        one = plain(value)
        if one is not None:
            kept[key] = one
    return kept


def plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON has it; None for what is long, deep, or nothing that JSON can hold."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist() if np.size(value) <= _MOST_ENTRIES else None
    if isinstance(value, bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    if depth >= _DEEPEST or not isinstance(value, Mapping | Sequence | set | frozenset):
        return None
    if len(value) > _MOST_ENTRIES or isinstance(value, bytes | bytearray | memoryview):
        return None
    if isinstance(value, Mapping):
        return {str(key): plain(one, depth + 1) for key, one in value.items()}
    return [plain(one, depth + 1) for one in value]
