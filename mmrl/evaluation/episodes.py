"""Plays held-out episodes, one a seed, and counts the successes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from mmrl.actor import Actor, begin_episodes
from mmrl.adapters import make_vec_env
from mmrl.evaluation.statistics import wilson_interval
from mmrl.observation import were_successful

HELD_OUT: Final = 1_000_000_000
"""Seeds from here on are for evaluation; training seeds stay below."""

_BATCH: Final = 128


@dataclass(frozen=True)
class Episodes:
    """Episodes that were played.

    Attributes:
        success: bool [E].
        lengths: int64 [E], in steps.
        returns: float64 [E].
        first_seed: seed of the first one; the others follow.
    """

    success: NDArray[np.bool_]
    lengths: NDArray[np.int64]
    returns: NDArray[np.float64]
    first_seed: int

    def summary(self) -> dict[str, Any]:
        """Success rate with its 95% interval, number, mean length and return, seed range."""
        episodes = len(self.success)
        low, high = wilson_interval(int(self.success.sum()), episodes)
        return {
            "success_rate": float(self.success.mean()),
            "success_rate_95": [low, high],
            "episodes": episodes,
            "mean_length": float(self.lengths.mean()),
            "mean_return": float(self.returns.mean()),
            "seeds": [self.first_seed, self.first_seed + episodes - 1],
        }


def play_episodes(
    actor: Actor,
    env_id: str,
    episodes: int,
    *,
    env_args: dict[str, Any] | None = None,
    first_seed: int = HELD_OUT,
    deterministic: bool = False,
    on_episodes: Callable[[int], None] | None = None,
) -> Episodes:
    """Play one episode for each seed.

    Every environment of a batch plays exactly one episode, so that quick episodes do not count
    more than slow ones.

    Args:
        actor: who acts.
        env_id, env_args: where.
        episodes: how many.
        first_seed: episode k has seed ``first_seed + k``.
        deterministic: take the most probable action instead of sampling, as PPO's policy does
            while it learns. Sampling is seeded by ``first_seed``.
        on_episodes: told how many more episodes have ended.

    Raises:
        ValueError: fewer than one episode.
    """
    if episodes < 1:
        raise ValueError(f"{episodes} episodes: must be at least 1")
    parts = []
    with torch.random.fork_rng():
        torch.manual_seed(first_seed)
        for start in range(0, episodes, _BATCH):
            count, seed = min(_BATCH, episodes - start), first_seed + start
            parts.append(
                _play_batch(actor, env_id, count, env_args or {}, seed, deterministic, on_episodes)
            )
    success, lengths, returns = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Episodes(success, lengths, returns, first_seed)


def _play_batch(
    actor: Actor,
    env_id: str,
    count: int,
    env_args: dict[str, Any],
    first_seed: int,
    deterministic: bool,
    on_episodes: Callable[[int], None] | None,
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]:
    env = make_vec_env(env_id, count, **env_args)
    success = np.zeros(count, np.bool_)
    lengths = np.zeros(count, np.int64)
    returns = np.zeros(count)
    running = np.ones(count, np.bool_)
    seeds: Any = list(range(first_seed, first_seed + count))  # Gymnasium types one seed only
    observation, _ = env.reset(seed=seeds)
    begin_episodes(actor, count)
    while running.any():
        actions = actor.act(observation, deterministic=deterministic)
        observation, rewards, terminated, truncated, infos = env.step(actions)
        lengths += running
        returns += running * rewards
        ended = (terminated | truncated) & running
        if ended.any():
            success[ended] = were_successful(infos, terminated, rewards)[ended]
            running &= ~ended
            if on_episodes is not None:
                on_episodes(int(ended.sum()))
    env.close()
    return success, lengths, returns
