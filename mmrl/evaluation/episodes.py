"""Plays held-out episodes, one a seed, and counts the successes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from mmrl.agent import Actor, begin_episodes
from mmrl.contract import EVAL_SEED_START
from mmrl.evaluation.statistics import wilson_interval
from mmrl.wrappers.adapters import make_vec_env
from mmrl.wrappers.episode_limit import EpisodeLimit
from mmrl.wrappers.error_context import CheckedBatch

_BATCH: Final = 128


@dataclass(frozen=True)
class Episodes:
    """Episodes that were played.

    Attributes:
        success: bool [E].
        lengths: int64 [E], in steps.
        returns: float64 [E].
        first_seed: seed of the first one; the others follow.
        at_limit: how many did not end within ``max_episode_steps``, and were cut there.
    """

    success: NDArray[np.bool_]
    lengths: NDArray[np.int64]
    returns: NDArray[np.float64]
    first_seed: int
    at_limit: int = 0
    max_episode_steps: int = 0

    def summary(self) -> dict[str, Any]:
        """Success rate with its 95% interval, number, mean length and return, seed range; and how
        many episodes were cut at which limit, if any were.
        """
        episodes = len(self.success)
        low, high = wilson_interval(int(self.success.sum()), episodes)
        return {
            "success_rate": float(self.success.mean()),
            "success_rate_95": [low, high],
            "episodes": episodes,
            "mean_length": float(self.lengths.mean()),
            "mean_return": float(self.returns.mean()),
            "seeds": [self.first_seed, self.first_seed + episodes - 1],
            **self._cut(),
        }

    def _cut(self) -> dict[str, int]:
        if not self.at_limit:
            return {}
        return {
            "episodes_at_limit": self.at_limit,
            "max_episode_steps": self.max_episode_steps,
        }


def play_episodes(
    actor: Actor,
    env_id: str,
    episodes: int,
    *,
    env_args: dict[str, Any] | None = None,
    first_seed: int = EVAL_SEED_START,
    deterministic: bool = False,
    on_episodes: Callable[[int], None] | None = None,
    max_episode_steps: int | None = None,
) -> Episodes:
    """Play one episode for each seed.

    Every environment of a batch plays exactly one episode, so that quick episodes do not count
    more than slow ones.

    Args:
        actor: the agent.
        env_id, env_args: of the environment.
        episodes: how many.
        first_seed: episode k has seed ``first_seed + k``.
        deterministic: take the most probable action instead of sampling, as PPO's policy does
            while it learns. Sampling is seeded by ``first_seed``.
        on_episodes: called with how many more episodes have ended.
        max_episode_steps: longer episodes are cut there and are not successful; None cuts those
            that last :data:`~mmrl.wrappers.episode_limit.MAX_EPISODE_STEPS` in an environment that
            declares no longer limit.

    Raises:
        ValueError: fewer than one episode.
        UserError: a limit below 1, or an environment that fails.
    """
    if episodes < 1:
        raise ValueError(f"{episodes} episodes: must be at least 1")
    limit = EpisodeLimit(max_episode_steps)
    parts = []
    with torch.random.fork_rng():
        torch.manual_seed(first_seed)
        for start in range(0, episodes, _BATCH):
            count, seed = min(_BATCH, episodes - start), first_seed + start
            parts.append(
                _play_batch(
                    actor, env_id, count, env_args or {}, seed, deterministic, limit, on_episodes
                )
            )
    success, lengths, returns = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Episodes(success, lengths, returns, first_seed, limit.reached, limit.steps)


def _play_batch(
    actor: Actor,
    env_id: str,
    count: int,
    env_args: dict[str, Any],
    first_seed: int,
    deterministic: bool,
    limit: EpisodeLimit,
    on_episodes: Callable[[int], None] | None,
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]:
    env = CheckedBatch(make_vec_env(env_id, count, **env_args))
    success = np.zeros(count, np.bool_)
    lengths = np.zeros(count, np.int64)
    returns = np.zeros(count)
    running = np.ones(count, np.bool_)
    try:
        observation, _ = env.reset(list(range(first_seed, first_seed + count)))
        longest = limit.of(env.env)
        begin_episodes(actor, count)
        while running.any():
            actions = actor.act(observation, deterministic=deterministic)
            observation, rewards, terminated, truncated, infos = env.step(actions)
            lengths += running
            returns += running * rewards
            ended = (terminated | truncated) & running
            if ended.any():
                success[ended] = env.were_successful(infos, terminated, rewards)[ended]
            cut = running & ~ended & (lengths >= longest)
            if cut.any():
                limit.cut(env.env, longest, int(cut.sum()))
                ended |= cut
            running &= ~ended
            if ended.any() and on_episodes is not None:
                on_episodes(int(ended.sum()))
    finally:
        env.env.close()
    return success, lengths, returns
