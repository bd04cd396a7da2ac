"""The contract between environments and agents: what an observation holds, what success is.

An observation is a ``gymnasium.spaces.Dict`` with

- ``image``: ``Box`` uint8 [H, W, 3], 0 to 255, and
- ``instruction``: ``Text``, a sentence,

and may have ``speech``: ``Box`` float32 [T], the instruction as it is said, at 16 kHz, followed by
zeros. Further entries are left alone. When an episode ends, ``info["is_success"]``
tells whether the instruction was carried out; where an environment does not say, an episode that
terminates with a positive reward counts as a success.

An environment may say more in its infos, for whoever learns from hindsight or to put pictures into
words: ``achieved``, the instructions (a tuple of sentences) that the last step has carried out, had
they been given at the episode's beginning; and ``description``, what the agent sees, in a sentence.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

IMAGE: Final = "image"
INSTRUCTION: Final = "instruction"
SPEECH: Final = "speech"
GOAL: Final = "goal"
"""What a policy sees beside the picture, where a painter paints what the instruction asks for; no
environment has it."""
IS_SUCCESS: Final = "is_success"
ACHIEVED: Final = "achieved"
DESCRIPTION: Final = "description"


def contract_violation(space: spaces.Space[object]) -> str | None:
    """What keeps an observation space from fulfilling the contract, or None where it does."""
    if not isinstance(space, spaces.Dict):
        return f"observations must be a Dict with '{IMAGE}' and '{INSTRUCTION}', got {space}"
    for key in (IMAGE, INSTRUCTION):
        if key not in space.spaces:
            return f"observations lack '{key}'; they have {', '.join(space.spaces) or 'nothing'}"
    image, instruction = space[IMAGE], space[INSTRUCTION]
    if not is_picture(image):
        return f"'{IMAGE}' must be a Box of uint8 [H, W, 3], got {image}"
    if not isinstance(instruction, spaces.Text):
        return f"'{INSTRUCTION}' must be a Text space, got {instruction}"
    if SPEECH in space.spaces and not is_speech(space[SPEECH]):
        return f"'{SPEECH}' must be a Box of float32 [T], got {space[SPEECH]}"
    return None


def is_picture(space: spaces.Space[object]) -> bool:
    """Whether a space holds uint8 pictures [H, W, 3]."""
    return (
        isinstance(space, spaces.Box)
        and space.dtype == np.uint8
        and len(space.shape) == 3
        and space.shape[2] == 3
    )


def is_speech(space: spaces.Space[object]) -> bool:
    """Whether a space holds waveforms float32 [T]."""
    return (
        isinstance(space, spaces.Box) and space.dtype == np.float32 and len(space.shape or ()) == 1
    )


def batch_of_one(observation: dict[str, Any]) -> dict[str, Any]:
    """An observation of one environment as a batch has it."""
    return {
        key: value[None] if isinstance(value, np.ndarray) else [value]
        for key, value in observation.items()
    }


def was_successful(info: dict[str, Any], terminated: bool, reward: float) -> bool:
    """Whether the episode that just ended was a success.

    Args:
        info, terminated, reward: of its last step.
    """
    return bool(info.get(IS_SUCCESS, terminated and reward > 0))


def were_successful(
    infos: dict[str, Any], terminated: NDArray[np.bool_], rewards: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which of the episodes that just ended in a batch were successes, bool [N].

    Args:
        infos: of a step in autoreset mode "SameStep".
        terminated, rewards: of the same step, [N].
    """
    final = infos.get("final_info", {})
    by_reward = terminated & (rewards > 0)
    if IS_SUCCESS not in final:
        return by_reward
    return np.where(final[f"_{IS_SUCCESS}"], final[IS_SUCCESS], by_reward)
