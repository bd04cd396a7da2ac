"""Plays a batch of episodes, one a seed, and records them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from mmrl.environment_errors import CheckedBatch
from mmrl.episode_limits import EpisodeLimit
from mmrl.observation import ACHIEVED, DESCRIPTION, IMAGE, INSTRUCTION
from mmrl.rollouts.recording import Recording


class Source(Protocol):
    """Who acts."""

    def begin(self, env: VectorEnv[Any, Any, Any], seeds: Sequence[int]) -> None:
        """Get ready for N episodes that begin now, all at once."""
        ...

    def actions(
        self, env: VectorEnv[Any, Any, Any], observation: Mapping[str, Any]
    ) -> NDArray[Any]:
        """Actions [N, ...] for a batch of observations."""
        ...


def play(
    env: VectorEnv[Any, Any, Any],
    source: Source,
    seeds: Sequence[int],
    wanted: int,
    on_episodes: Callable[[int], None] | None = None,
    *,
    limit: EpisodeLimit | None = None,
) -> list[Recording]:
    """Play one episode a seed, all at once, until the wanted ones are over.

    An episode depends on its seed and on the batch that it is in, not on other batches.

    Args:
        env: N environments that restart within the step that ends an episode.
        source: who acts.
        seeds: N of them.
        wanted: the first so many episodes are recorded.
        on_episodes: called with how many more have ended.
        limit: where episodes are cut that do not end, as truncated and not successful.

    Returns:
        The recordings, in the order of the seeds.

    Raises:
        UserError: an environment that fails.
    """
    limit = limit or EpisodeLimit()
    batch = CheckedBatch(env)
    observation, infos = batch.reset(list(seeds))
    longest = limit.of(env)
    source.begin(env, seeds)
    recordings = [Recording(seed) for seed in seeds[:wanted]]
    for e, recording in enumerate(recordings):
        recording.see(
            observation[IMAGE][e],
            observation[INSTRUCTION][e],
            _told(infos, DESCRIPTION, e) or "",
        )
    running = list(range(wanted))
    while running:
        actions = source.actions(env, observation)
        observation, rewards, terminated, truncated, infos = batch.step(actions)
        over = terminated | truncated
        success = batch.were_successful(infos, terminated, rewards) if over.any() else over
        for e in running:
            recording = recordings[e]
            recording.actions.append(np.array(actions[e]))  # whoever acts may reuse its array
            recording.rewards.append(float(rewards[e]))
            recording.terminated.append(bool(terminated[e]))
            recording.truncated.append(bool(truncated[e]))
            recording.success = bool(over[e] and success[e])
            last = infos["final_obs"][e] if over[e] else None
            told = infos.get("final_info", {}) if over[e] else infos
            recording.achieved.append(tuple(_told(told, ACHIEVED, e) or ()))
            recording.see(
                observation[IMAGE][e] if last is None else last[IMAGE],
                observation[INSTRUCTION][e] if last is None else last[INSTRUCTION],
                _told(told, DESCRIPTION, e) or "",
            )
        ended = len(running)
        running = [e for e in running if not over[e]]
        cut = [e for e in running if len(recordings[e].rewards) >= longest]
        if cut:
            limit.cut(env, longest, len(cut))
            for e in cut:
                recordings[e].truncated[-1] = True
            running = [e for e in running if e not in cut]
        ended -= len(running)
        if ended and on_episodes is not None:
            on_episodes(ended)
    return recordings


def _told(infos: Mapping[str, Any], key: str, e: int) -> Any:
    """What the infos tell of environment ``e``; None where they do not."""
    if key not in infos or not infos.get(f"_{key}", np.ones(e + 1, np.bool_))[e]:
        return None
    return infos[key][e]
