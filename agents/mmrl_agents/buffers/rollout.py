"""A rollout buffer whose observations are stored once, in tensors that are written in place."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from mmrl.contract import IMAGE
from mmrl_agents.team import ALONE, Team

Observation = Mapping[str, NDArray[Any]]


class Transitions(NamedTuple):
    """SB3's ``DictRolloutBufferSamples``, and where they are.

    Attributes:
        observations: by key, tensors [n, …].
        actions: float32 [n, A].
        old_values, old_log_prob, advantages, returns: float32 [n].
        steps: their numbers in the rollout, step · N + environment, int64 [n].
    """

    observations: dict[str, Tensor]
    actions: Tensor
    old_values: Tensor
    old_log_prob: Tensor
    advantages: Tensor
    returns: Tensor
    steps: Tensor


class Minibatch(NamedTuple):
    """Transitions, and what a memory needs to process them as sequences.

    Attributes:
        transitions: of a minibatch; as sequences, [T · n], all environments of a step side by side.
        state: of the memory before the first step, float [n, S]; None without sequences.
        starts: whether an episode begins there, bool [T, n]; None without sequences.
        selected: the numbers of the transitions that are learned from, int64; None for all.
    """

    transitions: Transitions
    state: Tensor | None = None
    starts: Tensor | None = None
    selected: Tensor | None = None


class NextSteps(NamedTuple):
    """What came after N steps: the targets of an auxiliary loss.

    Attributes:
        images: the next images, uint8 [N, H, W, 3].
        rewards: float32 [N].
        ends: whether the episode ended with the step, bool [N].
        shown: whether the next image is of the same episode, bool [N].
        known: whether reward and end are known, bool [N]; they are not where a time limit ended the
            episode.
    """

    images: Tensor
    rewards: Tensor
    ends: Tensor
    shown: Tensor
    known: Tensor


class MultimodalRolloutBuffer(RolloutBuffer):
    """SB3's rollout buffer for dictionaries, in the same order and with the same numbers.

    Observations keep their type (frames uint8, ids int32), on the device where they are used, and
    are copied twice at most: in when they are made, and out with their minibatch.

    Args:
        buffer_size: steps T of each environment.
        observation_space, action_space: of one environment.
        device: of the observations.
        gae_lambda, gamma: of the advantage estimator (Schulman et al., 2016).
        n_envs: environments N.
        team: of workers, whose transitions are drawn together; each gets its own ones.

    Attributes:
        state: of the policy's memory before the first step, float [N, S].
        observations: by key, tensors [T, N, …].
        actions: numpy array [T, N, A] of the space's type; rewards, returns, episode_starts,
            values, log_probs, advantages: float32 [T, N].
        cut: whether a time limit ended the episode with the step, bool [T, N]; its reward includes
            the value of what would have come.
    """

    observation_space: spaces.Dict
    observations: dict[str, Tensor]  # type: ignore[assignment]  # SB3 has one array
    state: Tensor

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
        device: torch.device | str = "auto",
        gae_lambda: float = 1.0,
        gamma: float = 0.99,
        n_envs: int = 1,
        team: Team = ALONE,
    ) -> None:
        super(RolloutBuffer, self).__init__(
            buffer_size, observation_space, action_space, device, n_envs=n_envs
        )
        self.gae_lambda, self.gamma = gae_lambda, gamma
        self.team = team
        steps = (buffer_size, n_envs)
        self.observations = {
            key: torch.zeros((*steps, *(space.shape or ())), dtype=_dtype(space), device=device)
            for key, space in observation_space.spaces.items()
        }
        self.actions = np.zeros((*steps, self.action_dim), action_space.dtype)
        for name in ("rewards", "returns", "episode_starts", "values", "log_probs", "advantages"):
            setattr(self, name, np.zeros(steps, np.float32))
        self.cut = np.zeros(steps, np.bool_)
        self.reset()

    def reset(self) -> None:
        """Begin a new rollout; the stored one will be overwritten."""
        self.pos, self.full = 0, False
        self.cut[:] = False

    def observe(self, observation: Observation) -> dict[str, Tensor]:
        """Store the observation before the next action.

        Args:
            observation: by key, arrays [N, …].

        Returns:
            The stored tensors, [N, …].
        """
        rows = {key: kept[self.pos] for key, kept in self.observations.items()}
        for key, row in rows.items():
            row.copy_(torch.from_numpy(observation[key]))
        return rows

    def add(  # type: ignore[override]  # observations are dictionaries
        self,
        obs: Observation | None,
        action: NDArray[Any],
        reward: NDArray[np.float32],
        episode_start: NDArray[np.bool_],
        value: Tensor,
        log_prob: Tensor,
    ) -> None:
        """Store a step of every environment.

        Args:
            obs: before the step; None where :meth:`observe` has stored it.
            action: [N] or [N, A].
            reward: [N].
            episode_start: whether ``obs`` began an episode, [N].
            value, log_prob: of the critic and of the action, [N].
        """
        if obs is not None:
            self.observe(obs)
        self.actions[self.pos] = action.reshape(self.n_envs, self.action_dim)
        self.rewards[self.pos] = reward
        self.episode_starts[self.pos] = episode_start
        self.values[self.pos] = value.cpu().numpy().reshape(self.n_envs)
        self.log_probs[self.pos] = log_prob.cpu().numpy().reshape(self.n_envs)
        self.pos += 1
        self.full = self.pos == self.buffer_size

    def get(  # type: ignore[override]  # observations are dictionaries
        self, batch_size: int | None = None
    ) -> Generator[Transitions, None, None]:
        """All transitions in a random order, ``batch_size`` at a time, or all at once. In a team
        it is the order of all workers' transitions, of which each gets those that it has.

        Raises:
            ValueError: the rollout is not full yet.
        """
        if not self.full:
            raise ValueError(f"{self.pos} of {self.buffer_size} steps are there: collect the rest")
        order = self._order(batch_size)
        size = batch_size or max(len(order), 1)
        for start in range(0, len(order), size):
            env, step = np.divmod(order[start : start + size], self.buffer_size)
            rows, mine = self._own(env)
            yield self._get_samples(step[mine] * self.n_envs + rows)

    @property
    def total(self) -> int:
        """How many transitions there are, in a team those of all workers."""
        return self.buffer_size * self.n_envs * self.team.size

    def drawn(self, batch_size: int) -> int:
        """How many of them :meth:`get` draws in minibatches of some size."""
        return self.total

    def _order(self, batch_size: int | None) -> NDArray[np.int64]:
        """The transitions to draw, as SB3 numbers (environment, step)."""
        return np.random.permutation(self.total)

    def sequences(self, batch_size: int) -> Generator[Minibatch, None, None]:
        """All transitions, whole environments at a time, in a random order.

        Args:
            batch_size: transitions at a time, a multiple of the steps T.
        """
        order = np.random.permutation(self.n_envs * self.team.size)
        for first in range(0, len(order), batch_size // self.buffer_size):
            rows, _ = self._own(order[first : first + batch_size // self.buffer_size])
            yield self._side_by_side(rows)

    def _side_by_side(self, rows: NDArray[np.int64]) -> Minibatch:
        """The whole rollouts of some environments."""
        steps = np.arange(self.buffer_size)[:, None] * self.n_envs + rows
        starts = torch.from_numpy(self.episode_starts[:, rows] > 0).to(self.device)
        return Minibatch(self._get_samples(steps.ravel()), self.state[rows], starts)

    def _own(self, envs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Which of all workers' environments are this one's: their rows here, and where."""
        first = self.team.rows(self.n_envs).start
        mine = (envs >= first) & (envs < first + self.n_envs)
        return envs[mine] - first, mine

    def _get_samples(  # type: ignore[override]  # observations are dictionaries
        self, batch_inds: NDArray[np.int64], env: VecNormalize | None = None
    ) -> Transitions:
        """Steps by their numbers, step · N + environment."""
        chosen = torch.from_numpy(batch_inds).to(self.device)

        def pick(array: NDArray[Any]) -> Tensor:
            rows = array.reshape(-1, *array.shape[2:])[batch_inds]
            return torch.from_numpy(rows.astype(np.float32, copy=False)).to(self.device)

        return Transitions(
            observations={key: _pick(kept, chosen) for key, kept in self.observations.items()},
            actions=pick(self.actions),
            old_values=pick(self.values),
            old_log_prob=pick(self.log_probs),
            advantages=pick(self.advantages),
            returns=pick(self.returns),
            steps=chosen,
        )

    def next_steps(self, steps: Tensor) -> NextSteps:
        """The next steps of steps, by their numbers, int64 [n]; after the last ones of the rollout,
        nothing is known.
        """
        when, env = np.divmod(steps.cpu().numpy(), self.n_envs)
        inside = when + 1 < self.buffer_size
        after = np.where(inside, when + 1, when)
        ends = (self.episode_starts[after, env] > 0) & inside
        known = inside & ~self.cut[when, env]
        images = _pick(self.observations[IMAGE], self._to_device(after * self.n_envs + env))
        return NextSteps(
            images,
            self._to_device(self.rewards[when, env]),
            *map(self._to_device, (ends, inside & ~ends, known)),
        )

    def _to_device(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)


def _pick(kept: Tensor, chosen: Tensor) -> Tensor:
    """Rows of [T, N, …] by their numbers."""
    return kept.flatten(0, 1).index_select(0, chosen)


def _dtype(space: spaces.Space[Any]) -> torch.dtype:
    """The tensor type of a space's arrays."""
    return torch.from_numpy(np.empty(0, space.dtype)).dtype
