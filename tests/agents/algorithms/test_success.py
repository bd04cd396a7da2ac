"""The success rate of a training has no survivorship bias."""

import numpy as np
import pytest
from stable_baselines3.common.callbacks import BaseCallback

from mmrl_agents.algorithms.ppo import PPO
from mmrl_agents.loop.callbacks import success_rate
from mmrl_agents.loop.state import get_training_state, set_training_state
from mmrl_agents.networks.policy import MultimodalPolicy

ENVS = 12


class Watch(BaseCallback):
    """The success rate after each rollout, and what it is to be."""

    def __init__(self):
        super().__init__()
        self.first, self.later, self.rates, self.expected = {}, [], [], []

    def _on_step(self):
        are_all = len(self.first) == ENVS
        for e in np.flatnonzero(self.locals["dones"]).tolist():
            outcome = self.locals["infos"][e]["is_success"]
            if are_all:
                self.later.append(outcome)
            else:
                self.first.setdefault(e, outcome)
        return True

    def _on_rollout_end(self):
        outcomes = [*self.first.values(), *self.later]
        self.expected.append(np.mean(outcomes) if len(self.first) == ENVS else None)
        self.rates.append(success_rate(self.model))


def make(make_batch, counter, tiny):
    settings = {"n_steps": 2, "batch_size": 24, "n_epochs": 1, "learning_rate": 0.0, "seed": 0}
    env = make_batch(counter, ENVS)
    return PPO(MultimodalPolicy, env, policy_kwargs={"model": tiny}, device="cpu", **settings)


def test_it_is_shown_once_the_first_episode_of_each_environment_has_ended(
    make_batch, counter, tiny
):
    """There, success ends an episode at once, and failure after three steps."""
    algorithm, watch = make(make_batch, counter, tiny), Watch()
    algorithm.learn(2 * ENVS, watch)
    assert watch.first  # some have ended, all of them successes
    assert all(watch.first.values())
    assert watch.rates == [None]
    state = get_training_state(algorithm)
    other = make(make_batch, counter, tiny)
    other._setup_learn(1)
    set_training_state(other, state, 0)
    assert other._first_outcomes == algorithm._first_outcomes == watch.first
    algorithm.learn(4 * ENVS, watch, reset_num_timesteps=False)
    assert watch.rates[0] is None
    assert watch.rates[1:] == pytest.approx(watch.expected[1:])
    assert 0.5 < watch.rates[1] < 1
