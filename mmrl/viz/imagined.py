"""An episode beside what a world model imagines of it, as a clip and as a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from mmrl.contract import IMAGE
from mmrl.data.episode import Episode
from mmrl.generative.world_model.simulator import WorldSimulator
from mmrl.generative.world_model.state import ImaginedStep
from mmrl.records import EpisodeRecord
from mmrl.records.episode import IMAGINED
from mmrl.viz.clip_frame import draw_frame
from mmrl.viz.clips import Clip

IMAGINATION: Final = "imagination"
"""The source of these records."""


@dataclass(frozen=True)
class Imagined:
    """An episode beside what a world model imagines of it.

    Attributes:
        real: the episode.
        instruction: that the model was given.
        observed: steps that the model observed; the others it imagined.
        images: uint8 [K + 1, H, W, 3], observed and then imagined.
        step: what it imagined, with batches of one.
        accuracy: of the imagined tokens.
    """

    real: Episode
    instruction: str
    observed: int
    images: NDArray[np.uint8]
    step: ImaginedStep
    accuracy: float

    @property
    def end(self) -> int:
        """K, the steps that are shown."""
        return len(self.images) - 1


def imagine_episode(
    world: WorldSimulator,
    real: Episode,
    *,
    context: int,
    steps: int,
    temperature: float = 0.0,
    instruction: str | None = None,
) -> Imagined:
    """Imagine an episode's steps from some of its first ones on, by its actions.

    Args:
        world: the model.
        real: the episode.
        context: first steps that the model observes, at most.
        steps: that it imagines, at most.
        temperature: of sampling; 0 takes the likeliest tokens.
        instruction: another one than the episode's.
    """
    observed = min(context, len(real) - 1)
    end = min(observed + steps, len(real))
    instruction = instruction or real.instruction
    state = world.observe(
        real.images[None, : observed + 1], real.actions[None, :observed], [instruction]
    )
    imagined, _ = world.imagine(
        state,
        real.actions[None, observed:end],
        temperature=temperature,
        generator=torch.Generator(world.model.device).manual_seed(real.seed),
    )
    same = (world.encode(real.images[observed + 1 : end + 1]) == imagined.ids[0]).float().mean()
    images = np.concatenate([real.images[: observed + 1], world.decode(imagined.ids[0])])
    return Imagined(real, instruction, observed, images, imagined, float(same))


def imagined_clip(one: Imagined, names: dict[int, str]) -> Clip:
    """An episode beside the imagined one, drawn."""
    real, observed = one.real, one.observed
    frames = [
        draw_frame(
            [
                ("real", real.images[k]),
                ("imagined" if k > observed else "observed", one.images[k]),
            ],
            one.instruction,
            _note(k, observed, real, one.step, names),
            real.success if k == len(real) else None,
        )
        for k in range(one.end + 1)
    ]
    return Clip(one.instruction, real.success, frames)


def imagined_record(
    one: Imagined, env_id: str, env_args: dict[str, Any], names: dict[int, str]
) -> EpisodeRecord:
    """The record of an episode beside the imagined one."""
    real, end, observed = one.real, one.end, one.observed
    rewards = np.full(end, np.nan)
    rewards[observed:] = one.step.rewards[0].float().cpu().numpy()
    actions = real.actions[:end]
    return EpisodeRecord(
        source=IMAGINATION,
        env=env_id,
        env_args=env_args,
        seed=real.seed,
        success=real.success if end == len(real) else None,
        frames={IMAGE: real.images[: end + 1], IMAGINED: one.images},
        instructions=[one.instruction] * (end + 1) if one.instruction else [],
        rewards=real.rewards[:end].tolist(),
        actions=actions,
        action_names=[names.get(int(action), str(action)) for action in actions],
        numbers={"imagined_reward": rewards},
        about={"observed_steps": observed, "actions": list(names.values())},
    )


def _note(
    k: int, observed: int, real: Episode, imagined: ImaginedStep, names: dict[int, str]
) -> str:
    """The action of a step, and the reward and end that the model predicts for it."""
    if k == 0:
        return "start"
    note = f"step {k}: {names.get(int(real.actions[k - 1]), str(real.actions[k - 1]))}"
    if k > observed:
        row = k - observed - 1
        reward, ends = imagined.rewards[0, row], imagined.ends[0, row]
        note += f"; imagined reward {float(reward):.2f}{', end' * bool(ends)}"
    return note
