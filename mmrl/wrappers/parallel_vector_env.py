"""A batch whose environments are the agents of PettingZoo's parallel environments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from mmrl.env_apis.parallel import AgentGroup, AgentSeat, AgentTurns, make_seat
from mmrl.errors import UserError
from mmrl.wrappers.actions import adapt_actions, own_action
from mmrl.wrappers.adapt.config import AdapterConfig
from mmrl.wrappers.error_context import ErrorContext
from mmrl.wrappers.making import Plan, adapt, adapter_config, make, plan_of


class EnvironmentCopy:
    """One copy of a parallel environment, which is made when the first of its agents is seated;
    another process makes its own.

    Args:
        spec: of the environment.
        kwargs: its arguments.
    """

    def __init__(self, spec: EnvSpec, kwargs: dict[str, Any]) -> None:
        self.spec, self._kwargs = spec, kwargs
        self._group: AgentGroup | None = None

    @property
    def group(self) -> AgentGroup:
        """Its agents."""
        if self._group is None:
            self._group = cast("AgentTurns", make(self.spec, self._kwargs).unwrapped).group
        return self._group

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_group": None}

    def seat(
        self,
        place: int,
        number: int,
        config: AdapterConfig | None,
        plan: Plan,
        note: Callable[[str], None] | None = None,
    ) -> ErrorContext:
        """One of its agents as an environment that fulfils the contract.

        Args:
            place: of the agent among all.
            number: of the environment in the batch.
            config: of the adapter.
            plan, note: as of :func:`mmrl.wrappers.making.make_checked`.
        """
        seat = make_seat(self.group, self.group.agents[place])
        seat.spec = self.spec
        env = adapt(seat, config, plan)
        env, _ = adapt_actions(env, None if config is None else config.discrete_actions)
        return ErrorContext(env, number, note)


class AgentMakers:
    """What makes each environment of a batch of agents, see :class:`ParallelVectorEnv`.

    Args:
        spec, kwargs, num_envs, round_up: as there.

    Attributes:
        example: the first environment.
        agents: how many a copy has.
        makers: of all; those of one copy have to be called in one process.

    Raises:
        UserError: as there.
    """

    def __init__(
        self, spec: EnvSpec, kwargs: dict[str, Any], num_envs: int, *, round_up: bool = False
    ) -> None:
        self._config, own = adapter_config(kwargs)
        if self._config is not None and self._config.time_limit is not None:
            limit = self._config.time_limit
            raise UserError(
                f"env_adapter.time_limit={limit}: the agents of {spec.id!r} end together; give "
                f"the environment's own limit, such as env_args={{'max_cycles': {limit}}}"
            )
        first = EnvironmentCopy(spec, own)
        self.agents = len(first.group.agents)
        count = -(-num_envs // self.agents)
        if num_envs % self.agents and not round_up:
            first.group.env.close()
            raise UserError(
                f"num_envs={num_envs}: {spec.id!r} has {self.agents} agents, each of which is one "
                f"of the batch; give a multiple, such as {count * self.agents}"
            )
        self._copies = [first, *(EnvironmentCopy(spec, own) for _ in range(count - 1))]
        self.example = first.seat(0, 0, self._config, None)

    def makers(self, plan: Plan) -> list[Callable[..., ErrorContext]]:
        """Of each environment, with the plan of its adapter."""
        return [
            partial(copy.seat, place, k * self.agents + place, self._config, plan)
            for k, copy in enumerate(self._copies)
            for place in range(self.agents)
        ]


class ParallelVectorEnv(SyncVectorEnv):
    """Copies of a parallel environment, each agent of which is one environment of the batch, so
    that a policy learns from all of them.

    Agents stand in the order of ``possible_agents``, one copy after the other. A copy is seeded by
    the seed of its first agent, and all its agents' episodes end together, see
    :mod:`mmrl.env_apis.parallel`.

    Args:
        spec: of the environment.
        kwargs: its arguments, and ``env_adapter``.
        num_envs: N, how many agents in all.
        round_up: take the next multiple of the agents of an environment, where N is none.

    Raises:
        UserError: N is no multiple of the agents, agents have different spaces, or the adapter is
            to limit the time of one agent.
    """

    def __init__(
        self, spec: EnvSpec, kwargs: dict[str, Any], num_envs: int, *, round_up: bool = False
    ) -> None:
        made = AgentMakers(spec, kwargs, num_envs, round_up=round_up)
        makers = made.makers(plan_of(made.example))
        super().__init__(makers, autoreset_mode=AutoresetMode.SAME_STEP)

    def step(self, actions: Any) -> Any:
        """As ``SyncVectorEnv.step``: all agents of an environment act at the same time."""
        give_actions(self.envs, actions)
        return super().step(actions)


def give_actions(envs: Sequence[gym.Env[Any, Any]], actions: Any) -> None:
    """Give the agents among some environments their actions, before these are stepped."""
    for env, action in zip(envs, actions, strict=True):
        seat = env.unwrapped
        if isinstance(seat, AgentSeat):
            seat.group.give(seat.agent, own_action(env, action)[0])
