"""PettingZoo's parallel environments with one policy for all agents (parameter sharing).

Each agent is seen as a single Gymnasium environment, an :class:`AgentSeat`; the seats of one
parallel environment are stepped together. The package ``pettingzoo`` is not needed: any object with
the methods of its ``ParallelEnv`` will do. Gupta, Egorov and Kochenderfer (2017), "Cooperative
Multi-agent Control Using Deep Reinforcement Learning", learn so.

Agents that end before the others wait for them, as with SuperSuit's ``black_death``: their
observations are zeros, their rewards 0, and their episodes end with that of all.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from mmrl.errors import UserError

_SHOWN: Final = 4  # agents that are named to people
Result = tuple[Any, float, bool, bool, dict[str, Any]]


def is_parallel(env: Any) -> bool:
    """Whether an object has what a ``ParallelEnv`` has."""
    methods = ("reset", "step", "observation_space", "action_space")
    return hasattr(env, "possible_agents") and all(callable(getattr(env, m, None)) for m in methods)


def is_turn_based(env: Any) -> bool:
    """Whether an object is an environment of PettingZoo's other API, AEC."""
    return callable(getattr(env, "agent_iter", None)) and callable(getattr(env, "last", None))


class AgentGroup:
    """A parallel environment, and what its agents see and get.

    Args:
        env: with the methods of PettingZoo's ``ParallelEnv``.

    Attributes:
        env: the same.
        agents: all possible agents, in their order.
        observation_space, action_space: of each agent.

    Raises:
        UserError: it has no agents, or one of them has other spaces than the first.
    """

    def __init__(self, env: Any) -> None:
        self.env = env
        self.agents = tuple(env.possible_agents)
        if not self.agents:
            raise UserError(f"environment {self.name}: possible_agents is empty")
        first = self.agents[0]
        self.observation_space = env.observation_space(first)
        self.action_space = env.action_space(first)
        for agent in self.agents:
            for what in ("observation_space", "action_space"):
                own, shared = getattr(env, what)(agent), getattr(self, what)
                if own != shared:
                    raise UserError(
                        f"environment {self.name}: agent {agent!r} has the {what} {own}, and "
                        f"{first!r} has {shared}: one policy for all agents needs the same spaces; "
                        "pad them, as SuperSuit's pad_observations_v0 and pad_action_space_v0 do"
                    )
        self._given: dict[Any, Any] = {}
        self._begun: set[Any] = set()
        self._results: dict[Any, Result] = {}
        self._ended: dict[Any, bool] = {}  # agent → whether it terminated
        self._last: dict[Any, dict[str, Any]] = {}

    @property
    def has_state(self) -> bool:
        """Whether the environment's exact state can be saved and restored."""
        return all(callable(getattr(self.env, name, None)) for name in ("get_state", "set_state"))

    def get_state(self) -> dict[str, Any]:
        """The exact state between two steps: the environment's own, its ``np_random``, and which
        agents wait. Of the infos of agents that wait, only plain data is kept.
        """
        random = self._np_random
        return {
            "env": self.env.get_state(),
            "np_random": None if random is None else random.bit_generator.state,
            "ended": dict(self._ended),
            "last": {
                agent: {key: value for key, value in info.items() if _is_plain(value)}
                for agent, info in self._last.items()
            },
            "observations": copy.deepcopy(self.observations),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a state; the environment has been reset before."""
        self.env.set_state(state["env"])
        random = self._np_random
        if random is not None and state["np_random"] is not None:
            random.bit_generator.state = state["np_random"]
        self._ended = dict(state["ended"])
        self._last = {agent: dict(info) for agent, info in state["last"].items()}
        self.observations = dict(state["observations"])
        self._given = {}

    @property
    def _np_random(self) -> np.random.Generator | None:
        """The environment's generator under Gymnasium's name, if it has one."""
        random = getattr(getattr(self.env, "unwrapped", self.env), "np_random", None)
        return random if isinstance(random, np.random.Generator) else None

    @property
    def name(self) -> str:
        """Of the environment, for errors."""
        metadata = getattr(self.env, "metadata", None) or {}
        return str(metadata.get("name", type(self.env).__name__))

    def row(self) -> tuple[str, ...]:
        """For people, "what, is, becomes, note"."""
        names, count = list(map(str, self.agents)), len(self.agents)
        shown = names if count <= _SHOWN else [*names[: _SHOWN - 1], "…", names[-1]]
        return ("agents", ", ".join(shown), f"{count} of a batch", "one policy for all")

    @property
    def living(self) -> list[Any]:
        """The agents that act now, in their order."""
        present = set(self.env.agents) - self._ended.keys()
        return [agent for agent in self.agents if agent in present]

    def begin(
        self, agent: Any, seed: int | None, options: dict[str, Any] | None
    ) -> tuple[Any, dict[str, Any]]:
        """An agent's first observation and info. All agents begin when the first one asks, with its
        seed; each of the others asks once.
        """
        if agent not in self._begun:
            self._reset(seed, options)
            self._begun = set(self.agents)
        self._begun.discard(agent)
        return self.observations[agent], self.infos[agent]

    def give(self, agent: Any, action: Any) -> None:
        """Note the action of an agent for the next step; one that does not act needs none."""
        self._given[agent] = action

    def result(self, agent: Any) -> Result:
        """What the last step gave an agent; the step is made when the first agent asks.

        Returns:
            Observation, reward, terminated, truncated and info, as ``gymnasium.Env.step``.
        """
        if self._given:
            given, self._given = self._given, {}
            self._step(given)
        return self._results[agent]

    def _reset(self, seed: int | None, options: dict[str, Any] | None) -> None:
        observations, infos = self.env.reset(seed=seed, options=options)
        self._ended = {}
        self._last = {agent: {} for agent in self.agents}
        self._given = {}
        self._check_agents(observations)
        blank = blank_of(self.observation_space)
        self.observations = {agent: observations.get(agent, blank) for agent in self.agents}
        self.infos = {agent: dict(infos.get(agent, {})) for agent in self.agents}

    def _step(self, given: Mapping[Any, Any]) -> None:
        living = self.living
        observations, rewards, terminated, truncated, infos = self.env.step(
            {agent: given[agent] for agent in living}
        )
        self._check_agents(observations)
        waiting = set(self._ended)
        for agent in observations:
            if terminated.get(agent) or truncated.get(agent):
                self._ended.setdefault(agent, bool(terminated.get(agent)))
        for agent in set(living) - set(self.env.agents):  # gone without a word
            self._ended.setdefault(agent, True)
        is_over = not self.living
        for agent in self.agents:
            if agent in waiting or agent not in observations:
                seen = emptied(self.observations[agent], self.observation_space)
            else:
                seen = observations[agent]
                self._last[agent] = dict(infos.get(agent, {}))
            self.observations[agent] = seen
            has_terminated = agent in waiting or self._ended.get(agent, True)
            info = self._last[agent] if is_over or agent not in waiting else {}
            self._results[agent] = (
                seen,
                float(rewards.get(agent, 0.0)),
                is_over and has_terminated,
                is_over and not has_terminated,
                info,
            )

    def _check_agents(self, observations: Mapping[Any, Any]) -> None:
        for agent in observations:
            if agent not in self.agents:
                raise UserError(
                    f"environment {self.name}: agent {agent!r} is none of its possible_agents "
                    f"{list(self.agents)}; name all agents there"
                )


class AgentSeat(gym.Env[Any, Any]):
    """One agent of a group as an environment; the group is stepped when all have their actions.

    Args:
        group: of the agent.
        agent: it.
    """

    def __init__(self, group: AgentGroup, agent: Any) -> None:
        self.group, self.agent = group, agent
        self.observation_space, self.action_space = group.observation_space, group.action_space
        self.metadata = _metadata(group)
        self.render_mode = getattr(group.env, "render_mode", None)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """As :meth:`AgentGroup.begin`."""
        super().reset(seed=seed)
        return self.group.begin(self.agent, seed, options)

    def step(self, action: Any) -> Result:
        """As :meth:`AgentGroup.result`; the action was given before."""
        return self.group.result(self.agent)

    def render(self) -> Any:
        """What the whole environment renders."""
        return self.group.env.render()

    def close(self) -> None:
        """Close the whole environment, with its first agent."""
        if self.agent == self.group.agents[0]:
            self.group.env.close()


class StatefulSeat(AgentSeat):
    """An agent of a group that has a state; the first agent has that of all."""

    def get_state(self) -> dict[str, Any] | None:
        """As :meth:`AgentGroup.get_state`; None of another agent than the first."""
        return self.group.get_state() if self.agent == self.group.agents[0] else None

    def set_state(self, state: dict[str, Any] | None) -> None:
        """As :meth:`AgentGroup.set_state`."""
        if state is not None:
            self.group.set_state(state)


def make_seat(group: AgentGroup, agent: Any) -> AgentSeat:
    """The seat of an agent, with a state where the environment has one."""
    return (StatefulSeat if group.has_state else AgentSeat)(group, agent)


class AgentTurns(gym.Env[Any, Any]):
    """A parallel environment as one of a single agent: its agents act in turn.

    An observation is that of the agent whose turn it is, and the action its own; the environment
    steps when all have acted. The reward of that step is the sum of theirs; other steps give 0. An
    episode succeeds where all agents do. A policy without memory acts so as in a batch of
    :class:`AgentSeat`; one with memory remembers all agents' observations as its own.

    Args:
        group: the agents.
    """

    def __init__(self, group: AgentGroup) -> None:
        self.group = group
        self.observation_space, self.action_space = group.observation_space, group.action_space
        self.metadata = _metadata(group)
        self.render_mode = getattr(group.env, "render_mode", None)
        self._turns: list[Any] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode, with the first agent's turn."""
        super().reset(seed=seed)
        first = [self.group.begin(agent, seed, options) for agent in self.group.agents]
        self._turns = self.group.living
        return self.group.observations[self._turns[0]], first[0][1]

    def step(self, action: Any) -> Result:
        """Take the action of the agent whose turn it is."""
        group = self.group
        group.give(self._turns.pop(0), action)
        if self._turns:
            return group.observations[self._turns[0]], 0.0, False, False, {}
        results = [group.result(agent) for agent in group.agents]
        self._turns = group.living
        k = group.agents.index(self._turns[0]) if self._turns else 0
        reward = sum(one[1] for one in results)
        is_over = not self._turns
        terminated = is_over and all(one[2] for one in results)
        info = {**results[k][4]}
        if is_over:
            for key in ("is_success", "success"):
                if all(key in one[4] for one in results):
                    info[key] = all(bool(one[4][key]) for one in results)
        return results[k][0], reward, terminated, is_over and not terminated, info

    def render(self) -> Any:
        """What the environment renders."""
        return self.group.env.render()

    def close(self) -> None:
        """Close the environment."""
        self.group.env.close()


def blank_of(space: gym.Space[Any]) -> Any:
    """The observation of an agent that is not there: zeros, the first numbers, a hyphen."""
    if isinstance(space, spaces.Box):
        return np.clip(np.zeros(space.shape, space.dtype), space.low, space.high)
    if isinstance(space, spaces.Dict):
        return {key: blank_of(one) for key, one in space.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(blank_of(one) for one in space.spaces)
    if isinstance(space, spaces.Text):
        letter = "-" if "-" in space.character_set else max(space.character_set)
        return letter * max(space.min_length, 1)
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        return space.start
    return space.sample()


def emptied(observation: Any, space: gym.Space[Any]) -> Any:
    """The observation of an agent that waits: its arrays are zeros, its texts stay."""
    if isinstance(space, spaces.Dict):
        return {key: emptied(observation[key], one) for key, one in space.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(map(emptied, observation, space.spaces))
    return observation if isinstance(space, spaces.Text) else blank_of(space)


def _is_plain(value: Any) -> bool:
    """Whether a value is a number, text, an array of numbers, or made of such."""
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.keys())) and all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf"
    return value is None or isinstance(value, bool | int | float | str | bytes | np.generic)


def _metadata(group: AgentGroup) -> dict[str, Any]:
    return dict(getattr(group.env, "metadata", None) or {"render_modes": []})
