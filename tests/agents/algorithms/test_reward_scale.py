"""Reward scaling: its statistics, and that large rewards are learned from as small ones are."""

import importlib
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from mmrl_agents.algorithms.ppo import PPOAgent
from mmrl_agents.algorithms.reward_scale import RewardScale

importlib.import_module("worlds.levers")
ROLLOUTS = st.lists(
    st.tuples(
        arrays.arrays(np.float32, (7, 3), elements=st.floats(-1e4, 1e4, width=32)),
        arrays.arrays(np.bool_, (7, 3)),
    ),
    min_size=1,
    max_size=4,
)

POLES = DummyVecEnv([lambda: gym.make("CartPole-v1")] * 3)


@given(ROLLOUTS, st.floats(0, 1))
def test_it_is_the_deviation_that_sb3_normalises_by(rollouts, gamma):
    ours, theirs = RewardScale(3, gamma), VecNormalize(POLES, gamma=gamma)
    seen = []
    for rewards, ends in rollouts:
        ours.update(rewards, ends)
        for row, over in zip(rewards, ends, strict=True):
            theirs._update_reward(row)
            seen.append(theirs.returns.copy())
            theirs.returns[over] = 0
    assert ours.value == pytest.approx(max(1.0, np.std(seen)), rel=1e-6)
    mean = np.mean(seen) / ours.value if ours.value > 1 else 0.0
    assert ours.mean == pytest.approx(mean, rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(ours.returns, theirs.returns, rtol=1e-6)


def test_it_resumes():
    rng = np.random.default_rng(0)
    rewards, ends = rng.normal(0, 50, (2, 9, 4)).astype(np.float32), rng.random((2, 9, 4)) < 0.2
    whole, first, second = (RewardScale(4, 0.9) for _ in range(3))
    for scale in (whole, first):
        scale.update(rewards[0], ends[0])
    second.set_state(first.get_state())
    second.returns = first.returns
    for scale in (whole, second):
        scale.update(rewards[1], ends[1])
    assert whole.value == second.value > 20
    assert RewardScale(4, 0.9).value == 1.0


@pytest.fixture
def weights(make_run, hyper, tmp_path):
    """The weights after a training on rewards that are multiplied."""

    def train(name, reward_scale, **changes):
        config, run = make_run(
            tmp_path / name, env="levers/Lever-v0", steps=512, checkpoint_every=512,
            env_args={"env_adapter": {"reward_scale": reward_scale}},
        )  # fmt: skip
        PPOAgent.train(config, replace(hyper, n_steps=8, **changes), run)
        return run.read_checkpoint().weights

    return train


def test_the_size_of_large_rewards_does_not_matter(weights):
    one, other = weights("one", 1e4), weights("other", 1e6)
    assert all(np.allclose(one[name], other[name], atol=1e-2) for name in one)
    without = weights("without", 1e6, scale_rewards=False)
    assert any(not np.allclose(one[name], without[name], atol=1e-2) for name in one)


def test_the_critic_begins_at_the_mean_return(weights):
    """Otherwise it takes the features along on its way there, and they may be 0 for ever after."""
    still = weights("still", 1e4, learning_rate=0.0, final_learning_rate=0.0)
    small = weights("small", 1.0, learning_rate=0.0, final_learning_rate=0.0)
    bias = "value_net.bias"
    assert still[bias].item() > small[bias].item() + 0.5


def test_small_rewards_stay_as_they_are(weights):
    one, other = weights("one", 1.0), weights("other", 1.0, scale_rewards=False)
    assert all(np.array_equal(one[name], other[name]) for name in one)
