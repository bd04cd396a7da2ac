"""An episode while it is being played: its images are packed at once, so that many fit."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.contract import ACTION_MASK, INSTRUCTION, SPEECH

CHUNK_BYTES: Final = 64 * 1024
"""About so much of the images is packed together."""
_LEVEL: Final = 1
_SMALL: Final = 1024  # bytes that are not worth packing
EXPERT_ACTION: Final = "expert_action"
"""The entry of the infos with what an expert would have done in each step."""
ACTED_BY: Final = "acted_by"
"""The entry of the infos with who took each step, :data:`AGENT` or :data:`PERSON`."""
AGENT: Final = "agent"
PERSON: Final = "person"


class Frames:
    """Images of one shape, packed by zlib in chunks as HDF5 wants them."""

    def __init__(self) -> None:
        self._pending: list[NDArray[np.uint8]] = []
        self._packed: list[bytes] = []
        self._shape: tuple[int, ...] = ()
        self._per_chunk = 1

    def add(self, image: NDArray[np.uint8]) -> None:
        """Add an image, uint8 [H, W, 3], which is copied."""
        self._shape = image.shape
        self._per_chunk = max(1, CHUNK_BYTES // max(image.size, 1))
        self._pending.append(image.copy())
        if len(self._pending) == self._per_chunk:
            self._pack()

    def write(self, group: Any, name: str) -> None:
        """Write the images as a dataset, uint8 [T + 1, H, W, 3], of an HDF5 group."""
        count = len(self._packed) * self._per_chunk + len(self._pending)
        self._per_chunk = min(self._per_chunk, count)  # HDF5 wants no chunk larger than all
        missing = -count % self._per_chunk
        self._pending += [np.zeros(self._shape, np.uint8)] * missing
        if self._pending:
            self._pack()
        dataset = group.create_dataset(
            name,
            (count, *self._shape),
            np.uint8,
            chunks=(self._per_chunk, *self._shape),
            compression="gzip",
            compression_opts=_LEVEL,
        )
        for k, packed in enumerate(self._packed):
            dataset.id.write_direct_chunk((k * self._per_chunk, *(0 for _ in self._shape)), packed)

    def _pack(self) -> None:
        self._packed.append(zlib.compress(np.stack(self._pending).tobytes(), _LEVEL))
        self._pending = []


@dataclass
class Recording:
    """An episode up to now.

    Attributes:
        seed: of the episode.
        frames: T + 1 images, by their keys.
        vectors: T + 1 vectors float32 [K], by their keys.
        instructions: T + 1; "" where the environment gives none.
        descriptions: T + 1; "" where the environment gives none.
        actions, rewards, terminated, truncated, achieved: of T steps.
        expert_actions: of T steps, where an expert labels them; else empty.
        acted_by: who took each of T steps, where a person corrects an agent; else empty.
        success: whether it ended in one; None where it has not ended, or it is not known.
    """

    seed: int
    frames: dict[str, Frames] = field(default_factory=dict)
    vectors: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)
    instructions: list[str] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    actions: list[Any] = field(default_factory=list)
    expert_actions: list[Any] = field(default_factory=list)
    acted_by: list[str] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    terminated: list[bool] = field(default_factory=list)
    truncated: list[bool] = field(default_factory=list)
    achieved: list[tuple[str, ...]] = field(default_factory=list)
    success: bool | None = None

    @property
    def is_over(self) -> bool:
        """Whether the episode has ended."""
        return bool(self.terminated) and (self.terminated[-1] or self.truncated[-1])

    def add_observation(self, observation: Mapping[str, Any], description: str) -> None:
        """Add an observation of the contract, but for its speech and its action mask."""
        for key, value in observation.items():
            if key in (INSTRUCTION, SPEECH, ACTION_MASK):
                continue
            if value.dtype == np.uint8:
                self.frames.setdefault(key, Frames()).add(value)
            else:
                self.vectors.setdefault(key, []).append(np.array(value))
        self.instructions.append(observation.get(INSTRUCTION, ""))
        self.descriptions.append(description)

    def write(self, file: Any, number: int, env_id: str) -> None:
        """Write the episode into an HDF5 file, as Minari lays it out."""
        steps = len(self.rewards)
        group = file.create_group(f"episode_{number}")
        group.attrs.update(
            {"id": number, "seed": self.seed, "total_steps": steps, "env_id": env_id}
        )
        observations = group.create_group("observations")
        for key, frames in self.frames.items():
            frames.write(observations, key)
        for key, vectors in self.vectors.items():
            _write(observations, key, np.stack(vectors))
        _write(observations, "instruction", strings(self.instructions))
        _write(group, "actions", np.stack([np.asarray(action) for action in self.actions]))
        _write(group, "rewards", np.array(self.rewards, np.float64))
        _write(group, "terminations", np.array(self.terminated))
        _write(group, "truncations", np.array(self.truncated))
        infos = group.create_group("infos")
        if self.expert_actions:
            labels = np.stack([np.asarray(action) for action in self.expert_actions])
            _write(infos, EXPERT_ACTION, labels)
        if self.acted_by:
            _write(infos, ACTED_BY, strings(self.acted_by))
        if self.success is not None:
            group.attrs["success"] = self.success
            _write(infos, "is_success", np.arange(steps + 1) == (steps if self.success else -1))
        if any(self.descriptions):
            _write(infos, "description", strings(self.descriptions))
        if any(self.achieved):
            _write(infos, "achieved", strings([sentence for s in self.achieved for sentence in s]))
            counts = [len(sentences) for sentences in self.achieved]
            _write(infos, "achieved_count", np.array(counts, np.int32))


def strings(texts: list[str]) -> NDArray[np.bytes_]:
    """Texts as UTF-8 of fixed length, [N], as HDF5 has it."""
    import h5py

    encoded = [text.encode() for text in texts]
    longest = max(1, *map(len, encoded))
    return np.array(encoded, h5py.string_dtype("utf-8", longest))


def _write(group: Any, name: str, array: NDArray[Any]) -> None:
    packing = {}
    if array.nbytes > _SMALL:
        packing = {"chunks": array.shape, "compression": "gzip", "compression_opts": _LEVEL}
    group.create_dataset(name, data=array, dtype=array.dtype, **packing)
