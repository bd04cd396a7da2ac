"""The rollout buffer gives what SB3's gives, in the same order."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.buffers import DictRolloutBuffer
from torch.testing import assert_close

from mmrl_agents.buffers.rollout import MultimodalRolloutBuffer

SPACE = spaces.Dict(
    {
        "image": spaces.Box(0, 255, (4, 4, 3), np.uint8),
        "instruction": spaces.Box(0, 9, (5,), np.int32),
        "speech": spaces.Box(-1, 1, (2, 3), np.float16),
    }
)
ACTIONS = {"discrete": spaces.Discrete(4), "box": spaces.Box(-1, 1, (2,), np.float32)}


def fill(buffer, actions, generator):
    """The same random steps in any buffer."""
    for _ in range(buffer.buffer_size):
        observation = {
            key: (generator.random((buffer.n_envs, *space.shape)) * 9).astype(space.dtype)
            for key, space in SPACE.spaces.items()
        }
        action = (generator.random((buffer.n_envs, *actions.shape)) * 4).astype(actions.dtype)
        numbers = generator.standard_normal((3, buffer.n_envs)).astype(np.float32)
        starts = generator.random(buffer.n_envs) < 0.3
        value, log_prob = map(torch.from_numpy, numbers[1:])
        buffer.add(observation, action, numbers[0], starts, value, log_prob)
    last = torch.from_numpy(generator.standard_normal(buffer.n_envs).astype(np.float32))
    buffer.compute_returns_and_advantage(last, generator.random(buffer.n_envs) < 0.3)


@settings(deadline=None)
@given(
    steps=st.integers(1, 5),
    envs=st.integers(1, 4),
    batch_size=st.none() | st.integers(1, 9),
    actions=st.sampled_from(sorted(ACTIONS)),
    seed=st.integers(0, 99),
)
def test_as_sb3(steps, envs, batch_size, actions, seed):
    batches = []
    for kind in (DictRolloutBuffer, MultimodalRolloutBuffer):
        space = ACTIONS[actions]
        buffer = kind(steps, SPACE, space, "cpu", gae_lambda=0.9, gamma=0.8, n_envs=envs)
        for again in range(2):  # the second rollout overwrites the first
            buffer.reset()
            fill(buffer, space, np.random.default_rng([seed, again]))
        np.random.seed(seed)
        batches.append(list(buffer.get(batch_size)))
    for theirs, ours in zip(*batches, strict=True):
        for key in SPACE.spaces:
            assert ours.observations[key].dtype == theirs.observations[key].dtype
            assert torch.equal(ours.observations[key], theirs.observations[key])
        for one, other in zip(theirs[1:], ours[1:-1], strict=True):
            assert_close(other.reshape(one.shape), one, rtol=0, atol=0)
    numbers = torch.cat([batch.steps for batch in batches[1]])
    assert sorted(numbers.tolist()) == list(range(steps * envs))


def test_half_full():
    buffer = MultimodalRolloutBuffer(2, SPACE, ACTIONS["discrete"], "cpu")
    with pytest.raises(ValueError, match="0 of 2 steps"):
        next(buffer.get())


def test_sequences_are_whole_environments():
    buffer = MultimodalRolloutBuffer(4, SPACE, ACTIONS["discrete"], "cpu", n_envs=6)
    fill(buffer, ACTIONS["discrete"], np.random.default_rng(0))
    buffer.state = torch.arange(6.0).unsqueeze(1)
    seen = []
    for batch, state, starts, _ in buffer.sequences(8):
        rows = state[:, 0].long().tolist()
        seen += rows
        assert torch.equal(starts, torch.from_numpy(buffer.episode_starts[:, rows] > 0))
        images = batch.observations["image"].unflatten(0, (4, 2))
        assert torch.equal(images, buffer.observations["image"][:, rows])
        wanted = torch.from_numpy(buffer.returns[:, rows])
        assert torch.equal(batch.returns.view(4, 2), wanted)
    assert sorted(seen) == list(range(6))
