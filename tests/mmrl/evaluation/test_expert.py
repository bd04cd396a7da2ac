"""An environment's expert is an actor, and SPL is as its formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mmrl.evaluation.episodes import play_episodes
from mmrl.evaluation.expert import Expert, NoExpertError, path_efficiency


def test_spl_by_hand() -> None:
    success = np.array([True, True, False, True, True])
    lengths = np.array([10, 4, 9, 2, 7])
    expert = np.array([True, True, True, True, False])
    shortest = np.array([5, 4, 3, 4, 90])
    terms = path_efficiency(success, lengths, expert, shortest)
    # half as fast, as fast, failed, faster than the expert; what the expert fails is left out
    assert terms.tolist() == [0.5, 1, 0, 1]
    assert terms.mean() == 0.625


class Knowing:
    """Mixed into an environment: an expert who knows what is asked for if it may see all."""

    def expert_action(self, knowledge: str = "seen") -> int:
        return int(self.side if knowledge == "full" else 1 - self.side)  # type: ignore[attr-defined]


def test_the_expert_of_single_environments(signals: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import gymnasium as gym

    with pytest.raises(NoExpertError):
        play_episodes(Expert(), signals, 3)
    cls: Any = gym.spec(signals).entry_point
    monkeypatch.setattr(cls, "expert_action", Knowing.expert_action, raising=False)
    played = play_episodes(Expert(), signals, 5)
    assert played.success.all()
    assert played.lengths.tolist() == [1] * 5


def test_the_expert_of_a_batched_engine() -> None:
    played = play_episodes(Expert(), "mmrl/GoToObjS4-v0", 4)
    assert played.success.all()
    assert (played.lengths < 10).all()
