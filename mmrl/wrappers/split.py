"""Environments whose episodes have the instructions of one side of a split: others are rejected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper

from mmrl.contract import INSTRUCTION
from mmrl.errors import UserError
from mmrl.splits import Split
from mmrl.wrappers.error_context import environment_name

_MOST: Final = 1_000
"""Episodes that are rejected one after the other before giving up."""


class SplitEnv(gym.Wrapper[Any, Any, Any, Any]):
    """Begins further episodes until the instruction is on the split's side.

    Which episode a seed gives is determined by the seed.

    Args:
        env: that fulfils the contract and has instructions.
        split: whose side.

    Attributes:
        rejected: episodes so far.

    Raises:
        UserError: there are no instructions.
    """

    def __init__(self, env: gym.Env[Any, Any], split: Split) -> None:
        super().__init__(env)
        _check_instructions(env.observation_space, env, split)
        self._split, self.rejected = split, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode.

        Raises:
            UserError: there is none on the split's side.
        """
        observation, info = self.env.reset(seed=seed, options=options)
        for _ in range(_MOST):
            if self._split.allows(observation[INSTRUCTION]):
                return observation, info
            self.rejected += 1
            observation, info = self.env.reset(options=options)
        raise _nothing_left(self.env, self._split)


class SplitVectorEnv(VectorWrapper):
    """:class:`SplitEnv` for a batch that restarts within the step that ends an episode.

    Args:
        env: a batch that fulfils the contract, has instructions, and can begin episodes anew where
            ``options["reset_mask"]`` says so.
        split: whose side.

    Attributes:
        rejected: episodes so far.

    Raises:
        UserError: there are no instructions.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], split: Split) -> None:
        super().__init__(env)
        _check_instructions(env.single_observation_space, env, split)
        self._split, self.rejected = split, 0

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin everywhere, or where ``options["reset_mask"]`` is true."""
        observation, infos = self.env.reset(seed=seed, options=options)
        mask = (options or {}).get("reset_mask")
        rows = range(self.num_envs) if mask is None else np.flatnonzero(mask).tolist()
        return self._accepted(observation, infos, rows)

    def step(self, actions: Any) -> tuple[dict[str, Any], Any, Any, Any, dict[str, Any]]:
        """One step everywhere; episodes that begin are on the split's side."""
        observation, rewards, terminated, truncated, infos = self.env.step(actions)
        rows = np.flatnonzero(terminated | truncated).tolist()
        if rows:
            observation, infos = self._accepted(observation, infos, rows)
        return observation, rewards, terminated, truncated, infos

    def _accepted(
        self, observation: dict[str, Any], infos: dict[str, Any], rows: Iterable[int]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The observations and infos with other episodes in the rows of those that are rejected."""
        for _ in range(_MOST):
            rows = [e for e in rows if not self._split.allows(observation[INSTRUCTION][e])]
            if not rows:
                return observation, infos
            self.rejected += len(rows)
            mask = np.zeros(self.num_envs, np.bool_)
            mask[rows] = True
            begun, begun_infos = self.env.reset(options={"reset_mask": mask})
            observation = {key: _merged(one, begun[key], rows) for key, one in observation.items()}
            infos = {**infos, **_merged_infos(infos, begun_infos, rows)}
        raise _nothing_left(self.env, self._split)


def _merged(before: Any, begun: Any, rows: list[int]) -> Any:
    """The values of a batch, with some rows of another."""
    if isinstance(before, np.ndarray):
        merged = before.copy()
        merged[rows] = begun[rows]
        return merged
    values = list(before)
    for e in rows:
        values[e] = begun[e]
    return tuple(values)


def _merged_infos(infos: dict[str, Any], begun: dict[str, Any], rows: list[int]) -> dict[str, Any]:
    """The entries of the infos that episodes begin with."""
    return {
        key: _merged(infos[key], one, rows) if key in infos else one for key, one in begun.items()
    }


def _check_instructions(space: Any, env: Any, split: Split) -> None:
    if INSTRUCTION not in space.spaces:
        raise UserError(
            f"split={split.name!r}: environment {environment_name(env)} has no instructions"
        )


def _nothing_left(env: Any, split: Split) -> UserError:
    side = "held out" if split.held_out else "left to learn from"
    return UserError(
        f"split={split.name!r}: environment {environment_name(env)} began {_MOST:,} episodes in a "
        f"row, and the instruction of none is {side}"
    )
