"""A rollout of a curriculum: all that is learnt from is drawn, and nothing else."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.logger import Logger

from mmrl_agents.algorithms.ppo import PPO
from mmrl_agents.buffers.rollout import MultimodalRolloutBuffer
from mmrl_agents.curriculum.config import CurriculumConfig
from mmrl_agents.curriculum.curriculum import Curriculum
from mmrl_agents.curriculum.rollout import CurriculumRolloutBuffer
from mmrl_agents.networks.policy import MultimodalPolicy

STEPS, ENVS = 6, 4
SPACES = gym.spaces.Dict(image=gym.spaces.Box(0, 255, (4, 4, 3), np.uint8)), gym.spaces.Discrete(3)


def curriculum(kind="robust_plr"):
    made = Curriculum(ENVS, CurriculumConfig(kind))
    made.begin_all()
    return made


@pytest.fixture
def full():
    """Makes a full rollout, of which so much is learnt from."""

    def make(learnt=None, kind="robust_plr"):
        plain = learnt is None and kind == "none"
        more = {} if plain else {"curriculum": curriculum("plr" if kind == "none" else kind)}
        buffer = (MultimodalRolloutBuffer if plain else CurriculumRolloutBuffer)(
            STEPS, *SPACES, "cpu", gae_lambda=0.9, n_envs=ENVS, **more
        )
        draw = np.random.default_rng(0)
        buffer.state = torch.arange(ENVS, dtype=torch.float32)[:, None]
        for t in range(STEPS):
            image = np.zeros((ENVS, 4, 4, 3), np.uint8)
            numbers = torch.from_numpy(100.0 * t + np.arange(ENVS)).float()
            rewards, starts = draw.random(ENVS).astype(np.float32), np.zeros(ENVS, np.bool_)
            buffer.add({"image": image}, np.zeros(ENVS), rewards, starts, numbers, numbers)
        buffer.compute_returns_and_advantage(torch.zeros(ENVS), np.zeros(ENVS, np.bool_))
        if learnt is not None:
            buffer.selected = learnt
        return buffer

    return make


def numbers(batches):
    return [batch.old_values.tolist() for batch in batches]


def test_where_all_is_learnt_from_it_draws_as_any_rollout(full):
    drawn = []
    for buffer in (full(kind="none"), full(np.ones((STEPS, ENVS), np.bool_))):
        for size in (8, 12, None):
            np.random.seed(3)
            drawn.append(numbers(buffer.get(size)))
    assert drawn[:3] == drawn[3:]


@pytest.mark.parametrize("size", [None, 4, 5, 100])
def test_only_what_is_learnt_from_is_drawn(full, size):
    learnt = np.random.default_rng(1).random((STEPS, ENVS)) < 0.6
    buffer = full(learnt)
    batches = numbers(buffer.get(size))
    there = {100.0 * t + e for t, e in np.argwhere(learnt)}
    flat = [number for batch in batches for number in batch]
    assert len(flat) == len(set(flat)) == buffer.drawn(size or len(there))
    assert set(flat) <= there
    assert len(there) - len(flat) < (size or 1)
    if size in (4, 5):
        assert {len(batch) for batch in batches} == {size}


def test_nothing_to_learn_from(full):
    buffer = full(np.zeros((STEPS, ENVS), np.bool_))
    assert list(buffer.get(4)) == []
    assert buffer.drawn(4) == 0


def test_sequences_say_which_of_their_steps_are_learnt_from(full):
    learnt = np.random.default_rng(1).random((STEPS, ENVS)) < 0.6
    seen = []
    for batch, state, starts, rows in full(learnt).sequences(2 * STEPS):
        assert starts.shape == (STEPS, 2)
        assert state[:, 0].tolist() == batch.old_values[:2].tolist()
        seen += batch.old_values[rows].tolist()
    assert sorted(seen) == sorted(100.0 * t + e for t, e in np.argwhere(learnt))
    assert all(one.selected is None for one in full(kind="plr").sequences(STEPS))


@pytest.mark.parametrize("memory", [None, "gru"])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_loss_is_of_what_is_learnt_from(make_batch, tiny, memory, share):
    """Other transitions may hold what they will: no weight changes with it."""
    weights = []
    for noise in (0.0, 50.0):
        torch.manual_seed(0)
        algorithm = PPO(
            MultimodalPolicy, make_batch(num_envs=ENVS), n_steps=8, batch_size=16, n_epochs=2,
            seed=1, device="cpu", rollout_buffer_class=CurriculumRolloutBuffer,
            rollout_buffer_kwargs={"curriculum": curriculum()},
            policy_kwargs={"model": tiny, "memory": memory},
        )  # fmt: skip
        algorithm.set_logger(Logger(None, []))
        _, callback = algorithm._setup_learn(100)
        buffer = algorithm.rollout_buffer
        algorithm.collect_rollouts(algorithm.env, callback, buffer, 8)
        before = [one.clone() for one in algorithm.policy.parameters()]
        buffer.selected = np.random.default_rng(2).random((8, ENVS)) < share
        for name in ("returns", "advantages", "values", "log_probs"):
            getattr(buffer, name)[~buffer.selected] += noise
        np.random.seed(5)
        algorithm.train()
        after = list(algorithm.policy.parameters())
        moved = any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
        assert moved == (share > 0)
        weights.append(after)
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
