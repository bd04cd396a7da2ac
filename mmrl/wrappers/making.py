"""Single environments, made to fulfil the contract; this module and what it imports do without
torch, so that processes that only step environments are small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import gymnasium as gym
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers.common import OrderEnforcing

from mmrl.contract import INSTRUCTION, contract_violation
from mmrl.env_apis.old_gym import api_of
from mmrl.env_apis.parallel import AgentTurns
from mmrl.errors import UserError
from mmrl.wrappers.actions import action_notes, adapt_actions
from mmrl.wrappers.adapt.action_masks import may_have_masks
from mmrl.wrappers.adapt.adapter import ContractAdapter
from mmrl.wrappers.adapt.config import ADAPTER, RENDER, TERMINATED, AdapterConfig
from mmrl.wrappers.adapt.minigrid import MinigridAdapter, is_minigrid
from mmrl.wrappers.adapt.plan import AdapterPlan
from mmrl.wrappers.error_context import ErrorContext

AS_IS: Final = "as it is"
"""The plan of an environment that is not adapted."""
Plan = AdapterPlan | Literal["as it is"] | None
"""Of another environment of the same kind, which is made use of again; None finds out."""


def adapt(
    env: gym.Env[Any, Any],
    config: AdapterConfig | None = None,
    plan: Plan = None,
) -> gym.Env[Any, Any]:
    """The environment itself where it fulfils the contract and has an instruction, else wrapped so
    that it does: the instruction may be somewhere else, and so may action masks.

    Args:
        env: any environment.
        config: of the adapter; None finds out by itself.
        plan: see :data:`Plan`.

    Raises:
        UserError: nothing of its observations can be used.
    """
    if plan == AS_IS or (plan is None and config is None and _is_taken_as_is(env)):
        return env
    assert not isinstance(plan, str)
    if is_minigrid(env):
        return MinigridAdapter(env, config, plan)
    return ContractAdapter(env, plan, config)


def _is_taken_as_is(env: gym.Env[Any, Any]) -> bool:
    space = env.observation_space
    return contract_violation(space) is None and has_instruction(space) and not may_have_masks(env)


def usual_success(entry_point: Any) -> str | None:
    """The rule for success that an environment's adapter has by default; None for what the infos
    say.

    Args:
        entry_point: of its specification.
    """
    is_text = isinstance(entry_point, str)
    return TERMINATED if is_text and entry_point.startswith("minigrid.") else None


def plan_of(env: gym.Env[Any, Any]) -> Plan:
    """The plan of an environment that :func:`make_adapted` made."""
    adapter = contract_adapter(env)
    return AS_IS if adapter is None else adapter.plan


def adaptation(env: gym.Env[Any, Any]) -> list[tuple[str, ...]]:
    """What adapters make of an environment, see
    :meth:`mmrl.wrappers.adapt.plan.AdapterPlan.rows`; empty where it is not adapted.
    """
    adapter = contract_adapter(env)
    rows: list[tuple[str, ...]] = [] if adapter is None else [*adapter.plan.rows()]
    if (api := api_of(env)) is not None:
        rows.append(api)
    if isinstance(env.unwrapped, AgentTurns):
        rows.append(env.unwrapped.group.row())
    for note in action_notes(env):
        own, _, rest = note.partition(" → ")
        becomes, _, reason = rest.partition(": ")
        rows.append(("actions", own, becomes, reason))
    return rows


def contract_adapter(env: gym.Env[Any, Any]) -> ContractAdapter | None:
    """The contract's adapter among the wrappers of an environment; not one that the environment's
    own maker has put below the wrappers of ``gym.make``.
    """
    while isinstance(env, gym.Wrapper) and not isinstance(env, OrderEnforcing):
        if isinstance(env, ContractAdapter):
            return env
        env = env.env
    return None


def has_instruction(space: gym.Space[Any]) -> bool:
    """Whether the observations of a space have an instruction."""
    return isinstance(space, spaces.Dict) and INSTRUCTION in space.spaces


def make_adapted(spec: EnvSpec, kwargs: dict[str, Any], plan: Plan = None) -> gym.Env[Any, Any]:
    """An environment that fulfils the contract, with actions as agents take them.

    Args:
        spec: its specification.
        kwargs: its own arguments, and ``env_adapter``.
        plan: see :data:`Plan`.

    Raises:
        UserError: arguments that it refuses, or nothing to adapt.
    """
    config, kwargs = adapter_config(kwargs)
    env = adapt(make(spec, kwargs), config, plan)
    return adapt_actions(env, None if config is None else config.discrete_actions)[0]


def adapter_config(kwargs: dict[str, Any]) -> tuple[AdapterConfig | None, dict[str, Any]]:
    """What ``env_adapter`` says, None where it is not given, and the environment's own arguments.

    Raises:
        UserError: no such entry or value.
    """
    kwargs = {**kwargs}
    given = kwargs.pop(ADAPTER, None)
    config = None if given is None else AdapterConfig.read(given)
    if config is not None and config.image == RENDER:
        kwargs.setdefault("render_mode", "rgb_array")
    return config, kwargs


def make(spec: EnvSpec, kwargs: dict[str, Any]) -> gym.Env[Any, Any]:
    """An environment as it is.

    Raises:
        UserError: arguments that it refuses, a package that it lacks, or whatever it raises.
    """
    try:
        return gym.make(spec, **kwargs)
    except UserError:
        raise
    except (TypeError, ValueError, ImportError, gym.error.Error) as error:
        raise UserError(f"environment {spec.id!r}: {error}") from error
    except Exception as error:  # such as a simulator that is not there
        raise UserError(
            f"environment {spec.id!r} cannot be made: {type(error).__name__}: {error}"
        ) from error


def make_checked(
    number: int,
    spec: EnvSpec,
    kwargs: dict[str, Any],
    plan: Plan,
    note: Callable[[str], None] | None = None,
) -> ErrorContext:
    """As :func:`make_adapted`, one of a batch.

    Args:
        number: its place in the batch.
        note: see :class:`~mmrl.wrappers.error_context.ErrorContext`.
    """
    return ErrorContext(make_adapted(spec, kwargs, plan), number, note)
