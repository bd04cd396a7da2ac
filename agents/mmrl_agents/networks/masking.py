"""Invalid action masking (Huang & Ontañón, 2022): logits and values of invalid actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from gymnasium import spaces
from torch import Tensor

from mmrl.action_masks import mask_sizes
from mmrl.contract import ACTION_MASK
from mmrl.errors import UserError

INVALID_LOGIT: Final = -1e8
"""Of an invalid action: its probability is exactly 0 in float32, and so is its share of the entropy
and of the gradient; minus infinity times 0 would be no number."""


def masked_sizes(observation: spaces.Space[Any], action: spaces.Space[Any]) -> list[int] | None:
    """How many actions each component has that is masked; None where observations have no masks.

    Args:
        observation, action: spaces of one environment.

    Raises:
        UserError: the masks are not of these actions.
    """
    if not isinstance(observation, spaces.Dict) or ACTION_MASK not in observation.spaces:
        return None
    sizes, shape = mask_sizes(action), observation[ACTION_MASK].shape
    if sizes is None or shape != (sum(sizes),):
        raise UserError(
            f"action masks have shape {list(shape or ())}, and actions are {action}: give int8 "
            "[n] for the n actions of a Discrete, or all those of a MultiDiscrete side by side"
        )
    return sizes


def valid_actions(mask: Tensor, sizes: Sequence[int]) -> Tensor:
    """Masks int8 [B, n] → which actions are valid, bool [B, n]; all those of a component without
    any.
    """
    parts = [part | ~part.any(-1, keepdim=True) for part in mask.bool().split(list(sizes), -1)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, -1)


def mask_logits(logits: Tensor, mask: Tensor, sizes: Sequence[int]) -> Tensor:
    """Logits float [B, n] with :data:`INVALID_LOGIT` where the masks, int8 [B, n], are 0."""
    return logits.masked_fill(~valid_actions(mask, sizes), INVALID_LOGIT)


def mask_values(values: Tensor, obs: Mapping[str, Tensor], sizes: Sequence[int] | None) -> Tensor:
    """Values of actions with minus infinity for invalid ones, so that neither the greedy choice nor
    the target's maximum is one of them.

    Args:
        values: float [B, n], or quantiles [B, Q, n].
        obs: observations; without masks, all actions are valid.
        sizes: of :func:`masked_sizes`.
    """
    mask = None if sizes is None else obs.get(ACTION_MASK)
    if mask is None or sizes is None:
        return values
    valid = valid_actions(mask, sizes)
    return values.masked_fill(~(valid if values.ndim == 2 else valid[:, None]), -torch.inf)
