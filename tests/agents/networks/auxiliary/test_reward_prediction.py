"""Reward prediction beside PPO: what it teaches the encoders, with a stranger's environment."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.logger import Logger

from mmrl.errors import UserError
from mmrl_agents.algorithms.ppo import PPO
from mmrl_agents.loop.state import get_training_state, set_training_state
from mmrl_agents.networks.auxiliary.part import build_auxiliary
from mmrl_agents.networks.policy import MultimodalPolicy

SETTINGS = {"n_steps": 16, "batch_size": 64, "n_epochs": 2, "seed": 1, "device": "cpu"}
SEEN = spaces.Dict(image=spaces.Box(0, 255, (16, 16, 3), "uint8"))
LAMPS = "test/Lamps-v0"


class Lamps(gym.Env):
    """Press when the lamp has the colour that the instruction names; a wrong press ends it, too."""

    def __init__(self, render_mode=None):
        self.observation_space = spaces.Dict(
            {
                "camera": spaces.Box(0, 255, (16, 16, 3), np.uint8),
                "order": spaces.Text(30, charset="abcdefghijklmnopqrstuvwxyz "),
            }
        )
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.wanted, self.lamp = self.np_random.integers(3, size=2)
        return self.look(), {}

    def step(self, action):
        pressed = int(action) == 1
        right = bool(pressed and self.lamp == self.wanted)
        self.lamp = self.np_random.integers(3)
        return self.look(), float(right), pressed, False, {"is_success": right}

    def look(self):
        camera = np.zeros((16, 16, 3), np.uint8)
        camera[..., self.lamp] = 200
        return {"camera": camera, "order": f"press at {('red', 'green', 'blue')[self.wanted]}"}


@pytest.fixture(scope="module")
def lamps():
    if LAMPS not in gym.registry:
        gym.register(LAMPS, Lamps)
    return LAMPS


def make(env, model, **policy):
    kwargs = {"model": model, "auxiliary": "reward_prediction", **policy}
    algorithm = PPO(MultimodalPolicy, env, policy_kwargs=kwargs, **SETTINGS)
    algorithm.set_logger(Logger(None, []))
    return algorithm


@pytest.mark.parametrize("memory", [None, "gru"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_reach_every_encoder(make_batch, tiny, lamps, memory, precision):
    algorithm = make(make_batch(lamps, 8), replace(tiny, precision=precision), memory=memory)
    algorithm.policy.auxiliary._half = 2
    algorithm.learn(128)
    policy, rollout = algorithm.policy, algorithm.rollout_buffer
    batch, evaluation, _ = next(iter(algorithm._minibatches()))
    policy.zero_grad()
    loss = policy.auxiliary_loss(rollout, batch, evaluation.features)
    assert loss > 0
    loss.backward()
    for name, encoder in policy.features_extractor.model.encoders.items():
        assert any(one.grad is not None and one.grad.any() for one in encoder.parameters()), name
    assert all(one.grad is None for one in policy.action_net.parameters())


def test_it_predicts_which_press_is_rewarded(make_batch, tiny, lamps):
    """With the policy held still: by pictures and words of steps that it has not seen."""
    env = make_batch(lamps, 8)
    algorithm = make(env, tiny, auxiliary_args={"batch_size": 64})
    algorithm.learning_rate = algorithm.lr_schedule = lambda _: 5e-3
    algorithm.vf_coef = algorithm.ent_coef = 0.0
    algorithm._advantages = lambda batch: torch.zeros_like(batch.advantages)
    algorithm.learn(128 * 20)
    policy = algorithm.policy
    observation = env.reset()
    right = total = 0
    for _ in range(10):
        tensors = {key: torch.as_tensor(one) for key, one in observation.items()}
        with torch.no_grad():
            features = policy._encode(tensors)
            says = policy.auxiliary(features, torch.ones(8)) > 0
        observation, rewards, _, _ = env.step(np.ones(8, np.int64))
        right += int((says.numpy() == (rewards > 0)).sum())
        total += 8
    assert right / total > 0.9


def test_without_both_kinds_of_outcome_there_is_no_loss(make_batch, tiny):
    algorithm = make(make_batch(num_envs=8), tiny)
    algorithm.learn(128)
    batch, evaluation, _ = next(iter(algorithm._minibatches()))
    assert (
        algorithm.policy.auxiliary_loss(algorithm.rollout_buffer, batch, evaluation.features) == 0
    )


def test_a_training_resumes_with_what_was_kept(make_batch, tiny, lamps):
    one, other = (make(make_batch(lamps, 8), tiny) for _ in range(2))
    one.learn(128)
    other.learn(128)
    state = get_training_state(one)
    other.policy.auxiliary.replay._counts = [0, 0]
    set_training_state(other, state, seed=0)
    ours, theirs = one.policy.auxiliary.replay, other.policy.auxiliary.replay
    assert len(theirs) == len(ours) > 0
    assert torch.equal(ours.sample(9).actions, theirs.sample(9).actions)


@pytest.mark.parametrize("action", [spaces.Box(-1, 1, (2,)), spaces.MultiDiscrete([2, 3])])
def test_actions_of_any_kind(action):
    loss = build_auxiliary("reward_prediction", 4, SEEN, action, {"weight": 0.5})
    assert loss(torch.randn(5, 4), torch.zeros(5, 2)).shape == (5,)
    assert loss.weight == 0.5


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"side": 7}, "do not fit reward_prediction"),
        ({"weight": 0}, "weight=0 must be above 0"),
        ({"replay_size": 10}, "replay_size=10"),
    ],
)
def test_refusals(args, words):
    with pytest.raises(UserError, match=words):
        build_auxiliary("reward_prediction", 4, SEEN, spaces.Discrete(3), args)
