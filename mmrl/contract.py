"""The contract between environments and agents: what an observation holds, what success is.

An observation is a ``gymnasium.spaces.Dict`` with at least one image or vector:

- images: ``Box`` uint8 [H, W, 3], 0 to 255; the main one is ``image``, and cameras beside it have
  keys of their own;
- vectors: ``Box`` float32 [K], such as ``state``;
- ``instruction``: ``Text``, a sentence, where there is one. It may change within an episode;
- ``speech``: ``Box`` float32 [T], the spoken instruction at 16 kHz, followed by zeros, where there
  is one;
- ``action_mask``: ``Box`` int8 [n], 1 for each action that is valid now, where there are masks, see
  :mod:`mmrl.action_masks`. It is for choosing actions; models do not see it.

Environments with other observations are adapted, see :mod:`mmrl.wrappers.adapt`. When an episode
ends, ``info["is_success"]`` is whether the instruction was achieved; where it is absent or None, it
is not known.

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
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

IMAGE: Final = "image"
INSTRUCTION: Final = "instruction"
SPEECH: Final = "speech"
ACTION_MASK: Final = "action_mask"
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
EVAL_EPISODES: Final = 512
"""Held-out episodes of an evaluation, by default."""


def contract_violation(space: spaces.Space[object]) -> str | None:
    """What keeps an observation space from fulfilling the contract, or None where it does."""
    if not isinstance(space, spaces.Dict):
        return f"observations must be a Dict of images, vectors and '{INSTRUCTION}', got {space}"
    for key, one in space.spaces.items():
        wrong = _entry_violation(key, one)
        if wrong is not None:
            return wrong
    if not sensors(space):
        return f"observations have no image and no vector: {', '.join(space.spaces) or 'nothing'}"
    images = [key for key, one in space.spaces.items() if is_image(one)]
    if images and IMAGE not in images:
        return f"the main image must be '{IMAGE}'; there are {', '.join(images)}"
    return None


def _entry_violation(key: str, space: spaces.Space[object]) -> str | None:
    if key == INSTRUCTION:
        fits, what = isinstance(space, spaces.Text), "a Text space"
    elif key == SPEECH:
        fits, what = is_vector(space), "a Box of float32 [T]"
    elif key == ACTION_MASK:
        fits, what = is_mask(space), "a Box of int8 [n] from 0 to 1"
    elif key == IMAGE:
        fits, what = is_image(space), "a Box of uint8 [H, W, 3]"
    else:
        fits, what = is_image(space) or is_vector(space), "uint8 [H, W, 3] or float32 [K]"
    return None if fits else f"'{key}' must be {what}, got {space}"


def sensors(space: spaces.Dict) -> dict[str, spaces.Box]:
    """The images and vectors of a space that fulfils the contract, by their keys."""
    return {
        key: one
        for key, one in space.spaces.items()
        if key not in (INSTRUCTION, SPEECH, ACTION_MASK) and isinstance(one, spaces.Box)
    }


def is_image(space: spaces.Space[object]) -> bool:
    """Whether a space holds uint8 images [H, W, 3]."""
    return (
        isinstance(space, spaces.Box)
        and space.dtype == np.uint8
        and len(space.shape) == 3
        and space.shape[2] == 3
    )


def is_vector(space: spaces.Space[object]) -> bool:
    """Whether a space holds vectors float32 [K]."""
    return (
        isinstance(space, spaces.Box) and space.dtype == np.float32 and len(space.shape or ()) == 1
    )


def is_mask(space: spaces.Space[object]) -> bool:
    """Whether a space holds action masks, int8 [n] from 0 to 1."""
    return isinstance(space, spaces.Box) and space == spaces.Box(0, 1, space.shape, np.int8)


def rows_of(observation: Mapping[str, Any]) -> int:
    """How many environments a batch of observations is of."""
    return len(next(iter(observation.values())))


def batch_of_one(observation: dict[str, Any]) -> dict[str, Any]:
    """An observation of one environment as a batch has it."""
    return {
        key: value[None] if isinstance(value, np.ndarray) else [value]
        for key, value in observation.items()
    }


def read_success(value: Any) -> bool | None:
    """What an ``info["is_success"]`` means: a bool, a number, or an array of one element; None is
    unknown.

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


def was_successful(info: Mapping[str, Any]) -> bool | None:
    """Whether the episode that just ended was a success; None where it is not known.

    Args:
        info: of its last step.

    Raises:
        ValueError: as :func:`read_success`.
    """
    return read_success(info.get(IS_SUCCESS))


class Successes(NamedTuple):
    """The success of the episodes of a batch that just ended.

    Attributes:
        success: whether each was one, bool [N]; False where it is not known.
        known: whether it is known, bool [N].
    """

    success: NDArray[np.bool_]
    known: NDArray[np.bool_]


def were_successful(infos: Mapping[str, Any], count: int) -> Successes:
    """Which of the episodes that just ended in a batch were successes.

    Args:
        infos: of a step in autoreset mode "SameStep".
        count: of the environments, N.

    Raises:
        ValueError: as :func:`read_success`, with the environment's number.
    """
    final = infos.get("final_info", {})
    if IS_SUCCESS not in final:
        return Successes(np.zeros(count, np.bool_), np.zeros(count, np.bool_))
    given = final[IS_SUCCESS]
    known = np.array(final.get(f"_{IS_SUCCESS}", np.ones(count, np.bool_)), np.bool_)
    if isinstance(given, np.ndarray) and given.dtype == np.bool_ and given.ndim == 1:
        return Successes(given & known, known)
    success = np.zeros(count, np.bool_)
    for e in np.flatnonzero(known).tolist():
        try:
            own = read_success(given[e])
        except ValueError as error:
            raise ValueError(f"{error} in number {e} of the batch") from error
        success[e], known[e] = bool(own), own is not None
    return Successes(success, known)
