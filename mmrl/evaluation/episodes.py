"""Plays held-out episodes, one a seed, and counts the successes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.agent import Actor, attach_environment, begin_episodes
from mmrl.contract import EVAL_SEED_START, INSTRUCTION
from mmrl.evaluation.language_accuracy import ActRecorder
from mmrl.evaluation.player import rendering
from mmrl.evaluation.recording import BatchRecorder
from mmrl.evaluation.statistics import mean_interval, wilson_interval
from mmrl.registry import find_spec
from mmrl.seeding import forked_rng
from mmrl.wrappers.adapters import make_vec_env
from mmrl.wrappers.episode_limit import EpisodeLimit
from mmrl.wrappers.error_context import CheckedBatch

_BATCH: Final = 128
_SINGLE: Final = 16  # at once of those without a batched engine, each of which may be a simulator


@dataclass(frozen=True)
class Episodes:
    """Episodes that were played.

    Attributes:
        success: bool [E]; False where it is not known.
        lengths: int64 [E], in steps.
        returns: float64 [E].
        first_seed: seed of the first one; the others follow.
        at_limit: how many did not end within ``max_episode_steps``, and were cut there.
        left_out: how many of the seeds were played and do not count.
        is_known: whether the success of every episode is known.
        instructions: E, with which they began; none where the environment has none.
        metadata: of the environment.
    """

    success: NDArray[np.bool_]
    lengths: NDArray[np.int64]
    returns: NDArray[np.float64]
    first_seed: int
    at_limit: int = 0
    max_episode_steps: int = 0
    left_out: int = 0
    is_known: bool = True
    instructions: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def without(self, seeds: Collection[int]) -> Episodes:
        """The episodes but for those of some seeds."""
        kept = np.array([self.first_seed + k not in seeds for k in range(len(self.success))])
        return replace(
            self,
            success=self.success[kept],
            lengths=self.lengths[kept],
            returns=self.returns[kept],
            left_out=self.left_out + int((~kept).sum()),
            instructions=tuple(compress(self.instructions, kept)),
        )

    def summary(self) -> dict[str, Any]:
        """Success rate, None where it is not known, mean length and return with their 95%
        intervals (Wilson's of the rate, Student's of the means), number, seed range; and how many
        episodes were left out, or cut at which limit, if any were.
        """
        episodes = len(self.success)
        interval = list(wilson_interval(int(self.success.sum()), episodes))
        return {
            "success_rate": float(self.success.mean()) if self.is_known else None,
            "success_rate_95": interval if self.is_known else None,
            "episodes": episodes,
            "mean_length": float(self.lengths.mean()),
            "mean_length_95": list(mean_interval(self.lengths.tolist(), 0)),
            "mean_return": float(self.returns.mean()),
            "mean_return_95": list(mean_interval(self.returns.tolist())),
            "seeds": [self.first_seed, self.first_seed + episodes + self.left_out - 1],
            **({"left_out": self.left_out} if self.left_out else {}),
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
    limit: EpisodeLimit | None = None,
    acts: ActRecorder | None = None,
    env_workers: int = 0,
    recorder: BatchRecorder | None = None,
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
        limit: in place of ``max_episode_steps``.
        acts: records what the environment reports as achieved.
        env_workers: processes that step single environments; 0 steps them in this one.
        recorder: records episodes for people to look at.

    Raises:
        ValueError: fewer than one episode.
        UserError: a limit below 1, or an environment that fails.
    """
    if episodes < 1:
        raise ValueError(f"{episodes} episodes: must be at least 1")
    limit = limit or EpisodeLimit(max_episode_steps)
    at_once = _BATCH if find_spec(env_id).vector_entry_point else max(_SINGLE, env_workers)
    size = min(at_once, _BATCH, episodes)

    def make(**more: Any) -> Any:
        args = {**(env_args or {}), **more}
        return make_vec_env(env_id, size, env_workers=env_workers, round_up=True, **args)

    env = CheckedBatch(make() if recorder is None else rendering(make))
    parts: list[tuple[NDArray[Any], ...]] = []
    instructions: list[str] = []
    try:
        with forked_rng(first_seed):
            for start in range(0, episodes, size):
                seed, count = first_seed + start, min(size, episodes - start)
                parts.append(
                    _play_batch(
                        actor,
                        env,
                        count,
                        seed,
                        deterministic,
                        limit,
                        on_episodes,
                        acts,
                        recorder,
                        instructions,
                    )
                )
    finally:
        env.env.close()
    success, known, lengths, returns = map(np.concatenate, zip(*parts, strict=True))
    return Episodes(
        success,
        lengths,
        returns,
        first_seed,
        limit.reached,
        limit.steps,
        is_known=bool(known.all()),
        instructions=tuple(instructions),
        metadata=env.env.metadata or {},
    )


def _play_batch(
    actor: Actor,
    env: CheckedBatch,
    wanted: int,
    first_seed: int,
    deterministic: bool,
    limit: EpisodeLimit,
    on_episodes: Callable[[int], None] | None,
    acts: ActRecorder | None,
    recorder: BatchRecorder | None,
    instructions: list[str],
) -> tuple[NDArray[Any], ...]:
    """Play one episode in as many environments of the batch as are wanted: success, whether it is
    known, length and return, [wanted] each. The instructions that they begin with are appended.
    """
    count = env.env.num_envs
    success, known = np.zeros(count, np.bool_), np.ones(count, np.bool_)
    lengths = np.zeros(count, np.int64)
    returns = np.zeros(count)
    running = np.arange(count) < wanted
    seeds = range(first_seed, first_seed + count)
    observation, _ = env.reset(list(seeds))
    instructions += observation.get(INSTRUCTION, ())[:wanted]
    longest = limit.of(env.env)
    attach_environment(actor, env.env, seeds)
    begin_episodes(actor, count)
    if acts is not None:
        acts.begin(env.env)
    if recorder is not None:
        recorder.begin(env.env, observation, seeds, wanted)
    while running.any():
        if recorder is not None:
            recorder.look(actor, observation)
        actions = actor.act(observation, deterministic=deterministic)
        instructions = observation.get(INSTRUCTION, ("",) * count)
        observation, rewards, terminated, truncated, infos = env.step(actions)
        lengths += running
        returns += running * rewards
        ended = (terminated | truncated) & running
        if ended.any():
            outcome = env.were_successful(infos)
            success[ended], known[ended] = outcome.success[ended], outcome.known[ended]
        if acts is not None:
            acts.record(instructions, infos, running, ended, success)
        if recorder is not None:
            recorder.step(actions, observation, rewards, infos, ended)
        cut = running & ~ended & (lengths >= longest)
        if cut.any():
            limit.cut(env.env, longest, int(cut.sum()))
            ended |= cut
        running &= ~ended
        if recorder is not None:
            for e in np.flatnonzero(ended).tolist():
                recorder.end(e, bool(success[e]) if known[e] else None)
        if ended.any() and on_episodes is not None:
            on_episodes(int(ended.sum()))
    return success[:wanted], known[:wanted], lengths[:wanted], returns[:wanted]
