"""Learning really happens: success on episodes that training never saw, far above chance."""

import numpy as np

from mmrl.evaluation.episodes import play_episodes
from mmrl_agents.algorithms.ppo import PPOAgent, PPOConfig

ENV = "mmrl/GoToObjS4-v0"
EPISODES = 128


class Chance:
    """Every action is as likely as any other."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def act(self, observation, *, deterministic):
        return self.rng.integers(0, 7, len(observation["image"]))


def test_success_is_far_above_chance(make_run, tmp_path):
    hyper = PPOConfig(
        num_envs=32, n_steps=16, batch_size=128, learning_rate=2e-3, final_learning_rate=5e-4
    )
    config, run = make_run(tmp_path / "run", env=ENV, steps=6144, seed=0)
    trained = play_episodes(PPOAgent.train(config, hyper, run), ENV, EPISODES).summary()
    chance = play_episodes(Chance(), ENV, EPISODES).summary()
    assert chance["success_rate_95"][1] < 0.6
    assert trained["success_rate_95"][0] > chance["success_rate_95"][1] + 0.1
    assert trained["mean_length"] < chance["mean_length"] / 2
