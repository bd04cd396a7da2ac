"""A replay buffer that stores every frame once, as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import BaseBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from mmrl.contract import GOAL, INSTRUCTION, SPEECH
from mmrl.errors import UserError
from mmrl_agents.buffers.undo import UndoLog
from mmrl_agents.earlier import saved_images

_NONE = -1
_SELDOM = (INSTRUCTION, SPEECH, GOAL)  # what changes with an episode, not with each step
_TRIES = 8


class Ring:
    """A ring buffer of arrays, by their numbers.

    Args:
        slots: how many arrays are stored.
        space: of one array.
        undo: records what is overwritten.
    """

    def __init__(self, slots: int, space: spaces.Space[Any], undo: UndoLog | None = None) -> None:
        self._kept = np.zeros((slots, *(space.shape or ())), space.dtype)
        self._undo = UndoLog() if undo is None else undo
        self.count = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Memory when it is full."""
        return self._kept.nbytes

    def put(self, arrays: NDArray[Any]) -> NDArray[np.int64]:
        """Store arrays [k, …]; their numbers, int64 [k]."""
        numbers = np.arange(self.count, self.count + len(arrays))
        self._undo.record_attributes(self, "count")
        self._undo.record_rows(self._kept, numbers % len(self))
        self._kept[numbers % len(self)] = arrays
        self.count += len(arrays)
        return numbers

    def holds(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether arrays are still stored, bool [k]."""
        return (numbers >= 0) & (numbers >= self.count - len(self))

    def get(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Arrays by their numbers, [k, …]; copies."""
        return self._kept[numbers % len(self)]

    def get_state(self) -> dict[str, Any]:
        """The content, as plain data."""
        return {"count": self.count, "kept": self._kept[: min(self.count, len(self))].copy()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Resume from a state."""
        self.count = state["count"]
        self._kept[: len(state["kept"])] = state["kept"]


class FrameReplay(ReplayBuffer):
    """SB3's replay buffer for dictionaries, in half the memory.

    The observation after a step is the one before the next step: it is stored once, for both. An
    instruction is stored once for consecutive steps with the same one. The last observation of an
    episode is stored where a time limit ended it; elsewhere nothing is computed from it. There is
    room for as many images and vectors as transitions, and for an instruction, written, spoken or
    painted, for every four. All memory is allocated at the beginning; transitions whose
    observations were overwritten are not sampled any more.

    Args:
        buffer_size: transitions.
        observation_space, action_space: of one environment.
        device: of the samples.
        n_envs: environments N.
        optimize_memory_usage: of SB3's buffer; not supported.

    Attributes:
        undo: what a rollout has changed so far, while one is being collected.
    """

    observation_space: spaces.Dict

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
    ) -> None:
        if optimize_memory_usage:
            raise ValueError("optimize_memory_usage: every frame is stored once already")
        BaseBuffer.__init__(
            self, buffer_size, observation_space, action_space, device, n_envs=n_envs
        )
        self.optimize_memory_usage, self.handle_timeout_termination = False, True
        steps = max(buffer_size // n_envs, 1)
        self.buffer_size = steps * n_envs
        self.undo = UndoLog()
        self._rings = {
            key: Ring(
                self.buffer_size // (4 if key in _SELDOM else 1) + 2 * n_envs, space, self.undo
            )
            for key, space in observation_space.items()
        }
        self._numbers = {
            when: {key: np.full(self.buffer_size, _NONE) for key in self._rings}
            for when in ("before", "after")
        }
        self._present = {key: np.full(n_envs, _NONE) for key in self._rings}
        kind = self._maybe_cast_dtype(action_space.dtype)
        self.actions = np.zeros((self.buffer_size, self.action_dim), kind)
        self.rewards = np.zeros(self.buffer_size, np.float32)
        self.dones = np.zeros(self.buffer_size, np.float32)

    @property
    def nbytes(self) -> int:
        """Memory when it is full."""
        numbers = [one.nbytes for both in self._numbers.values() for one in both.values()]
        rings = [one.nbytes for one in self._rings.values()]
        rest = self.actions.nbytes + self.rewards.nbytes + self.dones.nbytes
        return sum(rings) + sum(numbers) + rest

    def size(self) -> int:
        """How many transitions there are, including those that are not sampled any more."""
        return self.buffer_size if self.full else self.pos

    def reset(self) -> None:
        """Empty the buffer."""
        self.pos, self.full = 0, False

    def add(  # type: ignore[override]  # observations are dictionaries
        self,
        obs: Mapping[str, NDArray[Any]],
        next_obs: Mapping[str, NDArray[Any]],
        action: NDArray[Any],
        reward: NDArray[np.float32],
        done: NDArray[np.bool_],
        infos: list[dict[str, Any]],
    ) -> None:
        """Store a step of every environment.

        Args:
            obs: before the step, arrays [N, …].
            next_obs: after the step; the last of an episode where one ended.
            action: [N] or [N, A].
            reward: [N].
            done: whether an episode ended, [N].
            infos: with ``TimeLimit.truncated`` where a time limit ended it.
        """
        truncated = np.array([bool(info.get("TimeLimit.truncated", False)) for info in infos])
        over = done.astype(bool)
        ended = over & ~truncated
        rows = self._claim(self.n_envs)
        for key, ring in self._rings.items():
            self.undo.record(partial(self._present.__setitem__, key, self._present[key]))
            before = _store_changed(ring, self._present[key], obs[key])
            after = before.copy()
            after[~ended] = _store_changed(ring, before[~ended], next_obs[key][~ended])
            self._numbers["before"][key][rows] = before
            self._numbers["after"][key][rows] = after
            self._present[key] = np.where(over, before, after)
        self.actions[rows] = action.reshape(self.n_envs, self.action_dim)
        self.rewards[rows] = reward
        self.dones[rows] = ended

    def _claim(self, count: int) -> NDArray[np.int64]:
        """The rows of new transitions, int64 [count]; the oldest ones are overwritten."""
        rows = np.arange(self.pos, self.pos + count) % self.buffer_size
        self.undo.record_attributes(self, "pos", "full")
        of_rows = [one for numbers in self._numbers.values() for one in numbers.values()]
        for array in (*of_rows, *(getattr(self, name) for name in _PLAIN)):
            self.undo.record_rows(array, rows)
        self.full = self.full or self.pos + count >= self.buffer_size
        self.pos = (self.pos + count) % self.buffer_size
        return rows

    def sample(  # type: ignore[override]  # observations are dictionaries
        self, batch_size: int, env: VecNormalize | None = None
    ) -> DictReplayBufferSamples:
        """Sample transitions uniformly, with replacement.

        Raises:
            ValueError: there are none.
        """
        drawn = np.zeros(0, np.int64)
        for _ in range(_TRIES):
            some = np.random.randint(0, max(self.size(), 1), batch_size)
            drawn = np.concatenate([drawn, some[self._is_whole(some)]])
            if len(drawn) >= batch_size:
                return self._get_samples(drawn[:batch_size])
        whole = np.flatnonzero(self._is_whole(np.arange(self.size())))
        if not len(whole):
            raise ValueError("the replay buffer is empty")
        return self._get_samples(np.random.choice(whole, batch_size))

    def _is_whole(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether all observations of transitions are still stored."""
        held = np.ones(len(rows), np.bool_)
        for numbers in self._numbers.values():
            for key, ring in self._rings.items():
                held &= ring.holds(numbers[key][rows])
        return held

    def _get_samples(  # type: ignore[override]  # observations are dictionaries
        self, batch_inds: NDArray[np.int64], env: VecNormalize | None = None
    ) -> DictReplayBufferSamples:
        before, after = (
            {
                key: torch.from_numpy(ring.get(numbers[key][batch_inds])).to(self.device)
                for key, ring in self._rings.items()
            }
            for numbers in (self._numbers["before"], self._numbers["after"])
        )
        return DictReplayBufferSamples(
            observations=before,
            actions=self.to_torch(self.actions[batch_inds]),
            next_observations=after,
            dones=self.to_torch(self.dones[batch_inds, None]),
            rewards=self.to_torch(self.rewards[batch_inds, None]),
        )

    def get_state(self) -> dict[str, Any]:
        """The content, as plain data."""
        filled = self.size()
        return {
            "at": [self.pos, self.full],
            "rings": {key: ring.get_state() for key, ring in self._rings.items()},
            "numbers": {
                when: {key: one[:filled].copy() for key, one in numbers.items()}
                for when, numbers in self._numbers.items()
            },
            "present": {key: one.copy() for key, one in self._present.items()},
            **{name: getattr(self, name)[:filled].copy() for name in _PLAIN},
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Resume from a state.

        Raises:
            UserError: of a buffer of another size.
        """
        self.pos, self.full = state["at"]
        filled = len(state["rewards"])
        if filled > self.buffer_size or (self.full and filled != self.buffer_size):
            raise UserError(f"a replay buffer of {filled} transitions, not of {self.buffer_size}")
        for key, ring in self._rings.items():
            saved = state["rings"][key]
            kept = saved_images(key, saved["kept"], self.observation_space)
            ring.set_state({**saved, "kept": kept})
            self._present[key] = state["present"][key].copy()
            for when, numbers in self._numbers.items():
                numbers[key][:filled] = state["numbers"][when][key]
        for name in _PLAIN:
            getattr(self, name)[:filled] = state[name]


_PLAIN = ("actions", "rewards", "dones")


def _store_changed(
    ring: Ring, present: NDArray[np.int64], arrays: NDArray[Any]
) -> NDArray[np.int64]:
    """The numbers of arrays [k, …]: those of ``present``, int64 [k], where these are the same."""
    same = ring.holds(present)
    kept = ring.get(present[same])
    same[same] = (kept == arrays[same]).all(axis=tuple(range(1, kept.ndim)))
    numbers = present.copy()
    numbers[~same] = ring.put(arrays[~same])
    return numbers
