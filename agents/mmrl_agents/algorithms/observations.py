"""Observations of an algorithm: its environment's, and those with sentences that it encodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecTransposeImage

from mmrl.contract import ACTION_MASK, INSTRUCTION
from mmrl.errors import UserError
from mmrl.preprocessing.image import in_order_of, is_channels_first, is_image, size_of
from mmrl.preprocessing.pipeline import Preprocessing


def check_env(algorithm: str, env: Any) -> None:
    """Make sure that observations are encoded before an algorithm sees them.

    Args:
        algorithm: what the environment is for.
        env: the environment; None where there is none.

    Raises:
        UserError: it is no MultimodalVecEnv, nor anything like one.
    """
    if env is None:
        return
    space = getattr(env, "observation_space", None)
    encoded = (
        isinstance(env, VecEnv)
        and isinstance(space, spaces.Dict)
        and len(space.spaces) > 0
        and all(isinstance(part, spaces.Box) for part in space.spaces.values())
    )
    if encoded:
        return
    if isinstance(env, str):
        what, name = f"the environment id {env!r}", env
    elif isinstance(env, gym.Env):
        what, name = f"an environment {env}", env.spec.id if env.spec else "…"
    else:
        what, name = f"a {type(env).__name__} without encoded instructions", "…"
    raise UserError(
        f"{algorithm} learns from a mmrl_agents.vec_env.MultimodalVecEnv, which encodes the "
        f"instructions, not from {what}: give MultimodalVecEnv("
        f"mmrl.wrappers.adapters.make_vec_env({name!r}, 8), tokenizer), or train it by 'mmrl train'"
    )


def fitting_env(env: VecEnv, space: spaces.Space[Any]) -> VecEnv:
    """An environment in the order of axes that an algorithm was built for: stable-baselines3's own
    classes, and earlier versions, had images with the channels first.

    Args:
        env: to learn from.
        space: of the algorithm's observations.
    """
    built, theirs = (
        [one for one in cast("Any", each).spaces.values() if is_image(one.shape)]
        for each in (space, env.observation_space)
    )
    if _are_turned(built) and not _are_turned(theirs):
        return VecTransposeImage(env)
    return env


def _are_turned(images: list[spaces.Space[Any]]) -> bool:
    """Whether there are images with the channels first."""
    return any(is_channels_first(one.shape or ()) for one in images)


def is_text(instruction: Any) -> bool:
    """Whether an observation has sentences instead of token ids."""
    if isinstance(instruction, str):
        return True
    if isinstance(instruction, np.ndarray):
        return instruction.dtype.kind in "UOT"
    return (
        isinstance(instruction, list | tuple)
        and len(instruction) > 0
        and isinstance(instruction[0], str)
    )


def encode(
    observation: Mapping[str, Any], preprocessing: Preprocessing | None, space: spaces.Dict
) -> dict[str, NDArray[Any]]:
    """An environment's own observation, of one or of N, as a policy takes it.

    Args:
        observation: with sentences.
        preprocessing: of the algorithm.
        space: of the observations that it was trained on; images are [H, W, 3] or [3, H, W].

    Raises:
        UserError: there is no preprocessing, or images of another size.
    """
    if preprocessing is None:
        raise UserError(
            "this agent was saved without its tokenizer: give the observations of its "
            "MultimodalVecEnv, where instructions are encoded"
        )
    one = isinstance(observation[INSTRUCTION], str)
    batch = {key: [value] for key, value in observation.items()} if one else observation
    rows = [preprocessing.encode(batch, row) for row in range(len(batch[INSTRUCTION]))]
    encoded = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    for key, part in space.spaces.items():
        if key not in encoded:
            array, shape = np.asarray(batch[key]), part.shape or ()
            encoded[key] = _fitting(array, shape) if is_image(shape) else array
    return {key: value[0] for key, value in encoded.items()} if one else encoded


def with_action_masks(
    observation: Any, action_masks: Any, space: spaces.Space[Any]
) -> Any:  # fmt: skip
    """An observation with the action masks that a policy chooses by.

    Args:
        observation: of one environment or of N.
        action_masks: of them, [n] or [N, n], where the observation has none, or others; None for
            those that it has, and for all actions without.
        space: of the observations that the policy was trained on.

    Raises:
        UserError: masks of another shape, or a policy that was trained without.
    """
    if not isinstance(space, spaces.Dict) or ACTION_MASK not in space.spaces:
        if action_masks is not None:
            raise UserError(
                "action_masks: this agent was trained without action masks; leave them out"
            )
        return observation
    if not isinstance(observation, Mapping):
        return observation
    if action_masks is None and ACTION_MASK in observation:
        return observation
    wanted = (*_batch_shape(observation, space), *(space[ACTION_MASK].shape or ()))
    masks = np.ones(wanted) if action_masks is None else np.asarray(action_masks)
    if masks.shape != wanted:
        raise UserError(
            f"action_masks of shape {list(masks.shape)}: must be {list(wanted)}, 1 for each valid "
            "action"
        )
    return {**observation, ACTION_MASK: masks.astype(np.bool_).astype(np.int8)}


def _batch_shape(observation: Mapping[str, Any], space: spaces.Dict) -> tuple[int, ...]:
    """(N,) of a batch of observations, and () of one."""
    for key, one in observation.items():
        if key in space.spaces and key != ACTION_MASK and not is_text(one):
            return np.shape(one)[: max(np.ndim(one) - len(space[key].shape or ()), 0)]
    one = observation.get(INSTRUCTION)
    return () if isinstance(one, str) or one is None else (len(one),)


def _fitting(images: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Images [N, H, W, 3] or [N, 3, H, W] in the order of a shape.

    Args:
        images: of a batch.
        shape: of one of those that the agent was trained on.

    Raises:
        UserError: they are of another size.
    """
    fitting = in_order_of(shape, images)
    if fitting.shape[1:] != shape:
        raise UserError(
            f"images of {list(images.shape[1:])}: this agent was trained on {[*size_of(shape), 3]}"
        )
    return fitting
