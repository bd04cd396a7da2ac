"""The contract between environments and agents: what an observation holds, what success is.

An observation is a ``gymnasium.spaces.Dict`` with

- ``image``: ``Box`` uint8 [H, W, 3], 0 to 255, and
- ``instruction``: ``Text``, a sentence,

and may have ``speech``: ``Box`` float32 [T], the spoken instruction at 16 kHz, followed by zeros.
Further entries are ignored. The instruction may change within an episode. When an episode ends,
``info["is_success"]`` is whether the instruction was achieved; where it is absent or None, an
episode that terminates with a positive reward counts as a success.

Optional entries of infos serve hindsight relabelling and captioning: ``achieved``, the instructions
(a tuple of sentences) that the last step has achieved, had they been given when the episode began;
and ``description``, a sentence about what the agent sees. ``metadata["language"]`` names what
these sentences mean, see :mod:`mmrl.language`.

Optional methods serve evaluation, see :mod:`mmrl.wrappers.optional_methods`. An environment has
``is_equivalent(sentence) -> bool``, a batched engine ``are_equivalent(sentences) -> bool [N]``, one
sentence for each environment: whether a sentence asks, in the present scene, for what the episode's
own instruction asks for. And ``expert_action()``, or ``expert_actions()`` [N], are what an expert
would do now; where they take an argument ``knowledge``, ``"full"`` lets it see the whole scene.
``alternative_instructions()`` lists other instructions that the present scene could have, and
``metadata["instruction_option"]`` names the option of ``reset`` that gives one to the scene of a
seed: clips show with them whether an agent does what it is asked for.
"""

from __future__ import annotations

import reprlib
from typing import Any, Final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

IMAGE: Final = "image"
INSTRUCTION: Final = "instruction"
SPEECH: Final = "speech"
GOAL: Final = "goal"
"""What a policy sees beside the image, where a painter paints what the instruction asks for; no
environment has it."""
IS_SUCCESS: Final = "is_success"
ACHIEVED: Final = "achieved"
DESCRIPTION: Final = "description"
INSTRUCTION_OPTION: Final = "instruction_option"
"""The key of an environment's metadata under which it names the option of ``reset`` that takes an
instruction, for the same scene: ``reset(seed=7, options={"instruction": "…"})``. Optional."""
ALTERNATIVES: Final = "alternative_instructions"
"""The method of an environment that lists other instructions which its present scene could have.
Optional."""
EVAL_SEED_START: Final = 1_000_000_000
"""Episodes with seeds from here on are for evaluation; those of training stay below."""


def contract_violation(space: spaces.Space[object]) -> str | None:
    """What keeps an observation space from fulfilling the contract, or None where it does."""
    if not isinstance(space, spaces.Dict):
        return f"observations must be a Dict with '{IMAGE}' and '{INSTRUCTION}', got {space}"
    for key in (IMAGE, INSTRUCTION):
        if key not in space.spaces:
            return f"observations lack '{key}'; they have {', '.join(space.spaces) or 'nothing'}"
    image, instruction = space[IMAGE], space[INSTRUCTION]
    if not is_image(image):
        return f"'{IMAGE}' must be a Box of uint8 [H, W, 3], got {image}"
    if not isinstance(instruction, spaces.Text):
        return f"'{INSTRUCTION}' must be a Text space, got {instruction}"
    if SPEECH in space.spaces and not is_speech(space[SPEECH]):
        return f"'{SPEECH}' must be a Box of float32 [T], got {space[SPEECH]}"
    return None


def is_image(space: spaces.Space[object]) -> bool:
    """Whether a space holds uint8 images [H, W, 3]."""
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


def read_success(value: Any) -> bool | None:
    """What an ``info["is_success"]`` means: a bool, a number, or an array of one element; None
    leaves it to the reward.

    Raises:
        ValueError: it is anything else, such as text.
    """
    if value is None:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if not isinstance(value, str | bytes):
        array = np.asarray(value)
        if array.size == 1 and array.dtype.kind in "biuf" and np.isfinite(array).all():
            return bool(array.item())
    raise ValueError(
        f"info['{IS_SUCCESS}'] is {reprlib.repr(value)}: it must be true or false, or absent"
    )


def scalar(value: Any) -> float | None:
    """A number as a float; None for anything that is not one number, such as text or a vector."""
    if value is None or isinstance(value, str | bytes) or np.ndim(value) != 0:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def was_successful(info: dict[str, Any], terminated: bool, reward: Any) -> bool:
    """Whether the episode that just ended was a success.

    Args:
        info, terminated, reward: of its last step.

    Raises:
        ValueError: as :func:`read_success`.
    """
    success = read_success(info.get(IS_SUCCESS))
    return bool(terminated and (scalar(reward) or 0) > 0) if success is None else success


def were_successful(
    infos: dict[str, Any], terminated: NDArray[np.bool_], rewards: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which of the episodes that just ended in a batch were successes, bool [N].

    Args:
        infos: of a step in autoreset mode "SameStep".
        terminated, rewards: of the same step, [N].

    Raises:
        ValueError: as :func:`read_success`, with the environment's number.
    """
    final = infos.get("final_info", {})
    success: NDArray[np.bool_] = terminated & (rewards > 0)
    if IS_SUCCESS not in final:
        return success
    given = final[IS_SUCCESS]
    here = final.get(f"_{IS_SUCCESS}", np.ones(len(success), np.bool_))
    if isinstance(given, np.ndarray) and given.dtype == np.bool_ and given.ndim == 1:
        return np.where(here, given, success)
    for e in np.flatnonzero(here).tolist():
        try:
            own = read_success(given[e])
        except ValueError as error:
            raise ValueError(f"{error} in number {e} of the batch") from error
        success[e] = success[e] if own is None else own
    return success
