"""Episode records: what an agent saw, read and did, step by step; their file is that of
:mod:`mmrl.records.file`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.records.sheets import LONGEST, Frames, layout_of

SCENE: Final = "scene"
"""The camera of what the environment renders, beside what the agent sees."""
IMAGINED: Final = "imagined"
"""The camera of what a world model predicts, beside the true frames; those before the step
``about["observed_steps"]`` are true as well."""
SHARED: Final = (
    "source", "env", "env_args", "seed", "checkpoint", "instruction_kind", "success",
)  # fmt: skip
"""What a record and its summary both have."""


@dataclass(frozen=True)
class Summary:
    """What lists and filters of episodes need.

    Attributes:
        source: what it was played in: training, evaluation, collection, watch or imagination.
        env, env_args: the environment.
        seed: that it was reset with; None where it was not.
        checkpoint: environment steps that the agent was trained for; None where there is no agent.
        instruction: the first one; empty without instructions.
        instruction_kind: of the language of the environment, where that knows kinds.
        success: None where it is not known.
        steps: actions.
        total_reward: the return; None where it is not finite.
        cameras: for each camera ``height``, ``width``, ``frames``, ``columns``, ``rows``.
    """

    source: str
    env: str
    env_args: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    checkpoint: int | None = None
    instruction: str = ""
    instruction_kind: str = ""
    success: bool | None = None
    steps: int = 0
    total_reward: float | None = 0.0
    cameras: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass
class EpisodeRecord:
    """An episode of T actions.

    Attributes:
        source, env, env_args, seed, checkpoint, instruction_kind, success: as of its
            :class:`Summary`.
        frames: of each camera uint8 [T + 1, H, W, 3]: the keys of the observation, ``scene`` for
            what the environment renders, and ``imagined`` for what a world model predicts. A camera
            may have fewer frames, from the first on.
        instructions: T + 1 sentences.
        rewards: float [T].
        actions: [T, …], as the agent gave them.
        action_names: T names, or none.
        numbers: further numbers of each step, by name, [T, …] or [T + 1, …]: ``value``, the
            critic's estimate; ``advantage``; ``probabilities`` [T, A] of actions;
            ``attention_image`` [T, rows, columns], the fusion's attention over cells of the main
            image; ``attention_words`` [T, L] over the words of the instruction;
            ``modality_weights`` [T, M]; ``imagined_reward``, of a world model.
        infos: of each step, what JSON can hold, T mappings or none; ``achieved`` lists the
            instructions that the step achieved, ``clauses_done`` whether each clause of the
            instruction is achieved.
        about: anything else that JSON can hold: ``actions``, A names of all actions; ``words``, the
            L words that attention is over, or T lists of them; ``modalities``, M names;
            ``observed_steps``, after which a world model imagines; ``relabelled_instruction``, of
            hindsight; ``expert_steps``, the length of an expert's
            episode with the same seed.
    """

    source: str
    env: str
    frames: dict[str, Frames]
    instructions: Sequence[str]
    rewards: Sequence[float]
    actions: NDArray[Any]
    env_args: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    checkpoint: int | None = None
    instruction_kind: str = ""
    success: bool | None = None
    action_names: Sequence[str] = ()
    numbers: dict[str, NDArray[Any]] = field(default_factory=dict)
    infos: Sequence[Mapping[str, Any]] = ()
    about: dict[str, Any] = field(default_factory=dict)

    def summary(self) -> Summary:
        """What lists and filters need of it."""
        total = float(np.asarray(self.rewards, np.float64).sum())
        return Summary(
            **{name: getattr(self, name) for name in SHARED},
            instruction=self.instructions[0] if self.instructions else "",
            steps=len(self.rewards),
            total_reward=total if math.isfinite(total) else None,
            cameras={name: layout_of(frames) for name, frames in self.frames.items()},
        )

    def check(self) -> None:
        """Make sure that its parts belong together.

        Raises:
            ValueError: they are not of the same number of steps, or of another type.
        """
        steps = len(self.rewards)
        lengths = {
            "instructions": (len(self.instructions), {0, steps + 1}),
            "actions": (len(self.actions), {steps}),
            "action_names": (len(self.action_names), {0, steps}),
            "infos": (len(self.infos), {0, steps}),
            **{name: (len(one), {steps, steps + 1}) for name, one in self.numbers.items()},
        }
        texts = (self.instructions, self.action_names)
        if not all(isinstance(one, str) for listed in texts for one in listed) or any(
            isinstance(listed, str) for listed in texts
        ):
            raise ValueError("instructions and names of actions are strings")
        for name, (length, right) in lengths.items():
            if length not in right:
                raise ValueError(f"{name} has {length} entries for {steps} actions")
        for name, one in {"rewards": self.rewards, "actions": self.actions, **self.numbers}.items():
            if np.asarray(one, np.float64 if name == "rewards" else None).dtype.kind not in "biuf":
                raise ValueError(f"{name} are no numbers")
        if not all(isinstance(one, Mapping) for one in (self.about, *self.infos)):
            raise ValueError("about and infos are mappings")
        for camera, frames in self.frames.items():
            if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
                raise ValueError(
                    f"{camera} is {frames.dtype} {list(frames.shape)}: no uint8 images"
                )
            if not 1 <= len(frames) <= steps + 1 or not all(frames.shape[1:3]):
                raise ValueError(f"{camera} has {len(frames)} frames for {steps} actions")
            if max(frames.shape[1:3]) > LONGEST:
                raise ValueError(f"{camera} has frames of {list(frames.shape[1:3])} pixels")
            if not camera or "/" in camera or camera.startswith("."):
                raise ValueError(f"{camera!r} cannot be the name of a camera")
