"""Refuses hyperparameters and action spaces that an agent cannot have."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final, cast

from gymnasium import spaces
from gymnasium.vector import VectorEnv

from mmrl.contract import ACTION_MASK
from mmrl.env_sets import short_name
from mmrl.errors import UserError
from mmrl.experiment.config import TrainConfig
from mmrl.experiment.env_info import EnvInfo
from mmrl.registry import agent_names, find_agent
from mmrl.wrappers.action_plan import discrete_bins
from mmrl.wrappers.actions import takes_as_is
from mmrl.wrappers.nested_spaces import describe

INTERACTION: Final = "interaction"
DEMONSTRATIONS: Final = "demonstrations"
DATASETS: Final = "datasets"


def check_actions(
    config: TrainConfig, space: spaces.Space[Any], kinds: tuple[type[spaces.Space[Any]], ...]
) -> None:
    """Refuse actions that an agent does not take.

    Args:
        config: of the training.
        space: of its actions.
        kinds: that the agent takes.

    Raises:
        UserError: it does not take them, with the agents that do and learn from the same; or the
            run was made before its actions were adapted.
    """
    if not takes_as_is(space):
        raise UserError(
            f"{config.out} was trained to act in {describe(space)}, as an earlier version did: "
            "actions are adapted now, so train it anew"
        )
    if isinstance(space, kinds):
        return
    agents = {name: find_agent(name) for name in agent_names()}
    learns_from = getattr(find_agent(config.agent), "learns_from", INTERACTION)
    able = [
        name
        for name, agent in agents.items()
        if isinstance(space, getattr(agent, "actions", ()))
        and getattr(agent, "learns_from", INTERACTION) == learns_from
    ]
    bins = discrete_bins(space) if spaces.Discrete in kinds else None
    option = f", and {config.agent} with --env-adapter.discrete-actions {bins}" if bins else ""
    raise UserError(
        f"agent {config.agent!r} takes {' or '.join(kind.__name__ for kind in kinds)} actions, "
        f"and {short_name(config.env)} has {describe(space)}: {_listed(able)} can act there{option}"
    )


def uses_masks(
    config: TrainConfig,
    info: EnvInfo,
    learner: type[Any],
    batch: VectorEnv[Any, Any, Any] | None = None,
) -> bool:
    """Whether an agent chooses by an environment's action masks; one that cannot is said to.

    Args:
        config: of the training.
        info: what is known of the environment.
        learner: the agent.
        batch: of environments that it learns from.

    Raises:
        UserError: the environment has masks, and its batched engine has none.
    """
    if ACTION_MASK not in info.observation_space.spaces:
        return False
    if not learner.masks:
        agents = [name for name in agent_names() if getattr(find_agent(name), "masks", False)]
        print(
            f"action masks are not used: agent {config.agent!r} has none; {_listed(agents)} have",
            file=sys.stderr,
        )
    elif (
        batch is not None and ACTION_MASK not in cast("Any", batch).single_observation_space.spaces
    ):
        raise UserError(
            f"{short_name(config.env)} has action masks, and the observations of its batched "
            f"engine have no {ACTION_MASK!r}: give env_adapter.action_masks=auto to step single "
            "environments"
        )
    return learner.masks


def _listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def check_positive(section: str, hyper: Any, *names: str) -> None:
    """Refuse numbers below 1.

    Raises:
        UserError: one is.
    """
    for name in names:
        if getattr(hyper, name) < 1:
            raise UserError(f"{section}.{name}={getattr(hyper, name)}: must be at least 1")
