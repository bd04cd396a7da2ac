"""An environment's own expert as an actor, and path lengths compared with its."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from mmrl.errors import UserError
from mmrl.wrappers.optional_methods import find_expert


class NoExpertError(UserError):
    """The environment brings no expert."""


class Expert:
    """An actor that does what the environment's expert would do, who knows the whole scene where
    the environment lets it; see :mod:`mmrl.contract`.
    """

    def attach(self, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
        """As :func:`mmrl.agent.attach_environment`.

        Raises:
            NoExpertError: there is none.
        """
        expert = find_expert(env, knowledge="full")
        if expert is None:
            raise NoExpertError("the environment has neither expert_actions nor expert_action")
        self._expert: Callable[[], NDArray[Any]] = expert

    def act(self, observation: Mapping[str, Any], *, deterministic: bool) -> NDArray[Any]:
        """The experts' present actions, [N].

        Args:
            observation, deterministic: have no influence.
        """
        return self._expert()


def path_efficiency(
    success: NDArray[np.bool_],
    lengths: NDArray[np.int64],
    expert_success: NDArray[np.bool_],
    expert_lengths: NDArray[np.int64],
) -> NDArray[np.float64]:
    """S · l / max(p, l) of each episode that the expert solves; their mean is SPL, "success
    weighted by path length" (Anderson et al., 2018).

    Args:
        success, lengths: S and p, whether the agent succeeds in an episode and in how many steps,
            [E] each.
        expert_success, expert_lengths: the same of the expert, whose steps are l, [E] each.

    Returns:
        float64, of as many episodes as the expert solves.
    """
    ours, shortest = lengths[expert_success], expert_lengths[expert_success]
    return success[expert_success] * shortest / np.maximum(np.maximum(ours, shortest), 1)
