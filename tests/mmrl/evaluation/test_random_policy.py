"""A random policy samples any action space, and what it does follows from the seed alone."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from mmrl.evaluation import episodes
from mmrl.evaluation.episodes import play_episodes
from mmrl.evaluation.random_policy import RandomPolicy

SPACES = {
    "discrete": spaces.Discrete(5, start=-2),
    "multi-discrete": spaces.MultiDiscrete([2, 7]),
    "multi-binary": spaces.MultiBinary(4),
    "bounded": spaces.Box(-2, 3, (2, 3), np.float32),
    "unbounded": spaces.Box(-np.inf, np.inf, (2,), np.float64),
    "half-bounded": spaces.Box(0, np.inf, (2,), np.float32),
    "dict": spaces.Dict(arm=spaces.Box(0, 1, (3,), np.float32), grip=spaces.Discrete(2)),
    "tuple": spaces.Tuple((spaces.Discrete(3), spaces.MultiBinary(2))),
}


class Reach(gym.Env[Any, Any]):
    """A plain environment: notes its actions; an episode is a success if ``target`` is drawn."""

    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (8, 8, 3), np.uint8), instruction=spaces.Text(9)
    )
    noted: list[Any] = []

    def __init__(self, action_space: spaces.Space[Any]) -> None:
        self.action_space = action_space

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.target, self.steps = int(self.np_random.integers(2)), 0
        return {"image": np.zeros((8, 8, 3), np.uint8), "instruction": "reach"}, {}

    def step(self, action: Any) -> Any:
        assert action in self.action_space
        self.noted.append(action)
        self.steps += 1
        hit = bool(np.all(action == self.target))
        observation = {"image": np.zeros((8, 8, 3), np.uint8), "instruction": "reach"}
        return observation, float(hit), False, self.steps == 2, {"is_success": hit}


@pytest.fixture
def reach(monkeypatch: pytest.MonkeyPatch) -> str:
    name = "test/AnyReach-v0"
    if name not in gym.registry:
        gym.register(name, Reach, disable_env_checker=True)
    monkeypatch.setattr(Reach, "noted", [])
    return name


@pytest.mark.parametrize("kind", SPACES)
def test_every_action_space(reach: str, kind: str) -> None:
    args = {"action_space": SPACES[kind]}
    played = play_episodes(RandomPolicy(), reach, 3, env_args=args)
    first, Reach.noted = Reach.noted, []
    assert played.lengths.tolist() == [2] * 3
    assert len(first) == 6
    assert len({repr(one) for one in first}) > 1
    again = play_episodes(RandomPolicy(), reach, 3, env_args=args)
    assert repr(Reach.noted) == repr(first)
    assert np.array_equal(again.success, played.success)


def test_the_seed_decides_and_the_batch_does_not(
    reach: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = {"action_space": SPACES["bounded"]}
    play_episodes(RandomPolicy(), reach, 4, env_args=args, first_seed=7)
    first, Reach.noted = Reach.noted, []
    monkeypatch.setattr(episodes, "_BATCH", 1)
    play_episodes(RandomPolicy(), reach, 4, env_args=args, first_seed=7)
    by_episode = [Reach.noted[k] for k in (0, 2, 4, 6, 1, 3, 5, 7)]
    assert np.array_equal(by_episode, first)
    Reach.noted = []
    play_episodes(RandomPolicy(), reach, 4, env_args=args, first_seed=8)
    assert not np.array_equal(Reach.noted, first)


def test_actions_are_independent_of_what_the_environment_draws(reach: str) -> None:
    """An environment that draws its target by ``integers(2)`` with the same seed is not hit by the
    first sample of ``Discrete(2)`` any more often than by chance.
    """
    played = play_episodes(
        RandomPolicy(), reach, 200, env_args={"action_space": spaces.Discrete(2)}
    )
    assert 0.35 < played.success.mean() < 0.65


def test_actions_are_uniform() -> None:
    env = SyncVectorEnv(
        [lambda: Reach(spaces.Discrete(4)) for _ in range(50)],
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    policy = RandomPolicy()
    policy.attach(env, range(50))
    drawn = np.concatenate([policy.act({}, deterministic=True) for _ in range(40)])
    assert np.bincount(drawn) == pytest.approx([500] * 4, abs=90)
