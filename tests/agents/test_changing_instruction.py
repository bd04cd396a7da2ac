"""An instruction that changes within an episode is encoded anew, and stored at each step."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from mmrl.preprocessing.text import WordTokenizer
from mmrl.wrappers.adapters import make_vec_env
from mmrl_agents.algorithms.dqn import DQN, DQNPolicy
from mmrl_agents.algorithms.ppo import PPO
from mmrl_agents.networks.policy import MultimodalPolicy
from mmrl_agents.vec_env import MultimodalVecEnv

CHANGING = "test/Changing-v0"
TOKENIZER = WordTokenizer(["step", "a", "b", "c", "d"], 4)
SENTENCES = ("step a", "step a", "step b", "step c")  # after 0, 1, 2, 3 steps


class Changing(gym.Env[dict[str, Any], int]):
    """Episodes of 3 steps, whose instruction changes with the second and with the last one."""

    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (16, 16, 3), np.uint8),
        instruction=spaces.Text(10, charset="abcdepst "),
    )
    action_space = spaces.Discrete(2)

    def __init__(self, render_mode: str | None = None):
        self.steps = 0

    def look(self) -> dict[str, Any]:
        image = np.full((16, 16, 3), self.steps, np.uint8)
        return {"image": image, "instruction": SENTENCES[self.steps]}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return self.look(), {}

    def step(self, action: int) -> Any:
        self.steps += 1
        return self.look(), 1.0, self.steps == 3, False, {}

    def get_state(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def set_state(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]


@pytest.fixture
def env() -> Any:
    if CHANGING not in gym.registry:
        gym.register(CHANGING, Changing)
    made = MultimodalVecEnv(make_vec_env(CHANGING, 2), TOKENIZER)
    yield made
    made.close()


def words(ids: Any) -> list[str]:
    return [TOKENIZER.decode(one) for one in np.asarray(ids).reshape(-1, TOKENIZER.length)]


def test_it_is_encoded_when_it_changes(env: MultimodalVecEnv):
    observed = [env.reset()]
    for _ in range(3):
        observation, _, dones, infos = env.step(np.zeros(2, np.int64))
        observed.append(observation)
    assert dones.all()
    found = [words(one["instruction"]) for one in observed]
    assert found == [["step a"] * 2, ["step a"] * 2, ["step b"] * 2, ["step a"] * 2]
    for info in infos:  # what the last step led to has the last instruction
        assert words(info["terminal_observation"]["instruction"]) == ["step c"]


def test_nothing_is_encoded_while_it_stays(env: MultimodalVecEnv, monkeypatch: pytest.MonkeyPatch):
    env.reset()
    before = env._encoded
    monkeypatch.setattr(WordTokenizer, "encode", lambda *_: pytest.fail("encoded"))
    observation, *_ = env.step(np.zeros(2, np.int64))
    assert env._encoded is before
    assert observation["instruction"] is before["instruction"]


@pytest.mark.parametrize("knows_instructions", [True, False])
def test_it_is_resumed(env: MultimodalVecEnv, knows_instructions: bool):
    env.reset()
    for _ in range(2):
        env.step(np.zeros(2, np.int64))
    state: Any = env.get_state()
    if not knows_instructions:  # as states were saved before
        state = {**state, "told": state["encoded"]}
        del state["instructions"], state["encoded"]
    other = MultimodalVecEnv(make_vec_env(CHANGING, 2), TOKENIZER)
    other.reset()
    other.set_state(state)
    for one in (env, other):
        observation, _, _, infos = one.step(np.zeros(2, np.int64))
        assert words(observation["instruction"]) == ["step a"] * 2
        assert words(infos[0]["terminal_observation"]["instruction"]) == ["step c"]
    other.close()


def test_a_rollout_stores_it_at_each_step(env: MultimodalVecEnv, tiny: Any):
    algorithm = PPO(
        MultimodalPolicy, env, n_steps=6, batch_size=12, n_epochs=1, device="cpu",
        policy_kwargs={"model": tiny},
    )  # fmt: skip
    algorithm.learn(12)
    stored = algorithm.rollout_buffer.observations["instruction"]
    assert words(stored[:, 0]) == ["step a", "step a", "step b"] * 2


def test_a_replay_buffer_stores_it_at_each_step(env: MultimodalVecEnv, tiny: Any):
    algorithm = DQN(
        DQNPolicy, env, buffer_size=32, learning_starts=100, device="cpu",
        policy_kwargs={"model": tiny},
    )  # fmt: skip
    algorithm.learn(12)
    replay: Any = algorithm.replay_buffer
    batch = replay._get_samples(np.arange(0, replay.size(), 2))
    assert words(batch.observations["instruction"])[:6] == ["step a", "step a", "step b"] * 2
    after = words(batch.next_observations["instruction"])
    assert after[:2] == ["step a", "step b"]  # nothing is stored of what a terminal step led to
