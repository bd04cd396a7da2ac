"""A batch whose environments are the agents of PettingZoo's parallel environments."""

from __future__ import annotations

from typing import Any, cast

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from mmrl.env_apis.parallel import AgentSeat, AgentTurns
from mmrl.errors import UserError
from mmrl.wrappers.actions import adapt_actions, own_action
from mmrl.wrappers.error_context import ErrorContext
from mmrl.wrappers.making import adapt, adapter_config, contract_adapter, make


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
        config, own = adapter_config(kwargs)
        if config is not None and config.time_limit is not None:
            raise UserError(
                f"env_adapter.time_limit={config.time_limit}: the agents of {spec.id!r} end "
                "together; give the environment's own limit, such as env_args={'max_cycles': "
                f"{config.time_limit}}}"
            )
        group = _turns(make(spec, own)).group
        agents = len(group.agents)
        copies = -(-num_envs // agents)
        if num_envs % agents and not round_up:
            group.env.close()
            raise UserError(
                f"num_envs={num_envs}: {spec.id!r} has {agents} agents, each of which is one of "
                f"the batch; give a multiple, such as {copies * agents}"
            )
        groups = [group, *(_turns(make(spec, own)).group for _ in range(copies - 1))]
        self._seats: list[AgentSeat] = []
        plan = None
        wrapped: list[gym.Env[Any, Any]] = []
        for group in groups:
            for agent in group.agents:
                seat = AgentSeat(group, agent)
                seat.spec = spec
                env = adapt(seat, config, plan)
                adapter = contract_adapter(env)
                plan = None if adapter is None else adapter.plan
                env = adapt_actions(env, None if config is None else config.discrete_actions)[0]
                wrapped.append(ErrorContext(env, len(wrapped)))
                self._seats.append(seat)
        makers = [lambda env=env: env for env in wrapped]
        super().__init__(makers, autoreset_mode=AutoresetMode.SAME_STEP)

    def step(self, actions: Any) -> Any:
        """As ``SyncVectorEnv.step``: all agents of an environment act at the same time."""
        for env, seat, action in zip(self.envs, self._seats, actions, strict=True):
            seat.group.give(seat.agent, own_action(env, action)[0])
        return super().step(actions)


def _turns(env: gym.Env[Any, Any]) -> AgentTurns:
    return cast("AgentTurns", env.unwrapped)
