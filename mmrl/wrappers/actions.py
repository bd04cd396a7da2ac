"""Action wrappers: any action space of Gymnasium's as one that agents take.

:func:`adapt_actions` applies what an environment needs, and says so. Each wrapper works alone::

    env = BoundedAction(gym.make("Arm-v0"), scale=2.0)
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from mmrl.errors import UserError
from mmrl.wrappers.action_mappings import (
    BINS,
    ActionMapping,
    Bounded,
    Chain,
    Combined,
    Discretised,
    Flat,
    Rescaled,
    Space,
    ZeroBased,
)
from mmrl.wrappers.action_plan import Merged, mappings, nearest_to_zero
from mmrl.wrappers.nested_spaces import describe
from mmrl.wrappers.single_environments import are_single, each

MOST_CHOICES: Final = 64
"""Changes of a vector that are offered, see :func:`single_actions`."""
_EXPERT: Final = "expert_action"


class MappedAction(gym.ActionWrapper[Any, Any, Any]):
    """An action wrapper that applies a mapping.

    Where the environment has a method ``expert_action``, what it gives is mapped back.

    Args:
        env: a single environment.
        mapping: from the actions of an agent to those of the environment.
    """

    def __init__(self, env: gym.Env[Any, Any], mapping: ActionMapping) -> None:
        super().__init__(env)
        self.mapping = mapping
        self.action_space = mapping.space
        if env.has_wrapper_attr(_EXPERT):
            self.expert_action = _mapped_back(env.get_wrapper_attr(_EXPERT), mapping)

    def action(self, action: Any) -> Any:
        """The environment's action for one of the agent's."""
        return self.mapping(action)


class ZeroBasedAction(MappedAction):
    """Zero-based actions: those of a ``Discrete`` or ``MultiDiscrete`` are counted from 0, whatever
    their start.

    Args:
        env: a single environment.

    Raises:
        UserError: actions of another kind.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        kinds = (spaces.Discrete, spaces.MultiDiscrete)
        super().__init__(env, ZeroBased(_of_kind(self, env, kinds)))


class FlatAction(MappedAction):
    """Flattened actions: a ``Box``, ``MultiDiscrete`` or ``MultiBinary`` of any shape as a vector.

    Args:
        env: a single environment.

    Raises:
        UserError: actions of another kind.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        kinds = (spaces.Box, spaces.MultiDiscrete, spaces.MultiBinary)
        super().__init__(env, Flat(_of_kind(self, env, kinds)))


class BoundedAction(MappedAction):
    """Bounded actions: a ``Box`` with infinite bounds gets finite ones; actions stay as they are.

    Args:
        env: a single environment.
        scale: a component without any bounds goes from -``scale`` to ``scale``; one with a single
            bound goes 2 · ``scale`` from there.

    Raises:
        UserError: actions of another kind, or a scale that is not above 0.
    """

    def __init__(self, env: gym.Env[Any, Any], scale: float = 1.0) -> None:
        super().__init__(env, Bounded(_of_kind(self, env, (spaces.Box,)), scale))


class RescaledAction(MappedAction):
    """Rescaled actions: a ``Box`` of finite bounds, of floats or integers, as one from -1 to 1.

    Args:
        env: a single environment.

    Raises:
        UserError: actions of another kind, or infinite bounds.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env, Rescaled(_of_kind(self, env, (spaces.Box,))))


class DiscretisedAction(MappedAction):
    """Discretised actions: a ``Box`` [A] of finite bounds as a ``MultiDiscrete`` [A] of evenly
    spaced values, the bounds among them.

    Args:
        env: a single environment.
        bins: values of each component, at least 2; an odd number has the middle among them.

    Raises:
        UserError: actions of another kind or shape, infinite bounds, or fewer bins.
    """

    def __init__(self, env: gym.Env[Any, Any], bins: int = BINS) -> None:
        super().__init__(env, Discretised(_of_kind(self, env, (spaces.Box,)), bins))


class MergedAction(MappedAction):
    """Merged actions: a ``Dict`` or ``Tuple``, nested to any depth, as one vector.

    Parts that are all discrete become a ``MultiDiscrete``, parts that are all continuous a ``Box``
    from -1 to 1; of both kinds, the continuous ones are discretised.

    Args:
        env: a single environment.
        bins: values of each continuous component beside discrete ones.

    Raises:
        UserError: actions of another kind, or a part that agents cannot act in.
    """

    def __init__(self, env: gym.Env[Any, Any], bins: int = BINS) -> None:
        kinds = (spaces.Dict, spaces.Tuple)
        super().__init__(env, Merged(_of_kind(self, env, kinds), bins))


class CombinedAction(MappedAction):
    """Combined actions: a ``MultiDiscrete`` [A] from 0 as a ``Discrete`` of all combinations.

    Args:
        env: a single environment.

    Raises:
        UserError: actions of another kind, or too many combinations.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env, Combined(_of_kind(self, env, (spaces.MultiDiscrete,))))


def adapt_actions(
    env: gym.Env[Any, Any], bins: int | None = None
) -> tuple[gym.Env[Any, Any], list[str]]:
    """An environment in which agents can act: the very same where they can already.

    The actions are then ``Discrete`` from 0, ``MultiDiscrete`` [A] from 0, ``MultiBinary`` [A], or
    ``Box`` float32 [A] from -1 to 1.

    Args:
        env: a single environment, with any action space.
        bins: values of each continuous number, where the actions are to be a ``Discrete``.

    Returns:
        The environment, and as :func:`action_notes`.

    Raises:
        UserError: actions of a kind that agents cannot take, such as text, or too many of them for
            a ``Discrete``.
    """
    links = _mappings(env, bins)
    if links:
        env = MappedAction(env, Chain(env.action_space, links))
    return env, action_notes(env)


def takes_as_is(space: Space) -> bool:
    """Whether agents act in a space without any wrapper."""
    try:
        return not mappings(space)
    except UserError:
        return False


def action_notes(env: gym.Env[Any, Any] | VectorEnv[Any, Any, Any]) -> list[str]:
    """What the actions of an environment, or of a batch's, are and have become, a line for each
    wrapper, such as ``Box(2) from 0 to 1000 → Box(2) from -1 to 1: rescaled``.
    """
    if isinstance(env, VectorEnv) and are_single(env):
        return each(env, action_notes)[0]
    layers = reversed(list(_mapped_layers(env)))
    return [
        f"{describe(layer.mapping.source)} → {describe(layer.mapping.space)}: "
        f"{layer.mapping.reason}"
        for layer in layers
    ]


def own_action(env: gym.Env[Any, Any], action: Any) -> tuple[Any, Space]:
    """An agent's action as the environment gets it through its wrappers, and the space of that."""
    space = env.action_space
    for layer in _mapped_layers(env):
        action, space = layer.mapping(action), layer.mapping.source
    return action, space


def single_actions(env: gym.Env[Any, Any]) -> list[Any]:
    """Actions to choose from one by one: all of a ``Discrete``; of a vector, doing nothing, and
    what differs from that in a single component, by its other values or its bounds, up to
    :data:`MOST_CHOICES`.

    Args:
        env: whose actions agents take, see :func:`adapt_actions`.
    """
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        return list(range(int(space.n)))
    nothing = _nothing(env)
    changed = (
        np.where(np.arange(len(nothing)) == k, value, nothing).astype(nothing.dtype)
        for k, values in enumerate(_values(space))
        for value in values
        if value != nothing[k]
    )
    return [nothing, *islice(changed, MOST_CHOICES)]


def _nothing(env: gym.Env[Any, Any]) -> Any:
    """The agent's action that comes nearest to zero in the environment's own space."""
    layers = list(_mapped_layers(env))
    action = nearest_to_zero(layers[-1].mapping.source if layers else env.action_space)
    for layer in reversed(layers):
        action = layer.mapping.inverse(action)
    return action


def _values(space: Any) -> list[Any]:
    """What a component of a vector may be, of each component."""
    if isinstance(space, spaces.MultiDiscrete):
        return [range(count) for count in space.nvec.tolist()]
    if isinstance(space, spaces.MultiBinary):
        return [range(2)] * space.shape[0]
    return list(zip(space.low, space.high, strict=True))


def _mapped_layers(env: Any) -> Iterator[MappedAction]:
    """The action wrappers of an environment, the outermost first."""
    while isinstance(env, gym.Wrapper):
        if isinstance(env, MappedAction):
            yield env
        env = env.env


def _mappings(env: gym.Env[Any, Any], bins: int | None = None) -> list[ActionMapping]:
    try:
        return mappings(env.action_space, bins)
    except UserError as error:
        name = env.spec.id if env.spec else type(env.unwrapped).__name__
        option = f"env_adapter.discrete_actions={bins}: " if bins else ""
        raise UserError(f"{option}environment {name!r}: {error}") from error


def _of_kind(wrapper: MappedAction, env: gym.Env[Any, Any], kinds: tuple[type[Any], ...]) -> Any:
    """The action space of an environment.

    Raises:
        UserError: it is of another kind.
    """
    if isinstance(env.action_space, kinds):
        return env.action_space
    names = " or ".join(kind.__name__ for kind in kinds)
    raise UserError(
        f"{type(wrapper).__name__} takes actions of a {names}, and {env} has {env.action_space}"
    )


def _mapped_back(expert: Any, mapping: ActionMapping) -> Any:
    """An expert's method, whose actions are the agent's."""

    @functools.wraps(expert)
    def expert_action(*args: Any, **kwargs: Any) -> Any:
        return mapping.inverse(expert(*args, **kwargs))

    return expert_action
