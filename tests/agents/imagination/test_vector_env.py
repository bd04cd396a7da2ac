"""Imagined episodes as a vector environment: they begin in real ones, end, restart, train PPO."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmrl.contract import IMAGE, INSTRUCTION
from mmrl.data import EpisodeDataset, RandomSource, Request, collect, find_place, open_dataset
from mmrl.generative.image.tokenizer import ImageTokenizer
from mmrl.generative.world_model.simulator import WorldSimulator, codes_of
from mmrl.models.config import ModelConfig
from mmrl.training.tasks.world_model import build
from mmrl_agents.algorithms.ppo import PPO
from mmrl_agents.imagination.vector_env import ImaginedVectorEnv, sample_starts
from mmrl_agents.networks.policy import MultimodalPolicy
from mmrl_agents.vec_env import MultimodalVecEnv

ENVS = 4


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> EpisodeDataset:
    place = find_place(str(tmp_path_factory.mktemp("data") / "random"))
    request = Request("mmrl/GoToObjS4-v0", 12, "random", env_args={"max_steps": 12}, num_envs=4)
    collect(request, RandomSource, place)
    return open_dataset(place.name)


@pytest.fixture(scope="module")
def world(real: EpisodeDataset) -> WorldSimulator:
    torch.manual_seed(0)
    tokenizer = ImageTokenizer((56, 56), hidden=16, layers=1).eval()
    images = np.concatenate([one.images for one in real])
    words = sorted({word for one in real for word in one.instruction.split()})
    model = {"width": 16, "heads": 2, "layers": 1, "outcome_layers": 1, "frames": 3, "margin": 2}
    recipe = {
        "codes": codes_of(tokenizer, images).unique().tolist(), "actions": 7, "words": words,
        "text": "bag_of_words", "text_args": {"width": 8}, "instruction_length": 16,
        "motions": [[0, 0, 0], [0, -1, 0]], "model": model,
    }  # fmt: skip
    return build(recipe, tokenizer).eval()


def imagined(world: WorldSimulator, real: EpisodeDataset, **options: object) -> ImaginedVectorEnv:
    starts = sample_starts(world, real, 10, np.random.default_rng(0))
    return ImaginedVectorEnv(world, starts, ENVS, **{"horizon": 3, **options})


def actions(seed: int, steps: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(7, size=(steps, ENVS))


def test_imagined_episodes_begin_in_real_ones(world: WorldSimulator, real: EpisodeDataset):
    starts = sample_starts(world, real, 20, np.random.default_rng(1))
    seen = {(one.instruction, image.tobytes()) for one in real for image in one.images[:-1]}
    for image, instruction in zip(starts.images, starts.instructions, strict=True):
        assert (instruction, image.tobytes()) in seen
    assert torch.equal(world.encode(starts.images), starts.state.ids)


def test_observations_are_of_the_contract(world: WorldSimulator, real: EpisodeDataset):
    env = imagined(world, real)
    observation, _ = env.reset(seed=0)
    assert env.observation_space[IMAGE].contains(observation[IMAGE])
    assert all(
        env.single_observation_space[INSTRUCTION].contains(one) for one in observation[INSTRUCTION]
    )
    observation, rewards, terminated, truncated, _ = env.step(actions(0, 1)[0])
    assert env.observation_space[IMAGE].contains(observation[IMAGE])
    assert rewards.shape == terminated.shape == truncated.shape == (ENVS,)


def test_a_seed_determines_what_is_imagined(world: WorldSimulator, real: EpisodeDataset):
    def frames_of(seed: int) -> list[bytes]:
        env = imagined(world, real)
        frames = [env.reset(seed=seed)[0][IMAGE]]
        frames += [env.step(one)[0][IMAGE] for one in actions(0, 7)]
        return [frame.tobytes() for frame in frames]

    assert frames_of(3) == frames_of(3)
    assert frames_of(3) != frames_of(4)


def test_episodes_end_at_the_horizon_and_restart(world: WorldSimulator, real: EpisodeDataset):
    world.model.outcome.outcome_head.bias.data[2] = -100  # no end by itself
    env = imagined(world, real, horizon=3)
    env.reset(seed=0)
    for t, chosen in enumerate(actions(0, 7), 1):
        observation, _, terminated, truncated, infos = env.step(chosen)
        assert not terminated.any()
        assert truncated.all() == (t % 3 == 0)
        if t % 3 == 0:
            assert infos["final_obs"][0][IMAGE].shape == (56, 56, 3)
            starts = {one.tobytes() for one in env.starts.images}
            assert all(image.tobytes() in starts for image in observation[IMAGE])
            assert not env._state.ended.any()


def test_an_end_with_a_reward_is_a_success(world: WorldSimulator, real: EpisodeDataset):
    env = imagined(world, real)
    bias = world.model.outcome.outcome_head.bias.data
    before = bias.clone()
    bias[:] = torch.tensor([100.0, 100.0, 100.0])
    env.reset(seed=0)
    _, rewards, terminated, _, infos = env.step(actions(0, 1)[0])
    bias.copy_(before)
    assert terminated.all()
    assert (rewards > 0).all()
    assert infos["final_info"]["is_success"].all()
    assert (env._steps == 0).all()


def test_it_resumes_exactly_from_its_state(world: WorldSimulator, real: EpisodeDataset):
    env, other = imagined(world, real, horizon=4), imagined(world, real, horizon=4)
    env.reset(seed=0)
    other.reset(seed=9)
    for chosen in actions(1, 5):
        env.step(chosen)
    other.set_state(env.get_state())
    for chosen in actions(2, 6):
        one, two = env.step(chosen), other.step(chosen)
        assert np.array_equal(one[0][IMAGE], two[0][IMAGE])
        assert one[0][INSTRUCTION] == two[0][INSTRUCTION]
        assert all(np.array_equal(a, b) for a, b in zip(one[1:4], two[1:4], strict=True))
    with pytest.raises(ValueError, match="a state of 4 episodes, not 2"):
        ImaginedVectorEnv(world, env.starts, 2).set_state(env.get_state())


def test_numbers_that_cannot_be(world: WorldSimulator, real: EpisodeDataset):
    with pytest.raises(ValueError, match="horizon=0"):
        imagined(world, real, horizon=0)


def test_ppo_learns_in_imagination(world: WorldSimulator, real: EpisodeDataset):
    env = MultimodalVecEnv(imagined(world, real), world.tokenizer)
    model = ModelConfig(
        image_args={"width": 8}, text="bag_of_words", text_args={"width": 8}, features=8,
        instruction_length=16,
    )  # fmt: skip
    agent = PPO(
        MultimodalPolicy, env, n_steps=4, batch_size=16, n_epochs=1, seed=0, device="cpu",
        policy_kwargs={"model": model},
    )  # fmt: skip
    before = [weight.clone() for weight in agent.policy.parameters()]
    agent.learn(32)
    after = list(agent.policy.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert len(agent.ep_info_buffer) > 0


def test_masks_of_imagined_steps_allow_all(world: WorldSimulator, real: EpisodeDataset):
    env = imagined(world, real, masks=True, horizon=1)
    assert env.single_observation_space["action_mask"].shape == (7,)
    observation, _ = env.reset(seed=0)
    assert observation["action_mask"].tolist() == [[1] * 7] * ENVS
    *_, infos = env.step(actions(0, 1)[0])
    assert infos["final_obs"][0]["action_mask"].tolist() == [1] * 7
    assert "action_mask" not in imagined(world, real).single_observation_space.spaces
