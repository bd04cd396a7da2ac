"""Which level is played next, and what came of those that were."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl.contract import EVAL_SEED_START
from mmrl_agents.curriculum.levels import Level, Levels
from mmrl_agents.curriculum.scores import find_score
from mmrl_agents.curriculum.settings import Kind, Settings

_RECENT: Final = 200  # episodes that the share of replays is taken over
_EDITS: Final = 2**31  # seeds of edits stay below


@dataclass(frozen=True)
class Episode:
    """An episode that is being played.

    Attributes:
        level: where.
        is_replay: whether the level was drawn from those that are kept.
        begun: its number among all episodes.
    """

    level: Level
    is_replay: bool
    begun: int


class Curriculum:
    """Chooses the level of every episode of a batch, and learns from each rollout what they are
    worth.

    An episode replays a level that is kept with probability p, once there are enough of them; else
    it is the child of a level that was replayed, where levels are edited, or a new one, of a seed
    that no held-out episode has.

    Args:
        num_envs: environments N of the batch.
        kind: what kind of curriculum.
        settings: its numbers.
        seed: of all choices.
    """

    def __init__(self, num_envs: int, kind: Kind, settings: Settings, seed: int = 0) -> None:
        self.kind, self.settings = kind, settings
        self.levels = Levels(settings.size, settings.temperature, settings.staleness)
        self._score = find_score(settings.score)
        self._generator = np.random.default_rng(seed)
        self._children: deque[Level] = deque()
        self._recent: deque[bool] = deque(maxlen=_RECENT)
        self._playing = [Episode((0,), False, 0)] * num_envs
        self._returns, self._sums = np.zeros(num_envs), np.zeros(num_envs)
        self._lengths = np.zeros(num_envs, np.int64)
        self._learnt = 1.0
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
        wanted = self._generator.random() < self.settings.replay
        if self._children:
            self.levels.begun += 1
            return self._children.popleft(), False
        if wanted and len(self.levels) >= self.settings.first:
            return self.levels.draw(self._generator), True
        self.levels.begun += 1
        return (int(self._generator.integers(EVAL_SEED_START)),), False

    def begin_rollout(self) -> None:
        """Nothing of the next rollout has been seen yet."""
        self._ended: list[tuple[int, int, Episode, float]] = []  # step, environment, return
        self._step = 0

    def step(self, rewards: NDArray[np.float64], over: NDArray[np.bool_]) -> list[int]:
        """Take notice of a step of the batch.

        Args:
            rewards: [N].
            over: whose episodes have ended with it, [N].

        Returns:
            The environments that are to :meth:`begin` another episode.
        """
        self._returns += rewards
        ended = np.flatnonzero(over).tolist()
        for e in ended:
            self._ended.append((self._step, e, self._playing[e], float(self._returns[e])))
        self._step += 1
        return ended

    def learn(
        self, values: NDArray[np.float32], advantages: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Score the levels whose episodes have ended in the rollout.

        Args:
            values, advantages: of its steps, [T, N].

        Returns:
            Which of the steps are to be learnt from, bool [T, N].
        """
        figures = self._score.of_steps(values, advantages).astype(np.float64)
        learnt = np.empty(figures.shape, np.bool_)
        begins = [0] * len(self._playing)
        for step, e, episode, its_return in self._ended:
            part = slice(begins[e], step + 1)
            begins[e] = step + 1
            learnt[part, e] = self._is_learnt(episode)
            self._add(e, figures[part, e])
            self._note(episode, self._sums[e] / self._lengths[e], its_return)
            self._sums[e] = self._lengths[e] = 0
        for e, episode in enumerate(self._playing):
            learnt[begins[e] :, e] = self._is_learnt(episode)
            self._add(e, figures[begins[e] :, e])
        self._learnt = float(learnt.mean())
        self.begin_rollout()
        return learnt

    def _add(self, e: int, figures: NDArray[np.float64]) -> None:
        """Steps of the episode of environment ``e``, which may have begun in an earlier rollout."""
        self._sums[e] += figures.sum()
        self._lengths[e] += len(figures)

    def _is_learnt(self, episode: Episode) -> bool:
        return episode.is_replay or not self.kind.robust

    def _note(self, episode: Episode, mean: float, its_return: float) -> None:
        best = max(self.levels.best(episode.level), its_return)
        score = self._score.of_episode(mean, best)
        self.levels.note(episode.level, score, best, episode.begun)
        if self.kind.edits and episode.is_replay:
            seeds = self._generator.integers(_EDITS, size=self.settings.edits)
            self._children.append((*episode.level, *seeds.tolist()))

    def figures(self) -> dict[str, float]:
        """What is to be seen of it in TensorBoard: how many levels are kept, their mean score, the
        share of replays among recent episodes, the share of the last rollout that was learnt from,
        and the mean number of edits of a level.
        """
        shown = {"levels": len(self.levels), "replayed": float(np.mean(self._recent or [0.0]))}
        if len(self.levels):
            shown["mean_score"] = float(self.levels.scores.mean())
        if self.kind.robust:
            shown["learnt_from"] = self._learnt
        if self.kind.edits and len(self.levels):
            shown["mean_edits"] = float(np.mean([len(name) - 1 for name in self.levels.names]))
        return shown

    def get_state(self) -> dict[str, Any]:
        """All that it goes by between two rollouts, as plain data."""
        return {
            "levels": self.levels.get_state(),
            "generator": self._generator.bit_generator.state,
            "children": [list(level) for level in self._children],
            "recent": list(self._recent),
            "playing": [[list(one.level), one.is_replay, one.begun] for one in self._playing],
            "returns": self._returns.copy(),
            "sums": self._sums.copy(),
            "lengths": self._lengths.copy(),
            "learnt": self._learnt,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state.

        Raises:
            ValueError: it is of another number of environments, or of more levels than are kept.
        """
        count = len(state["playing"])
        if count != len(self._playing):
            raise ValueError(
                f"{count} levels were being played, now there are {len(self._playing)}"
            )
        self.levels.set_state(state["levels"])
        self._generator.bit_generator.state = state["generator"]
        self._children = deque(tuple(level) for level in state["children"])
        self._recent = deque(state["recent"], maxlen=_RECENT)
        self._playing = [Episode(tuple(level), *rest) for level, *rest in state["playing"]]
        for name in ("returns", "sums", "lengths"):
            getattr(self, f"_{name}")[:] = state[name]
        self._learnt = state["learnt"]
        self.begin_rollout()
