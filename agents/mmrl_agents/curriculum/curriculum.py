"""A curriculum: chooses the level of every episode, and scores the levels that were played."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.contract import EVAL_SEED_START
from mmrl_agents.curriculum.config import CurriculumConfig
from mmrl_agents.curriculum.levels import Level, Levels
from mmrl_agents.curriculum.scores import find_score
from mmrl_agents.earlier import entry

_RECENT: Final = 200  # episodes over which the share of replays is averaged
_EDITS: Final = 2**31  # seeds of edits stay below


@dataclass(frozen=True)
class Episode:
    """An episode that is being played.

    Attributes:
        level: that it is played on.
        is_replay: whether the level was drawn from the buffer.
        begun: its number among all episodes.
    """

    level: Level
    is_replay: bool
    begun: int


class Curriculum:
    """Prioritised level replay (Jiang et al., 2021): chooses the level of every episode of a batch,
    and scores levels after each rollout.

    An episode replays a level of the buffer with probability p, once there are enough of them; else
    it plays the child of a level that was replayed, where levels are edited, or a new level, of a
    seed that no held-out episode has.

    Args:
        num_envs: environments N of the batch.
        config: its kind and numbers.
        seed: of the random generator.
    """

    def __init__(self, num_envs: int, config: CurriculumConfig, seed: int = 0) -> None:
        self.config, self.kind = config, config.properties
        self.levels = Levels(config.size, config.temperature, config.staleness)
        self._score = find_score(config.score)
        self._rng = np.random.default_rng(seed)
        self._children: deque[Level] = deque()
        self._recent: deque[bool] = deque(maxlen=_RECENT)
        self._playing = [Episode((0,), False, 0)] * num_envs
        self._returns, self._sums = np.zeros(num_envs), np.zeros(num_envs)
        self._lengths = np.zeros(num_envs, np.int64)
        self._selected_share = 1.0
        self.begin_rollout()

    def begin(self, e: int) -> Level:
        """The level that environment ``e`` plays from now on."""
        level, is_replay = self._next()
        self._playing[e] = Episode(level, is_replay, self.levels.begun)
        self._recent.append(is_replay)
        self._returns[e] = 0
        return level

    def begin_all(self) -> list[Level]:
        """The levels that all environments play from now on, whatever they have played before."""
        self._sums[:], self._lengths[:] = 0, 0
        self.begin_rollout()
        return [self.begin(e) for e in range(len(self._playing))]

    def _next(self) -> tuple[Level, bool]:
        wanted = self._rng.random() < self.config.replay_probability
        if self._children:
            self.levels.begun += 1
            return self._children.popleft(), False
        if wanted and len(self.levels) >= self.config.first:
            return self.levels.draw(self._rng), True
        self.levels.begun += 1
        return (int(self._rng.integers(EVAL_SEED_START)),), False

    def begin_rollout(self) -> None:
        """Forget the episodes of the last rollout."""
        self._ended: list[tuple[int, int, Episode, float]] = []  # step, environment, return
        self._step = 0

    def step(self, rewards: NDArray[np.float64], over: NDArray[np.bool_]) -> list[int]:
        """Record a step of the batch.

        Args:
            rewards: [N].
            over: whether the episode ended with the step, [N].

        Returns:
            The environments that have to :meth:`begin` another episode.
        """
        self._returns += rewards
        ended = np.flatnonzero(over).tolist()
        for e in ended:
            self._ended.append((self._step, e, self._playing[e], float(self._returns[e])))
        self._step += 1
        return ended

    def update(
        self, values: NDArray[np.float32], advantages: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Score the levels whose episodes ended in the rollout.

        Args:
            values, advantages: of its steps, [T, N].

        Returns:
            Which of the steps are selected for learning, bool [T, N].
        """
        scores = self._score.of_steps(values, advantages).astype(np.float64)
        selected = np.empty(scores.shape, np.bool_)
        begins = [0] * len(self._playing)
        for step, e, episode, its_return in self._ended:
            part = slice(begins[e], step + 1)
            begins[e] = step + 1
            selected[part, e] = self._is_selected(episode)
            self._add(e, scores[part, e])
            self._record(episode, self._sums[e] / self._lengths[e], its_return)
            self._sums[e] = self._lengths[e] = 0
        for e, episode in enumerate(self._playing):
            selected[begins[e] :, e] = self._is_selected(episode)
            self._add(e, scores[begins[e] :, e])
        self._selected_share = float(selected.mean())
        self.begin_rollout()
        return selected

    def _add(self, e: int, scores: NDArray[np.float64]) -> None:
        """Add the scores of steps of the episode of environment ``e``, which may have begun in an
        earlier rollout.
        """
        self._sums[e] += scores.sum()
        self._lengths[e] += len(scores)

    def _is_selected(self, episode: Episode) -> bool:
        return episode.is_replay or not self.kind.robust

    def _record(self, episode: Episode, mean: float, its_return: float) -> None:
        best = max(self.levels.best(episode.level), its_return)
        score = self._score.of_episode(mean, best)
        self.levels.update(episode.level, score, best, episode.begun)
        if self.kind.edits and episode.is_replay:
            seeds = self._rng.integers(_EDITS, size=self.config.edits)
            self._children.append((*episode.level, *seeds.tolist()))

    def metrics(self) -> dict[str, float]:
        """Metrics for TensorBoard: how many levels are in the buffer, their mean score, the share
        of replays among recent episodes, the share of the last rollout that was trained on, and
        the mean number of edits of a level.
        """
        metrics = {"levels": len(self.levels), "replayed": float(np.mean(self._recent or [0.0]))}
        if len(self.levels):
            metrics["mean_score"] = float(self.levels.scores.mean())
        if self.kind.robust:
            metrics["trained_share"] = self._selected_share
        if self.kind.edits and len(self.levels):
            metrics["mean_edits"] = float(np.mean([len(name) - 1 for name in self.levels.names]))
        return metrics

    def get_state(self) -> dict[str, Any]:
        """The state between two rollouts, as plain data."""
        return {
            "levels": self.levels.get_state(),
            "generator": self._rng.bit_generator.state,
            "children": [list(level) for level in self._children],
            "recent": list(self._recent),
            "playing": [[list(one.level), one.is_replay, one.begun] for one in self._playing],
            "returns": self._returns.copy(),
            "sums": self._sums.copy(),
            "lengths": self._lengths.copy(),
            "selected_share": self._selected_share,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Resume from a state.

        Raises:
            ValueError: it is of another number of environments, or of more levels than are kept.
        """
        count = len(state["playing"])
        if count != len(self._playing):
            raise ValueError(
                f"{count} levels were being played, now there are {len(self._playing)}"
            )
        self.levels.set_state(state["levels"])
        self._rng.bit_generator.state = state["generator"]
        self._children = deque(tuple(level) for level in state["children"])
        self._recent = deque(state["recent"], maxlen=_RECENT)
        self._playing = [Episode(tuple(level), *rest) for level, *rest in state["playing"]]
        for name in ("returns", "sums", "lengths"):
            getattr(self, f"_{name}")[:] = state[name]
        self._selected_share = entry(state, "selected_share")
        self.begin_rollout()
