"""Every algorithm, ours and stable-baselines3's own, learns from any images, vectors and texts."""

import gymnasium as gym
import numpy as np
import pytest
import sb3_contrib
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv

from mmrl.errors import UserError
from mmrl.models.encoders.vector import RunningNorm
from mmrl_agents.algorithms.dqn import DQN, DQNPolicy
from mmrl_agents.algorithms.ppo import PPO
from mmrl_agents.algorithms.qrdqn import QRDQN, QRDQNPolicy
from mmrl_agents.algorithms.sac import SAC, SACPolicy
from mmrl_agents.networks.policy import MultimodalPolicy

SPACES = {
    "image": spaces.Box(0, 255, (16, 16, 3), np.uint8),
    "wrist": spaces.Box(0, 255, (12, 16, 3), np.uint8),
    "observation.images.top": spaces.Box(0, 255, (16, 16, 3), np.uint8),
    "state": spaces.Box(-np.inf, np.inf, (3,), np.float32),
    "instruction": spaces.Box(0, 9, (5,), np.int32),
}
SETS = [
    ("image",),
    ("state",),
    ("instruction",),
    ("state", "instruction"),
    ("observation.images.top", "state"),
    ("image", "wrist", "state", "instruction"),
]
ROLLOUT = {"n_steps": 8, "batch_size": 8, "n_epochs": 2}
REPLAY = {"learning_starts": 8, "batch_size": 8, "buffer_size": 64}
ALGORITHMS = {
    "ppo": (PPO, MultimodalPolicy, ROLLOUT, False),
    "plain ppo": (stable_baselines3.PPO, MultimodalPolicy, ROLLOUT, True),
    "dqn": (DQN, DQNPolicy, {**REPLAY, "target_update_interval": 8}, False),
    "plain dqn": (stable_baselines3.DQN, DQNPolicy, {**REPLAY, "target_update_interval": 8}, False),
    "qrdqn": (QRDQN, QRDQNPolicy, {**REPLAY, "target_update_interval": 8}, False),
    "plain qrdqn": (sb3_contrib.QRDQN, QRDQNPolicy, {**REPLAY, "target_update_interval": 8}, False),
    "sac": (SAC, SACPolicy, REPLAY, True),
    "plain sac": (stable_baselines3.SAC, SACPolicy, REPLAY, True),
}

PAIRS = [(name, SETS[-1]) for name in ALGORITHMS] + [
    (name, keys)
    for k, keys in enumerate(SETS[:-1])  # each by one with rollouts and one with a replay buffer
    for name in (("ppo", "plain ppo")[k % 2], [*ALGORITHMS][2 + k])
]

NETWORKS = {"dqn": "q_net", "qrdqn": "quantile_net", "sac": "critic"}
"""Of off-policy algorithms, the one with a target network."""


class Sampled(gym.Env):
    """Observations are drawn from their spaces; the reward is 1 for action 1, or near 1."""

    def __init__(self, keys, *, is_continuous):
        self.observation_space = spaces.Dict({key: SPACES[key] for key in keys})
        self.action_space = spaces.Box(-1, 1, (2,)) if is_continuous else spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.steps += 1
        reward = float(np.mean(np.abs(action - 1) < 0.5))
        return self.observation_space.sample(), reward, self.steps == 5, False, {}


@pytest.fixture
def make(tiny):
    """Makes an algorithm on two environments."""

    def build(name, keys, **policy_kwargs):
        kind, policy, settings, is_continuous = ALGORITHMS[name]
        env = DummyVecEnv([lambda: Sampled(keys, is_continuous=is_continuous)] * 2)
        options = {"model": tiny, **policy_kwargs}
        return kind(policy, env, seed=0, device="cpu", policy_kwargs=options, **settings)

    return build


@pytest.mark.parametrize(("name", "keys"), PAIRS)
def test_learning_moves_every_encoder(make, name, keys):
    algorithm = make(name, keys)
    network = NETWORKS.get(name.split()[-1])
    learner = getattr(algorithm.policy, network) if network else algorithm.policy
    model = learner.features_extractor.model
    before = {key: one.clone() for key, one in model.named_parameters()}
    algorithm.learn(32)
    after = dict(model.named_parameters())
    assert all(one.isfinite().all() for one in after.values())
    for key, encoder in model.encoders.items():
        names = [name for name, one in after.items() if any(one is p for p in encoder.parameters())]
        assert any(not torch.equal(after[name], before[name]) for name in names), key
    observation = algorithm.get_env().reset()
    action, _ = algorithm.predict(observation, deterministic=True)
    assert len(action) == 2


@pytest.mark.parametrize("name", sorted(ALGORITHMS.keys() - {"ppo", "plain ppo"}))
def test_target_networks_copy_the_statistics(make, name):
    """They never count by themselves."""
    algorithm = make(name, ("state", "instruction"))
    algorithm.learn(32)
    network = getattr(algorithm.policy, f"{NETWORKS[name.split()[-1]]}_target")
    norm = next(one for one in network.modules() if isinstance(one, RunningNorm))
    assert (norm.running_mean != 0).all()
    assert (norm.running_var != 1).all()
    assert (norm.count == 0).all()


def test_ratios_of_the_first_minibatch_are_one(make):
    """A rollout is collected and first evaluated with the same statistics."""
    algorithm = make("ppo", ("image", "state"))
    algorithm.learn(16)
    env = algorithm.get_env()
    callback = algorithm._setup_learn(16, None)[1]
    assert algorithm.collect_rollouts(env, callback, algorithm.rollout_buffer, 8)
    algorithm.policy.set_training_mode(True)
    batch, evaluation, _ = next(iter(algorithm._minibatches()))
    torch.testing.assert_close(evaluation.log_probs, batch.old_log_prob)
    batch, evaluation, _ = next(iter(algorithm._minibatches()))
    assert not torch.allclose(evaluation.log_probs, batch.old_log_prob, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["ppo", "qrdqn", "sac"])
def test_save_and_load(make, name, tmp_path):
    algorithm = make(name, ("observation.images.top", "state", "instruction"))
    algorithm.learn(32)
    algorithm.save(tmp_path / "agent")
    again = type(algorithm).load(tmp_path / "agent", device="cpu")
    observation = algorithm.get_env().reset()
    expected, _ = algorithm.predict(observation, deterministic=True)
    assert np.array_equal(again.predict(observation, deterministic=True)[0], expected)
    here, there = (one.policy.state_dict() for one in (algorithm, again))
    assert all(torch.equal(here[key], there[key]) for key in here)


def test_images_are_needed_where_they_are_predicted(make):
    with pytest.raises(UserError, match="predicts 'image', and observations have state"):
        make("ppo", ("state",), auxiliary="world_model")
    make("ppo", ("state",), auxiliary="reward_prediction").learn(32)
